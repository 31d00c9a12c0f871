//! What is refused before anything is done.

use hyper::Method;
use serde_json::json;

use super::fixture::{Call, Server};

const CREATE: &str = "/v1/prompts/greet/versions";

fn json_body(body: impl Into<bytes::Bytes>) -> Call {
    Call::new(Method::POST, CREATE)
        .header("content-type", "application/json")
        .bytes(body)
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_with_the_reason() {
    let server = Server::start().await;
    let check = async |body: &[u8], part: &str| {
        let answer = server.send(json_body(body.to_vec())).await;
        answer.check_problem(400, "invalid-request").check_detail(part);
    };
    check(b"", "not valid JSON").await;
    check(b"{\"prompt\":", "not valid JSON").await;
    check(b"{} {}", "trailing characters").await;
    check(b"{\"prompt\": \"\xff\"}", "not valid JSON").await;
    check(
        b"{\"prompt\": {\"text\": \"a\", \"text\": \"b\"}}",
        "duplicate key",
    )
    .await;
    check("[".repeat(5_000).as_bytes(), "recursion limit").await;
}

#[tokio::test]
async fn a_body_that_is_json_but_no_request_is_refused_with_the_place() {
    let server = Server::start().await;
    let check = async |body: serde_json::Value, part: &str| {
        let answer = server.post(CREATE, &body).await;
        answer.check_problem(422, "invalid-document").check_detail(part);
    };
    check(json!(0), "invalid type").await;
    check(json!({}), "missing field `prompt`").await;
    check(json!({"prompt": {"text": 5}}), "prompt.text").await;
    check(json!({"prompt": {"text": "x"}, "surprise": 1}), "surprise").await;
    check(json!({"prompt": {"text": "x", "surprise": 1}}), "surprise").await;
    check(json!({"prompt": {"text": "x"}, "bump": "huge"}), "bump").await;
    check(
        json!({"prompt": {"text": "x"}, "metadata": {"author": "eve"}}),
        "metadata.author",
    )
    .await;
    check(json!({"prompt": {"text": " \n "}}), "empty").await;
    check(
        json!({"prompt": {"text": "x".repeat(100_001)}}),
        "100001 characters",
    )
    .await;
}

#[tokio::test]
async fn only_json_is_accepted_as_a_body() {
    let server = Server::start().await;
    let body = json!({"prompt": {"text": "x"}}).to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        let call = Call::new(Method::POST, CREATE)
            .header("content-type", content_type)
            .bytes(body.clone());
        server
            .send(call)
            .await
            .check_problem(415, "unsupported-media-type");
    }
    let nameless = Call::new(Method::POST, CREATE).bytes(body.clone());
    server
        .send(nameless)
        .await
        .check_problem(415, "unsupported-media-type");
    let packed = json_body(body.clone()).header("content-encoding", "gzip");
    server
        .send(packed)
        .await
        .check_problem(415, "unsupported-media-type");
    let plain = Call::new(Method::POST, CREATE)
        .header("content-type", "application/json; charset=utf-8")
        .bytes(body);
    server.send(plain).await.check_status(201);
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_by_name() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let check = async |path: &str, part: &str| {
        let answer = server.get(path).await;
        answer.check_problem(400, "invalid-request").check_detail(part);
    };
    check("/v1/prompts?surprise=1", "surprise").await;
    check("/v1/prompts/greet?surprise=1", "surprise").await;
    check("/v1/prompts/greet/versions/latest?surprise=1", "surprise").await;
    check("/v1/status?surprise=1", "surprise").await;
    check("/v1/prompts?limit=0", "limit").await;
    check("/v1/prompts?limit=1001", "limit").await;
    check("/v1/prompts?limit=-1", "limit").await;
    check("/v1/prompts?limit=", "limit").await;
    check("/v1/prompts?limit=1&limit=2", "limit").await;
    check("/v1/prompts?limit=99999999999999999999999", "limit").await;
    check("/v1/prompts?cursor=1", "cursor").await;
    check("/v1/prompts?cursor=v~1.0.0", "cursor").await;
    check("/v1/prompts?prefix=a%2Fb", "prefix").await;
    check("/v1/prompts?label=Live", "label").await;
    check("/v1/prompts/greet/versions?order=up", "order").await;
    check("/v1/prompts/greet/versions?documents=1", "documents").await;
    check("/v1/trash?prompt=..", "prompt").await;
    let answer = server.delete("/v1/prompts/greet/versions/1.0.0?force=yes").await;
    answer.check_problem(400, "invalid-request").check_detail("force");
}

#[tokio::test]
async fn every_unknown_path_is_a_problem_document() {
    let server = Server::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/prompts/",
        "/v1/prompts/a/b/c",
        "/v2/prompts",
        "/%zz",
        "//v1/prompts",
        "/openapi",
    ] {
        server.get(path).await.check_problem(404, "not-found");
    }
    server
        .get("/v1/prompts/%ff")
        .await
        .check_problem(400, "invalid-request");
    server
        .get("/v1/prompts/%zz")
        .await
        .check_problem(400, "invalid-prompt-id");
    server
        .get("/v1/prompts/a%2Fb")
        .await
        .check_problem(400, "invalid-prompt-id");
    server
        .get("/v1/prompts/%00")
        .await
        .check_problem(400, "invalid-prompt-id");
}

#[tokio::test]
async fn a_method_that_a_path_has_not_is_answered_with_those_it_has() {
    let server = Server::start().await;
    for (method, path, allowed) in [
        (Method::POST, "/v1/prompts", "GET,HEAD"),
        (Method::PATCH, "/v1/prompts/a", "DELETE,GET,HEAD"),
        (Method::DELETE, "/v1/prompts/a/versions", "GET,HEAD,POST"),
        (
            Method::POST,
            "/v1/prompts/a/versions/1.0.0",
            "DELETE,GET,HEAD,PUT",
        ),
        (Method::GET, "/v1/analyze", "POST"),
        (Method::PUT, "/v1/jobs/x", "DELETE,GET,HEAD"),
        (Method::OPTIONS, "/healthz", "GET,HEAD"),
        (Method::POST, "/openapi.json", "GET,HEAD"),
    ] {
        let answer = server.send(Call::new(method, path)).await;
        answer.check_problem(405, "method-not-allowed");
        let mut found: Vec<&str> = answer.header("allow").split(',').collect();
        found.sort_unstable();
        assert_eq!(found.join(","), allowed, "{path}");
    }
}
