//! Nothing of a workflow document but its prompts ever reaches the ledger, and no prompt reaches a log line.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{Fixture, author, ended, request, running};
use crate::jobs::kinds::Order;
use crate::jobs::{DiskLedger, JobId, JobQueue};
use crate::storage::filesystem::disk::RealDisk;

/// Everything in the document below that nobody may find again.
const SECRETS: [&str; 5] = [
    "sk-environment-4711",
    "sk-conversation-4712",
    "sk-tool-4713",
    "sk-model-parameter-4714",
    "sk-comment-4715",
];
const PROMPT: &str = "Translate with great care";

fn workflow_with_secrets() -> String {
    let [environment, conversation, tool, parameter, comment] = SECRETS;
    format!(
        r#"# {comment}
app: {{name: Bot, mode: workflow}}
kind: app
version: 0.6.0
workflow:
  environment_variables:
  - {{id: e1, name: API_TOKEN, value: "{environment}", value_type: secret}}
  conversation_variables:
  - {{id: c1, name: last, value: "{conversation}", value_type: string}}
  graph:
    nodes:
    - id: '1'
      data:
        type: llm
        title: Translate
        model: {{provider: p, name: m, mode: chat, completion_params: {{stop: ["{parameter}"]}}}}
        prompt_template: [{{role: system, text: "{PROMPT} {{{{#env.API_TOKEN#}}}}"}}]
    - id: '2'
      data: {{type: tool, title: Call, tool_parameters: {{key: {{type: constant, value: "{tool}"}}}}}}
"#
    )
}

fn ledger_files(root: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(".jobs")).unwrap();
    entries
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect()
}

fn import_request() -> crate::http::wire::JobRequest {
    request(
        "import",
        json!({"name": "bot.yml", "content": workflow_with_secrets()}),
    )
}

async fn started(root: &std::path::Path) -> (Fixture, JobQueue) {
    let disk = Arc::new(RealDisk::open(root).unwrap());
    let fixture = Fixture::with_ledger(Arc::new(DiskLedger::new(disk, 0)));
    let queue = fixture.start().await;
    (fixture, queue)
}

#[tokio::test(start_paused = true)]
async fn no_secret_of_a_workflow_reaches_the_ledger() {
    let root = tempfile::tempdir().unwrap();
    let (fixture, queue) = started(root.path()).await;
    fixture.storage.open_for_puts.send_replace(false);
    let job = queue.submit(import_request(), author()).await.unwrap();
    running(&queue, &job).await;
    let files = ledger_files(root.path());
    assert!(
        files.iter().any(|text| text.contains(PROMPT)),
        "the prompts are needed to resume"
    );
    fixture.storage.open_for_puts.send_replace(true);
    let done = ended(&queue, &job).await;
    assert_eq!(done.result.unwrap()["created"], 1);
    queue.close().await;
    let after = ledger_files(root.path());
    assert!(
        after.iter().all(|text| !text.contains(PROMPT)),
        "the prompts go when the job ends"
    );
    for text in files.iter().chain(&after) {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in the ledger");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_printed_for_developers_holds_neither_secrets_nor_prompts() {
    let root = tempfile::tempdir().unwrap();
    let (fixture, queue) = started(root.path()).await;
    fixture.storage.open_for_puts.send_replace(false);
    let order = Order::read(import_request()).unwrap();
    let mut shown = format!("{order:?}");
    let plan = order.prepare(&fixture.limits).unwrap();
    shown += &format!("{plan:?}");
    let job = queue.submit(import_request(), author()).await.unwrap();
    let record = fixture.ledger.read(&JobId::parse(&job.job_id).unwrap()).unwrap();
    shown += &format!("{record:?} {queue:?} {:?} {job:?}", fixture.ledger);
    assert!(shown.contains("bot.yml"), "{shown}");
    for hidden in SECRETS.into_iter().chain([PROMPT]) {
        assert!(!shown.contains(hidden), "{hidden} is shown");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_document_is_said_without_repeating_it() {
    let root = tempfile::tempdir().unwrap();
    let (_fixture, queue) = started(root.path()).await;
    let document = workflow_with_secrets();
    let broken = [
        format!("{document}\n  bad: [{}", SECRETS[0]),
        document.replace("kind: app", &format!("{}: 1\n{}: 2", SECRETS[0], SECRETS[0])),
        document.replace("kind: app", &format!("kind: *{}", SECRETS[0])),
        document.replace("kind: app", &format!("kind: !{} app", SECRETS[0])),
        format!("\"{}\"", SECRETS[0]),
    ];
    for content in broken {
        let params = json!({"name": "bot.yml", "content": content});
        let error = queue
            .submit(request("import", params), author())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "invalid-document");
        let said = format!("{error} {error:?}");
        assert!(!said.contains(SECRETS[0]), "{said}");
    }
}
