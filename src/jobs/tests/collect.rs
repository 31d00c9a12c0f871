//! Collections of a store that changes while they look at it.

use std::time::Duration;

use serde_json::json;

use super::fixture::{Fixture, author, ended, request};
use crate::http::wire::{JobState, JobView};
use crate::jobs::JobQueue;
use crate::model::{Label, PromptId, Version};
use crate::storage::{Numbering, PutVersion, Sameness, SetLabel, VersionStorage};

fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

fn version(patch: u64) -> Version {
    Version::release(1, 0, patch)
}

/// Stores versions of a prompt; none has a parent, so that all but the last may go.
async fn fill(fixture: &Fixture, prompt: &str, count: u64) {
    for patch in 0..count {
        let document = json!({
            "prompt_id": prompt, "version": version(patch),
            "prompt": {"id": prompt, "workflow_id": "", "node_id": "", "node_type": "", "text": format!("Say {patch}.")},
            "analysis": {"prompt_id": prompt, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
        });
        let put = PutVersion {
            document: serde_json::from_value(document).unwrap(),
            numbering: Numbering::Exact,
            sameness: Sameness::Never,
            latest_seen: None,
        };
        fixture.storage.put(&id(prompt), put).await.unwrap();
    }
}

fn left(fixture: &Fixture, prompt: &str) -> Vec<Version> {
    fixture.storage.prompt(&id(prompt)).unwrap().versions.clone()
}

/// Submits a collection and waits until it is about to delete what it chose.
async fn chosen(fixture: &Fixture, queue: &JobQueue) -> JobView {
    fixture.storage.open_for_choices.send_replace(false);
    let params = json!({"keep_last": 1, "apply": true});
    let job = queue.submit(request("collect", params), author()).await.unwrap();
    let mut choices = fixture.storage.choices.subscribe();
    choices.wait_for(|choices| *choices == 1).await.unwrap();
    job
}

#[tokio::test(start_paused = true)]
async fn a_version_that_becomes_the_latest_after_it_was_chosen_stays() {
    let fixture = Fixture::new();
    fill(&fixture, "p", 5).await;
    let queue = fixture.start().await;
    let job = chosen(&fixture, &queue).await;
    let latest = [version(4)];
    fixture
        .storage
        .delete(&id("p"), &latest, false, &author())
        .await
        .unwrap();
    fixture.storage.open_for_choices.send_replace(true);
    let done = ended(&queue, &job).await;
    assert_eq!(done.state, JobState::Succeeded);
    assert_eq!(left(&fixture, "p"), [version(3)]);
    let result = done.result.unwrap();
    assert_eq!(
        (&result["moved"]["count"], &result["skipped"]),
        (&json!(3), &json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_label_that_comes_after_the_choice_is_respected() {
    let fixture = Fixture::new();
    fill(&fixture, "p", 5).await;
    let queue = fixture.start().await;
    let job = chosen(&fixture, &queue).await;
    let label = SetLabel {
        label: Label::new("production").unwrap(),
        version: version(1),
        expected: None,
        author: author(),
    };
    fixture.storage.set_label(&id("p"), label).await.unwrap();
    fixture.storage.open_for_choices.send_replace(true);
    assert_eq!(ended(&queue, &job).await.state, JobState::Succeeded);
    assert_eq!(left(&fixture, "p"), [version(1), version(4)]);
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_is_cancelled_stops_and_says_what_it_did() {
    let fixture = Fixture::new();
    for prompt in ["a", "b", "c"] {
        fill(&fixture, prompt, 3).await;
    }
    let queue = fixture.start().await;
    let job = chosen(&fixture, &queue).await;
    let open = async {
        // The time stands still until everybody waits: the job was told to stop by then.
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.storage.open_for_choices.send_replace(true);
    };
    let (cancelled, ()) = tokio::join!(queue.cancel(&job.job_id), open);
    cancelled.unwrap();
    let done = ended(&queue, &job).await;
    assert_eq!((done.state, done.error), (JobState::Cancelled, None));
    let result = done.result.unwrap();
    assert_eq!(result["moved"]["count"], 2);
    assert_eq!(
        ["a", "b", "c"].map(|prompt| left(&fixture, prompt).len()),
        [1, 3, 3]
    );
}
