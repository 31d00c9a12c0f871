//! Imports: what they store, what they retry, what they report.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::fixture::{Fixture, author, document, ended, request, running, submit_import};
use crate::http::wire::JobState;
use crate::jobs::ImportResult;
use crate::model::{PromptId, VersionSelector};
use crate::storage::StorageError;

async fn import(fixture: &Fixture, texts: &[&str]) -> (JobState, Option<String>, ImportResult) {
    let queue = fixture.start().await;
    let job = submit_import(&queue, "flows/bot.yml", texts).await;
    let view = ended(&queue, &job).await;
    let result = serde_json::from_value(view.result.unwrap()).unwrap();
    (view.state, view.error, result)
}

async fn check_refused(params: serde_json::Value, code: &str, says: &str) {
    let mut fixture = Fixture::new();
    fixture.limits.extract.limits.max_document_bytes = 1_000;
    let queue = fixture.start().await;
    let error = queue
        .submit(request("import", params), author())
        .await
        .unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(queue.list(None, None, 1).0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_texts_that_changed_become_versions() {
    let fixture = Fixture::new();
    let (state, _, first) = import(&fixture, &["Say hello.", "Say bye."]).await;
    assert_eq!(
        (state, first.created, first.unchanged),
        (JobState::Succeeded, 2, 0)
    );
    assert_eq!(first.workflow, "bot");
    let (_, _, second) = import(&fixture, &["Say hello.", "Say farewell.", ""]).await;
    assert_eq!(
        (second.prompts, second.created, second.unchanged, second.empty),
        (2, 1, 1, 1)
    );
    let versions: Vec<(&str, String, bool)> = second
        .versions
        .iter()
        .map(|version| {
            (
                version.prompt_id.as_str(),
                version.version.to_string(),
                version.created,
            )
        })
        .collect();
    assert_eq!(
        versions,
        [
            ("bot_1_system_0", "1.0.0".into(), false),
            ("bot_2_system_0", "1.0.1".into(), true)
        ]
    );
    assert_eq!(
        second.versions[0].pointer,
        "/workflow/graph/nodes/0/data/prompt_template/0/text"
    );
    assert_eq!(
        (second.versions[0].kind.as_str(), second.failed.len()),
        ("llm_message", 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stored_version_says_who_imported_it_and_from_where() {
    let fixture = Fixture::new();
    let (_, _, result) = import(&fixture, &["Say hello."]).await;
    let id = &result.versions[0].prompt_id;
    let stored = fixture.manager().get(id, &VersionSelector::Latest).await.unwrap();
    let document = stored.document().unwrap();
    assert_eq!(document.author(), Some("ada"));
    let source = &document.metadata["import"];
    assert_eq!(
        (&source["file"], &source["pointer"]),
        (&json!("bot.yml"), &json!(result.versions[0].pointer))
    );
    assert!(source["job_id"].as_str().is_some_and(|id| id.starts_with("job_")));
}

#[tokio::test(start_paused = true)]
async fn a_given_workflow_name_begins_the_ids() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let params = json!({"name": "x.yml", "content": document(&["Say hello."]), "workflow": "greeter"});
    let job = queue.submit(request("import", params), author()).await.unwrap();
    let result = ended(&queue, &job).await.result.unwrap();
    assert_eq!(result["versions"][0]["prompt_id"], "greeter_1_system_0");
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_the_moment_is_tried_again() {
    let fixture = Fixture::new();
    let busy = StorageError::Busy {
        shard: "69".into(),
        waiting: 256,
    };
    let down = StorageError::Unavailable("the shard is down".into());
    fixture
        .storage
        .put_errors
        .lock()
        .unwrap()
        .extend([busy.clone(), down, busy]);
    let (state, error, result) = import(&fixture, &["Say hello.", "Say bye."]).await;
    assert_eq!((state, error, result.created), (JobState::Succeeded, None, 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_reported_and_the_rest_stays() {
    let fixture = Fixture::new();
    fixture
        .storage
        .refused
        .lock()
        .unwrap()
        .insert("bot_2_system_0".into());
    let (state, error, result) = import(&fixture, &["Say one.", "Say two.", "Say three."]).await;
    assert_eq!(state, JobState::Failed);
    let error = error.unwrap();
    assert!(
        error.starts_with("1 of 3 prompts could not be stored, 2 are; the first: bot_2_system_0"),
        "{error}"
    );
    assert_eq!((result.created, result.failed.len()), (2, 1));
    let failed = &result.failed[0];
    assert_eq!(
        (failed.prompt_id.as_str(), failed.code.as_str()),
        ("bot_2_system_0", "read-only-storage")
    );
    assert!(
        fixture
            .manager()
            .prompt(&PromptId::new("bot_3_system_0").unwrap())
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn several_prompts_are_stored_at_a_time_and_never_too_many() {
    let fixture = Fixture::new();
    let texts: Vec<String> = (0..100).map(|number| format!("Say {number}.")).collect();
    let (state, _, result) = import(&fixture, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((state, result.created), (JobState::Succeeded, 100));
    let ids: Vec<u32> = result
        .versions
        .iter()
        .map(|version| {
            version
                .prompt_id
                .as_str()
                .split('_')
                .nth(1)
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(ids.is_sorted(), "the result is in the order of the document");
    assert_eq!(fixture.storage.most_puts.load(Ordering::Relaxed), 16);
}

#[tokio::test(start_paused = true)]
async fn the_last_import_of_a_workflow_wins_and_others_do_not_wait_for_it() {
    let fixture = Fixture::new();
    fixture.storage.open_for_puts.send_replace(false);
    let queue = fixture.start().await;
    let first = submit_import(&queue, "bot.yml", &["Say one."]).await;
    let second = submit_import(&queue, "bot.yaml", &["Say two."]).await;
    let other = submit_import(&queue, "other.yml", &["Say three."]).await;
    running(&queue, &first).await;
    running(&queue, &other).await;
    assert_eq!(queue.get(&second.job_id).unwrap().state, JobState::Queued);
    fixture.storage.open_for_puts.send_replace(true);
    for job in [&first, &second, &other] {
        assert_eq!(ended(&queue, job).await.state, JobState::Succeeded);
    }
    let id = PromptId::new("bot_1_system_0").unwrap();
    let latest = fixture
        .manager()
        .get(&id, &VersionSelector::Latest)
        .await
        .unwrap();
    assert_eq!(latest.document().unwrap().prompt.text, "Say two.");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_is_the_answer_to_the_submit() {
    let import = |content: &str| json!({"name": "bot.yml", "content": content});
    check_refused(import("app: [unclosed"), "invalid-document", "params.content: ").await;
    check_refused(import(""), "invalid-document", "empty").await;
    check_refused(import("- just\n- a list\n"), "invalid-document", "mapping").await;
    check_refused(
        import(&"# x\n".repeat(300)),
        "payload-too-large",
        "the limit is 1000",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_document_without_prompts_is_imported_and_says_why_it_is_empty() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let params = json!({"name": "bot.yml", "content": "app: {name: Bot, mode: workflow}\nkind: app\nversion: 0.6.0\n"});
    let job = queue.submit(request("import", params), author()).await.unwrap();
    let view = ended(&queue, &job).await;
    let result: ImportResult = serde_json::from_value(view.result.unwrap()).unwrap();
    assert_eq!((view.state, result.prompts), (JobState::Succeeded, 0));
    assert!(!result.skipped.is_empty());
}
