//! Listing, describing and deleting prompts; status and health.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{Answer, Server};

fn ids(page: &Answer) -> Vec<String> {
    let items = page.json()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|item| item["prompt_id"].as_str().unwrap().to_owned())
        .collect()
}

async fn three_prompts() -> Arc<Server> {
    let server = Server::start().await;
    for id in ["a.one", "a.two", "b"] {
        server.create(id, &format!("Text of {id}.")).await;
    }
    Arc::new(server)
}

#[tokio::test]
async fn prompts_are_listed_in_order_page_by_page_and_by_prefix() {
    let server = three_prompts().await;
    assert_eq!(ids(&server.get("/v1/prompts").await), ["a.one", "a.two", "b"]);
    let first = server.get("/v1/prompts?limit=2").await;
    assert_eq!(ids(&first), ["a.one", "a.two"]);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = server.get(&format!("/v1/prompts?limit=2&cursor={cursor}")).await;
    assert_eq!(
        (ids(&rest), &rest.json()["next_cursor"]),
        (vec!["b".to_owned()], &Value::Null)
    );
    assert_eq!(
        ids(&server.get("/v1/prompts?prefix=a.").await),
        ["a.one", "a.two"]
    );
    assert_eq!(ids(&server.get("/v1/prompts?prefix=").await).len(), 3);
    assert_eq!(ids(&server.get("/v1/prompts?prefix=zzz").await).len(), 0);
}

#[tokio::test]
async fn the_documents_at_a_label_come_in_one_request() {
    let server = three_prompts().await;
    for id in ["a.one", "b"] {
        let path = format!("/v1/prompts/{id}/labels/live");
        server
            .put(&path, &json!({"version": "1.0.0"}))
            .await
            .check_status(200);
    }
    let live = server.get("/v1/prompts?label=live").await.check_status(200);
    assert_eq!(ids(&live), ["a.one", "b"]);
    assert_eq!(live.json()["items"][1]["prompt"]["text"], "Text of b.");
    let first = server.get("/v1/prompts?label=live&limit=1").await;
    assert_eq!(ids(&first), ["a.one"]);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = server
        .get(&format!("/v1/prompts?label=live&limit=1&cursor={cursor}"))
        .await;
    assert_eq!(
        (ids(&rest), &rest.json()["next_cursor"]),
        (vec!["b".to_owned()], &Value::Null)
    );
    assert_eq!(
        server.get("/v1/prompts?label=nobody").await.json()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_prompt_is_described_and_its_absence_told() {
    let server = three_prompts().await;
    server.create("b", "Another.").await;
    let summary = server.get("/v1/prompts/b").await.check_status(200).json();
    assert_eq!(
        (&summary["latest_version"], &summary["version_count"]),
        (&json!("1.0.1"), &json!(2))
    );
    server.get("/v1/prompts/c").await.check_problem(404, "not-found");
    server
        .get("/v1/prompts/.c")
        .await
        .check_problem(400, "invalid-prompt-id");
    server
        .get(&format!("/v1/prompts/{}", "x".repeat(129)))
        .await
        .check_problem(400, "invalid-prompt-id");
}

#[tokio::test]
async fn a_prompt_is_deleted_as_a_whole_or_forgotten() {
    let server = three_prompts().await;
    server
        .put("/v1/prompts/b/labels/live", &json!({"version": "1.0.0"}))
        .await
        .check_status(200);
    server
        .delete("/v1/prompts/b")
        .await
        .check_problem(409, "version-labelled");
    server
        .delete("/v1/prompts/b?purge=true")
        .await
        .check_problem(409, "version-labelled");
    let deleted = server
        .delete("/v1/prompts/b?force=true")
        .await
        .check_status(200)
        .json();
    assert_eq!(
        deleted,
        json!({"prompt_id": "b", "versions": ["1.0.0"], "purged": false})
    );
    server.get("/v1/prompts/b").await.check_problem(404, "not-found");
    let purged = server
        .delete("/v1/prompts/b?purge=true")
        .await
        .check_status(200)
        .json();
    assert_eq!(purged, json!({"prompt_id": "b", "versions": [], "purged": true}));
    server
        .delete("/v1/prompts/b?purge=true")
        .await
        .check_problem(404, "not-found");
    assert_eq!(
        server.create("b", "Again.").await,
        "1.0.0",
        "nothing is left of it"
    );
}

#[tokio::test]
async fn status_and_health_tell_how_the_daemon_is() {
    let server = three_prompts().await;
    let status = server.get("/v1/status").await.check_status(200).json();
    assert_eq!(
        (&status["status"], &status["prompts"], &status["versions"]),
        (&json!("ok"), &json!(3), &json!(3))
    );
    assert_eq!(status["http"]["requests_in_flight"], 1);
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(
        server.get("/healthz").await.check_status(200).json(),
        json!({"status": "ok"})
    );
    assert_eq!(
        server.get("/readyz").await.check_status(200).json(),
        json!({"status": "ready"})
    );
    let document = server.get("/openapi.json").await.check_status(200);
    assert_eq!(document.json()["openapi"], "3.1.0");
    assert_eq!(
        std::str::from_utf8(&document.body).unwrap(),
        crate::http::openapi_json()
    );
}
