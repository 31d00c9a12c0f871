//! The trash.

use hyper::Method;
use serde_json::{Value, json};

use super::fixture::{Call, Server};

async fn restore(server: &Server, what: &str) -> super::fixture::Answer {
    server
        .send(Call::new(Method::POST, &format!("/v1/trash/{what}/restore")))
        .await
}

#[tokio::test]
async fn what_is_deleted_is_listed_and_comes_back_as_it_was() {
    let server = Server::start().await;
    for id in ["a", "b"] {
        server.create(id, "One.").await;
        server.create(id, "Two.").await;
        server
            .delete(&format!("/v1/prompts/{id}"))
            .await
            .check_status(200);
    }
    let all = server.get("/v1/trash").await.check_status(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    assert_eq!(
        all["items"][0]["deleted_by"]["uid"],
        rustix::process::getuid().as_raw()
    );
    let first = server.get("/v1/trash?limit=3").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = server
        .get(&format!("/v1/trash?limit=3&cursor={cursor}"))
        .await
        .json();
    assert_eq!(
        (&rest["items"][0]["version"], &rest["next_cursor"]),
        (&json!("1.0.1"), &Value::Null)
    );
    let of_b = server.get("/v1/trash?prompt=b").await.json();
    assert_eq!(of_b["items"].as_array().unwrap().len(), 2);
    let restored = restore(&server, "b/1.0.0").await.check_status(200);
    assert_eq!(restored.json()["prompt"]["text"], "One.");
    assert!(restored.header("etag").starts_with("\"sha256:"));
    server.get("/v1/prompts/b/versions/1.0.0").await.check_status(200);
    restore(&server, "b/1.0.0").await.check_problem(404, "not-found");
    restore(&server, "b/latest")
        .await
        .check_problem(400, "invalid-version");
}

#[tokio::test]
async fn what_is_forgotten_is_gone_for_good_and_its_number_stays_used() {
    let server = Server::start().await;
    server.create("a", "One.").await;
    server.create("a", "Two.").await;
    server
        .delete("/v1/prompts/a/versions/1.0.1")
        .await
        .check_status(204);
    server.delete("/v1/trash/a/1.0.1").await.check_status(204);
    server
        .delete("/v1/trash/a/1.0.1")
        .await
        .check_problem(404, "not-found");
    restore(&server, "a/1.0.1").await.check_problem(404, "not-found");
    assert_eq!(server.create("a", "Three.").await, "1.0.2");
}
