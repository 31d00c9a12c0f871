//! Conditional requests.

use hyper::Method;
use serde_json::json;

use super::fixture::{Call, Server};

#[tokio::test]
async fn a_version_that_the_client_has_is_not_sent_again() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let path = "/v1/prompts/greet/versions/latest";
    let first = server.get(path).await;
    let tag = first.header("etag").to_owned();
    let ask = |field: String| Call::new(Method::GET, path).header("if-none-match", &field);
    for field in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let known = server.send(ask(field.clone())).await.check_status(304);
        assert!(known.body.is_empty(), "{field}");
        assert_eq!(known.header("etag"), tag, "{field}");
        assert!(!known.header("promptd-revision").is_empty(), "{field}");
    }
    server.send(ask("\"other\"".to_owned())).await.check_status(200);
    let malformed = server.send(ask("no-quotes".to_owned())).await;
    malformed
        .check_problem(400, "invalid-request")
        .check_detail("If-None-Match");
    server.create("greet", "Two.").await;
    server.send(ask(tag)).await.check_status(200);
}

#[tokio::test]
async fn a_document_is_saved_only_where_there_is_none() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let mut document = server.get("/v1/prompts/greet/versions/1.0.0").await.json();
    let path = "/v1/prompts/greet/versions/1.0.0";
    let create = |document: &serde_json::Value, path: &str| {
        Call::new(Method::PUT, path)
            .header("if-none-match", "*")
            .json(document)
    };
    server
        .send(create(&document, path))
        .await
        .check_problem(412, "precondition-failed");
    document["prompt"]["text"] = json!("Other.");
    document["metadata"].as_object_mut().unwrap().remove("checksum");
    server
        .send(create(&document, path))
        .await
        .check_problem(412, "precondition-failed");
    document["version"] = json!("2.0.0");
    let fresh = "/v1/prompts/greet/versions/2.0.0";
    server.send(create(&document, fresh)).await.check_status(201);
    let odd = Call::new(Method::PUT, fresh)
        .header("if-none-match", "\"x\"")
        .json(&document);
    server.send(odd).await.check_problem(400, "invalid-request");
}

#[tokio::test]
async fn a_label_moves_only_from_where_it_is_expected() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    server.create("greet", "Two.").await;
    let path = "/v1/prompts/greet/labels/live";
    let set = |version: &str| Call::new(Method::PUT, path).json(&json!({ "version": version }));
    let guarded = set("1.0.0").header("if-match", "\"1.0.1\"");
    server
        .send(guarded)
        .await
        .check_problem(412, "precondition-failed")
        .check_detail("nowhere");
    server
        .send(set("1.0.0").header("if-none-match", "*"))
        .await
        .check_status(200);
    let twice = set("1.0.1").header("if-none-match", "*");
    server.send(twice).await.check_problem(412, "precondition-failed");
    let moved = server
        .send(set("1.0.1").header("if-match", "\"1.0.0\""))
        .await
        .check_status(200);
    assert_eq!(moved.json()["version"], "1.0.1");
    let both = set("1.0.0")
        .header("if-match", "\"1.0.1\"")
        .header("if-none-match", "*");
    server.send(both).await.check_problem(412, "precondition-failed");
    let odd = set("1.0.0").header("if-match", "1.0.1");
    server
        .send(odd)
        .await
        .check_problem(400, "invalid-request")
        .check_detail("If-Match");
    let remove = |version: &str| Call::new(Method::DELETE, path).header("if-match", version);
    server
        .send(remove("\"1.0.0\""))
        .await
        .check_problem(412, "precondition-failed");
    server.send(remove("\"1.0.1\"")).await.check_status(204);
}
