//! Labels.

use serde_json::json;

use super::fixture::Server;

#[tokio::test]
async fn a_label_is_set_moved_and_removed_and_every_move_is_kept() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    server.create("greet", "Two.").await;
    let path = "/v1/prompts/greet/labels/live";
    let set = server
        .put(path, &json!({"version": "1.0.0"}))
        .await
        .check_status(200)
        .json();
    assert_eq!(
        (&set["label"], &set["version"]),
        (&json!("live"), &json!("1.0.0"))
    );
    server
        .put(path, &json!({"version": "latest"}))
        .await
        .check_status(200);
    let view = server
        .get("/v1/prompts/greet/labels")
        .await
        .check_status(200)
        .json();
    assert_eq!(view["labels"][0]["version"], "1.0.1");
    server.delete(path).await.check_status(204);
    server.delete(path).await.check_problem(404, "not-found");
    let view = server.get("/v1/prompts/greet/labels").await.json();
    assert_eq!(view["labels"], json!([]));
    let moves: Vec<_> = view["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["from"].clone(), step["to"].clone()))
        .collect();
    let expected = [
        (json!(null), json!("1.0.0")),
        (json!("1.0.0"), json!("1.0.1")),
        (json!("1.0.1"), json!(null)),
    ];
    assert_eq!(moves, expected);
}

#[tokio::test]
async fn a_label_that_breaks_a_rule_or_points_nowhere_is_refused() {
    let server = Server::start().await;
    server.create("greet", "One.").await;
    let target = json!({"version": "1.0.0"});
    for label in ["latest", "best", "Live", "v1", "x", "1"] {
        let path = format!("/v1/prompts/greet/labels/{label}");
        server
            .put(&path, &target)
            .await
            .check_problem(400, "invalid-version");
    }
    let path = "/v1/prompts/greet/labels/live";
    server
        .put(path, &json!({"version": "7.0.0"}))
        .await
        .check_problem(404, "not-found");
    server
        .put(path, &json!({"version": "V"}))
        .await
        .check_problem(400, "invalid-version");
    server
        .put(path, &json!({"version": 1}))
        .await
        .check_problem(422, "invalid-document");
    server
        .put(path, &json!({"version": "1.0.0", "force": true}))
        .await
        .check_problem(422, "invalid-document");
    server
        .put("/v1/prompts/nobody/labels/live", &target)
        .await
        .check_problem(404, "not-found");
    server
        .get("/v1/prompts/nobody/labels")
        .await
        .check_problem(404, "not-found");
}
