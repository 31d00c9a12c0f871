//! Jobs over the API.

use serde_json::{Value, json};

use super::fixture::Server;

const WORKFLOW: &str = "app: {mode: completion, name: greeter}\nkind: app\nversion: '0.3.0'\n\
                        model_config: {pre_prompt: 'Say hello to {{name}}.'}\n";

async fn submit(server: &Server, request: &Value) -> Value {
    let answer = server.post("/v1/jobs", request).await.check_status(202);
    let job = answer.json();
    let place = format!("/v1/jobs/{}", job["job_id"].as_str().unwrap());
    assert_eq!(answer.header("location"), place);
    job
}

#[tokio::test]
async fn a_job_is_submitted_waited_for_and_listed() {
    let server = Server::start().await;
    server.create("greet", "Hello.").await;
    let job = submit(&server, &json!({"kind": "verify"})).await;
    assert_eq!(job["author"]["uid"], rustix::process::getuid().as_raw());
    let path = format!("/v1/jobs/{}", job["job_id"].as_str().unwrap());
    let done = server
        .get(&format!("{path}?wait=60"))
        .await
        .check_status(200)
        .json();
    assert_eq!(
        (&done["state"], &done["result"]["versions"]),
        (&json!("succeeded"), &json!(1))
    );
    let again = submit(&server, &json!({"kind": "rebuild_index", "params": {}})).await;
    let first = server.get("/v1/jobs?limit=1").await.check_status(200).json();
    assert_eq!(first["items"][0]["job_id"], again["job_id"], "the newest first");
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = server
        .get(&format!("/v1/jobs?limit=1&cursor={cursor}"))
        .await
        .json();
    assert_eq!(
        (&rest["items"][0]["job_id"], &rest["next_cursor"]),
        (&job["job_id"], &Value::Null)
    );
    let failed = server.get("/v1/jobs?state=failed").await.json();
    assert_eq!(failed["items"], json!([]));
    let cancelled = server.delete(&path).await.check_status(200).json();
    assert_eq!(cancelled["state"], "succeeded", "what has ended stays as it is");
    let status = server.get("/v1/status").await.json();
    assert_eq!(status["jobs"]["problems"], json!([]));
}

#[tokio::test]
async fn an_import_stores_what_a_workflow_holds() {
    let server = Server::start().await;
    let request = json!({"kind": "import", "params": {"name": "greeter.yml", "content": WORKFLOW}});
    let job = submit(&server, &request).await;
    let path = format!("/v1/jobs/{}?wait=60", job["job_id"].as_str().unwrap());
    let done = server.get(&path).await.json();
    assert_eq!(
        (&done["state"], &done["result"]["created"]),
        (&json!("succeeded"), &json!(1)),
        "{done}"
    );
    let id = done["result"]["versions"][0]["prompt_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let document = server
        .get(&format!("/v1/prompts/{id}/versions/latest"))
        .await
        .json();
    assert_eq!(document["prompt"]["text"], "Say hello to {{name}}.");
}

#[tokio::test]
async fn a_job_is_followed_line_by_line_to_its_end() {
    let server = Server::start().await;
    let job = submit(&server, &json!({"kind": "verify"})).await;
    let events = server
        .get(&format!("/v1/jobs/{}/events", job["job_id"].as_str().unwrap()))
        .await;
    assert_eq!(events.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = std::str::from_utf8(&events.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().all(|view| view["job_id"] == job["job_id"]));
    assert_eq!(lines.last().unwrap()["state"], "succeeded");
}

#[tokio::test]
async fn a_job_that_breaks_a_rule_is_refused() {
    let server = Server::start().await;
    let check = async |request: Value, status: u16, code: &str| {
        server
            .post("/v1/jobs", &request)
            .await
            .check_problem(status, code);
    };
    check(json!({"kind": "bake"}), 400, "invalid-request").await;
    check(
        json!({"kind": "verify", "params": {"x": 1}}),
        400,
        "invalid-request",
    )
    .await;
    check(
        json!({"kind": "import", "params": {"name": "a.yml"}}),
        400,
        "invalid-request",
    )
    .await;
    let no_workflow = json!({"kind": "import", "params": {"name": "a.yml", "content": "just text"}});
    check(no_workflow, 422, "invalid-document").await;
    check(json!({"params": {}}), 422, "invalid-document").await;
    check(json!({"kind": "verify", "surprise": 1}), 422, "invalid-document").await;
}

#[tokio::test]
async fn an_unknown_job_is_not_found_and_a_wait_has_a_limit() {
    let server = Server::start().await;
    for id in ["x", "job_00000000-0000-7000-8000-000000000000", "..%2F..%2Fetc"] {
        server
            .get(&format!("/v1/jobs/{id}"))
            .await
            .check_problem(404, "not-found");
        server
            .get(&format!("/v1/jobs/{id}?wait=1"))
            .await
            .check_problem(404, "not-found");
        server
            .get(&format!("/v1/jobs/{id}/events"))
            .await
            .check_problem(404, "not-found");
        server
            .delete(&format!("/v1/jobs/{id}"))
            .await
            .check_problem(404, "not-found");
    }
    let job = submit(&server, &json!({"kind": "verify"})).await;
    let path = format!("/v1/jobs/{}", job["job_id"].as_str().unwrap());
    server
        .get(&format!("{path}?wait=61"))
        .await
        .check_problem(400, "invalid-request")
        .check_detail("wait");
    server
        .get(&format!("{path}?wait=soon"))
        .await
        .check_problem(400, "invalid-request")
        .check_detail("wait");
    server
        .get("/v1/jobs?state=odd")
        .await
        .check_problem(400, "invalid-request")
        .check_detail("state");
    server
        .get("/v1/jobs?cursor=j~1")
        .await
        .check_problem(400, "invalid-request")
        .check_detail("cursor");
}
