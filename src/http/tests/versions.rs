//! Making, reading, listing and comparing versions.

use hyper::Method;
use serde_json::{Value, json};

use super::fixture::{Answer, Call, Server};
use crate::model::PromptVersion;

fn numbers(page: &Answer) -> Vec<String> {
    let items = page.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["version"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_new_version_is_answered_with_its_document_place_and_tag() {
    let server = Server::start().await;
    let body = json!({"prompt": {"text": "Say hello to {{name}}."}, "metadata": {"team": "x"}});
    let made = server
        .post("/v1/prompts/greet/versions", &body)
        .await
        .check_status(201);
    assert_eq!(made.header("location"), "/v1/prompts/greet/versions/1.0.0");
    assert_eq!(made.header("content-type"), "application/json");
    assert_eq!(made.header("promptd-integrity"), "sealed");
    let document: PromptVersion = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(document.prompt.variables, ["name"]);
    assert_eq!(
        made.header("etag"),
        format!("\"{}\"", document.metadata["checksum"].as_str().unwrap())
    );
    let read = server.get(made.header("location")).await.check_status(200);
    assert_eq!(read.body, made.body, "stored bytes are served as they are");
    assert!(read.body.ends_with(b"}\n"));
}

#[tokio::test]
async fn the_peer_of_the_connection_is_the_author() {
    let server = Server::start().await;
    server.create("greet", "Hello.").await;
    let document = server.get("/v1/prompts/greet/versions/latest").await.json();
    assert_eq!(
        document["metadata"]["author_uid"],
        rustix::process::getuid().as_raw()
    );
    let labelled = server
        .put("/v1/prompts/greet/labels/live", &json!({"version": "latest"}))
        .await;
    assert_eq!(labelled.json()["set_by"]["name"], document["metadata"]["author"]);
}

#[tokio::test]
async fn the_same_content_again_is_the_same_version() {
    let server = Server::start().await;
    let body = json!({"prompt": {"text": "Say hello."}});
    server
        .post("/v1/prompts/greet/versions", &body)
        .await
        .check_status(201);
    let again = server
        .post("/v1/prompts/greet/versions", &body)
        .await
        .check_status(200);
    assert_eq!(again.json()["version"], "1.0.0");
    assert_eq!(again.header("location"), "/v1/prompts/greet/versions/1.0.0");
}

#[tokio::test]
async fn a_bump_is_followed_and_a_parent_must_exist() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let bumped = json!({"prompt": {"text": "Two."}, "bump": "major", "parent_version": "1.0.0"});
    let made = server
        .post("/v1/prompts/greet/versions", &bumped)
        .await
        .check_status(201);
    assert_eq!(made.json()["version"], "2.0.0");
    let orphan = json!({"prompt": {"text": "Three."}, "parent_version": "9.9.9"});
    let refused = server.post("/v1/prompts/greet/versions", &orphan).await;
    refused.check_problem(404, "not-found").check_detail("9.9.9");
}

#[tokio::test]
async fn every_way_to_name_a_version_leads_to_it() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    server.create("greet", "Two.").await;
    server
        .put("/v1/prompts/greet/labels/live", &json!({"version": "1.0.0"}))
        .await
        .check_status(200);
    for (reference, expected) in [
        ("1.0.0", "1.0.0"),
        ("latest", "1.0.1"),
        ("live", "1.0.0"),
        ("%5E1", "1.0.1"),
        ("~1.0", "1.0.1"),
        ("%3C1.0.1", "1.0.0"),
        ("*", "1.0.1"),
    ] {
        let found = server
            .get(&format!("/v1/prompts/greet/versions/{reference}"))
            .await
            .check_status(200);
        assert_eq!(found.json()["version"], expected, "{reference}");
    }
    server
        .get("/v1/prompts/greet/versions/best")
        .await
        .check_status(200);
    for absent in ["3.0.0", "nowhere", "%5E2"] {
        server
            .get(&format!("/v1/prompts/greet/versions/{absent}"))
            .await
            .check_problem(404, "not-found");
    }
    for invalid in ["01.0.0", "%5E", "Live", "v1", &"9".repeat(100)] {
        let answer = server.get(&format!("/v1/prompts/greet/versions/{invalid}")).await;
        answer.check_problem(400, "invalid-version");
    }
    server
        .get("/v1/prompts/nobody/versions/latest")
        .await
        .check_problem(404, "not-found");
    server
        .get("/v1/prompts/..greet/versions/latest")
        .await
        .check_problem(400, "invalid-prompt-id");
}

#[tokio::test]
async fn a_history_is_walked_page_by_page_in_both_orders() {
    let server = Server::start().await;
    for number in 0..5 {
        server.create("greet", &format!("Text {number}.")).await;
    }
    let mut walked = Vec::new();
    let mut path = "/v1/prompts/greet/versions?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.check_status(200);
        walked.extend(numbers(&page));
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/prompts/greet/versions?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(walked, ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"]);
    let newest = server.get("/v1/prompts/greet/versions?order=desc&limit=1").await;
    assert_eq!(numbers(&newest), ["1.0.4"]);
    let summary = &newest.json()["items"][0];
    assert_eq!(summary["parent_version"], "1.0.3");
    assert_eq!(summary["integrity"], "sealed");
    server
        .get("/v1/prompts/nobody/versions")
        .await
        .check_problem(404, "not-found");
}

#[tokio::test]
async fn a_history_of_documents_holds_the_stored_bytes() {
    let server = Server::start().await;
    for number in 0..40 {
        server.create("greet", &format!("Text {number}.")).await;
    }
    let all = server
        .get("/v1/prompts/greet/versions?documents=true")
        .await
        .check_status(200);
    assert_eq!(numbers(&all).len(), 40, "more than are read at once");
    assert_eq!(all.json()["next_cursor"], Value::Null);
    let one = server.get("/v1/prompts/greet/versions/1.0.7").await;
    assert_eq!(all.json()["items"][7], one.json());
    let text = std::str::from_utf8(&all.body).unwrap();
    assert!(text.contains(std::str::from_utf8(&one.body).unwrap().trim_end()));
    let some = server
        .get("/v1/prompts/greet/versions?documents=true&limit=33&order=desc")
        .await;
    assert_eq!(numbers(&some).len(), 33);
    let rest = some.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = server
        .get(&format!(
            "/v1/prompts/greet/versions?documents=true&order=desc&cursor={rest}"
        ))
        .await;
    assert_eq!(numbers(&rest).last().unwrap(), "1.0.0");
    assert_eq!(numbers(&rest).len(), 7);
}

#[tokio::test]
async fn a_document_is_saved_once_and_never_changed() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let mut document = server.get("/v1/prompts/greet/versions/1.0.0").await.json();
    document["version"] = json!("3.0.0");
    document["metadata"].as_object_mut().unwrap().remove("checksum");
    let path = "/v1/prompts/greet/versions/3.0.0";
    let saved = server.put(path, &document).await.check_status(201);
    assert_eq!(saved.header("location"), path);
    server.put(path, &document).await.check_status(200);
    document["prompt"]["text"] = json!("Other.");
    server
        .put(path, &document)
        .await
        .check_problem(409, "version-conflict");
    server.delete(path).await.check_status(204);
    server
        .put(path, &document)
        .await
        .check_problem(409, "version-deleted");
    server
        .put("/v1/prompts/greet/versions/4.0.0", &document)
        .await
        .check_problem(422, "invalid-document");
    server
        .put("/v1/prompts/greet/versions/latest", &document)
        .await
        .check_problem(400, "invalid-version");
}

#[tokio::test]
async fn a_comparison_and_a_rollback_take_references() {
    let server = Server::start().await;
    server.create("greet", "Say hello.").await;
    server.create("greet", "Say hello politely.").await;
    let compared = server
        .get("/v1/prompts/greet/compare?from=1.0.0&to=latest")
        .await
        .check_status(200);
    assert_eq!(
        (&compared.json()["from"], &compared.json()["to"]),
        (&json!("1.0.0"), &json!("1.0.1"))
    );
    let missing = server.get("/v1/prompts/greet/compare?from=1.0.0").await;
    missing.check_problem(400, "invalid-request").check_detail("to");
    server
        .get("/v1/prompts/greet/compare?from=1.0.0&to=Z")
        .await
        .check_problem(400, "invalid-version");
    server
        .get("/v1/prompts/greet/compare?from=1.0.0&to=7.0.0")
        .await
        .check_problem(404, "not-found");
    let back = server
        .post("/v1/prompts/greet/rollback", &json!({"to": "1.0.0"}))
        .await
        .check_status(201);
    assert_eq!(back.json()["prompt"]["text"], "Say hello.");
    assert_eq!(back.json()["metadata"]["rollback_to"], "1.0.0");
    assert_eq!(back.header("location"), "/v1/prompts/greet/versions/1.0.2");
    server
        .post("/v1/prompts/greet/rollback", &json!({"to": "8.0.0"}))
        .await
        .check_problem(404, "not-found");
    server
        .post("/v1/prompts/greet/rollback", &json!({"back": "1.0.0"}))
        .await
        .check_problem(422, "invalid-document");
}

#[tokio::test]
async fn a_version_is_deleted_once_and_a_label_protects_it() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    server
        .put("/v1/prompts/greet/labels/live", &json!({"version": "1.0.0"}))
        .await
        .check_status(200);
    let path = "/v1/prompts/greet/versions/1.0.0";
    server
        .delete(path)
        .await
        .check_problem(409, "version-labelled")
        .check_detail("live");
    let deleted = server
        .delete(&format!("{path}?force=true"))
        .await
        .check_status(204);
    assert!(deleted.body.is_empty());
    server.delete(path).await.check_problem(404, "not-found");
    server
        .delete("/v1/prompts/greet/versions/latest")
        .await
        .check_problem(400, "invalid-version");
}

#[tokio::test]
async fn an_analysis_scores_without_storing() {
    let server = Server::start().await;
    let analysis = server
        .post(
            "/v1/analyze",
            &json!({"text": "Summarize {{text}} in 3 bullets."}),
        )
        .await;
    let analysis = analysis.check_status(200).json();
    assert!(analysis["overall_score"].as_f64().unwrap() > 0.0);
    server
        .post("/v1/analyze", &json!({"text": ""}))
        .await
        .check_status(200);
    let long = server
        .post("/v1/analyze", &json!({"text": "x".repeat(100_001)}))
        .await;
    long.check_problem(422, "invalid-document");
    assert_eq!(server.get("/v1/prompts").await.json()["items"], json!([]));
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    for path in [
        "/v1/prompts",
        "/v1/prompts/greet/versions/latest",
        "/healthz",
        "/openapi.json",
        "/v1/nothing",
    ] {
        let get = server.get(path).await;
        let head = server.send(Call::new(Method::HEAD, path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(
            head.header("content-length"),
            get.body.len().to_string(),
            "{path}"
        );
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn the_revision_grows_with_every_change_and_only_then() {
    let server = Server::start().await;
    let revision = |answer: &Answer| answer.header("promptd-revision").to_owned();
    let before = revision(&server.get("/v1/prompts").await);
    assert_eq!(revision(&server.get("/v1/status").await), before);
    let made = server
        .post("/v1/prompts/greet/versions", &json!({"prompt": {"text": "One."}}))
        .await;
    assert_ne!(revision(&made), before);
    assert_eq!(revision(&server.get("/v1/prompts").await), revision(&made));
}
