//! Optimisations: what they keep, what they report, what they do again.

use serde_json::{Map, Value, json};

use super::fixture::{Fixture, author, document, ended, request, running};
use crate::http::wire::{JobState, JobView};
use crate::jobs::{JobQueue, OptimizeResult};
use crate::model::{PromptId, PromptVersion, TestStatus, Version, VersionSelector};
use crate::storage::VersionStorage;

const WORDY: &str = "Please answer {{question}} in order to help, due to the fact that the user waits.";
const BRIEF: &str = "Answer {{question}} to help, because the user waits.";

async fn submit(queue: &JobQueue, texts: &[&str], more: Value) -> JobView {
    let mut params = json!({"name": "bot.yml", "content": document(texts), "min_baseline_score": 100,
        "strategies": ["efficiency_focus", "conservative"]});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    queue.submit(request("optimize", params), author()).await.unwrap()
}

fn result(view: &JobView) -> OptimizeResult {
    serde_json::from_value(view.result.clone().unwrap()).unwrap()
}

async fn optimize(fixture: &Fixture, texts: &[&str], more: Value) -> OptimizeResult {
    let queue = fixture.start().await;
    let job = submit(&queue, texts, more).await;
    let view = ended(&queue, &job).await;
    assert_eq!(view.state, JobState::Succeeded, "{view:?}");
    result(&view)
}

async fn version_of(fixture: &Fixture, id: &str, number: &Version) -> PromptVersion {
    let (id, exact) = (PromptId::new(id).unwrap(), VersionSelector::Exact(number.clone()));
    fixture
        .manager()
        .get(&id, &exact)
        .await
        .unwrap()
        .document()
        .unwrap()
}

fn numbers(fixture: &Fixture, id: &str) -> Vec<String> {
    let entry = fixture.manager().prompt(&PromptId::new(id).unwrap());
    let versions = entry.map(|entry| entry.versions.clone()).unwrap_or_default();
    versions.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn every_new_text_becomes_a_candidate_of_the_version_that_the_file_has() {
    let fixture = Fixture::new();
    let done = optimize(
        &fixture,
        &[WORDY, "Say {{name}}."],
        json!({"min_improvement": 50}),
    )
    .await;
    assert_eq!(
        (done.total, done.imported, done.created, done.improved),
        (2, 2, 1, 0)
    );
    assert_eq!(
        (done.wanted, done.prompts[1].left_alone.is_some()),
        (1, true),
        "{done:?}"
    );
    let prompt = &done.prompts[0];
    assert_eq!(
        (prompt.from.clone(), prompt.imported, prompt.best),
        (Some(Version::FIRST), true, None)
    );
    let [refused, same] = &prompt.candidates[..] else {
        panic!("{prompt:?}")
    };
    assert!(
        !refused.accepted && refused.created && refused.reasons[0].contains("50"),
        "{refused:?}"
    );
    assert_eq!(
        (same.version.clone(), same.accepted),
        (None, false),
        "an unchanged text is no version"
    );

    let done = optimize(&fixture, &[WORDY, "Say {{name}}."], json!({})).await;
    assert_eq!((done.imported, done.created, done.improved), (0, 1, 1));
    let best = done.prompts[0].best().unwrap();
    let kept = version_of(&fixture, "bot_1_system_0", best.version.as_ref().unwrap()).await;
    assert_eq!(
        (kept.prompt.text.as_str(), kept.parent_version),
        (BRIEF, Some(Version::FIRST))
    );
    let made = kept.optimization_result.unwrap();
    assert_eq!(
        (
            made.strategy,
            made.improvement_score,
            made.original_prompt.as_str()
        ),
        (best.strategy, best.improvement, WORDY)
    );
    assert_eq!(made.changes[0].rule_id, "courtesy");
    assert_eq!(kept.metadata["candidate"]["accepted"], true);
    assert_eq!(numbers(&fixture, "bot_1_system_0").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_second_run_and_a_dry_run_store_nothing() {
    let fixture = Fixture::new();
    let tried = optimize(&fixture, &[WORDY], json!({"dry_run": true})).await;
    assert_eq!((tried.created, tried.imported, tried.improved), (0, 0, 1));
    assert_eq!(tried.prompts[0].best().unwrap().text.as_deref(), Some(BRIEF));
    assert_eq!(numbers(&fixture, "bot_1_system_0"), [""; 0]);
    let first = optimize(&fixture, &[WORDY], json!({})).await;
    let there = numbers(&fixture, "bot_1_system_0");
    let second = optimize(&fixture, &[WORDY], json!({})).await;
    assert_eq!((first.created, second.created, second.improved), (1, 0, 1));
    assert_eq!(
        first.prompts[0].best().unwrap().version,
        second.prompts[0].best().unwrap().version
    );
    assert_eq!(numbers(&fixture, "bot_1_system_0"), there);
}

#[tokio::test(start_paused = true)]
async fn settings_that_make_no_sense_are_refused_at_once() {
    let queue = Fixture::new().start().await;
    for (more, says) in [
        (
            json!({"strategies": ["auto", "hybrid"]}),
            "hybrid asks a language model, and none is configured: set optimizer.llm.endpoint",
        ),
        (json!({"max_tokens": 0}), "max_tokens must be at least 1"),
        (json!({"max_cost": -1}), "max_cost must be 0 to 1000000"),
        (
            json!({"strategies": ["auto", "auto"]}),
            "names one strategy twice",
        ),
        (
            json!({"min_confidence": 2}),
            "min_confidence is 2, but must be 0 to 1",
        ),
        (json!({"max_iterations": 0}), "max_iterations is 0"),
    ] {
        let mut params: Map<String, Value> = more.as_object().unwrap().clone();
        params.extend([
            ("name".into(), json!("a.yml")),
            ("content".into(), json!(document(&["Hi."]))),
        ]);
        let refused = queue
            .submit(request("optimize", Value::Object(params)), author())
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "invalid-request");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_cannot_be_stored_does_not_stop_the_others() {
    let fixture = Fixture::new();
    fixture
        .storage
        .refused
        .lock()
        .unwrap()
        .insert("bot_1_system_0".to_owned());
    let queue = fixture.start().await;
    let job = submit(&queue, &[WORDY, WORDY], json!({})).await;
    let view = ended(&queue, &job).await;
    let done = result(&view);
    assert_eq!(
        (view.state, done.failed.len(), done.improved),
        (JobState::Failed, 1, 1)
    );
    assert_eq!(done.failed[0].code, "read-only-storage");
    assert!(
        view.error
            .unwrap()
            .contains("1 of 2 prompts could not be optimised")
    );
}

#[test]
fn an_optimisation_that_was_cut_off_ends_as_if_it_had_not_been() {
    let (cut, whole) = (Fixture::new(), Fixture::new());
    let texts = [WORDY, "Please stop. Please stop.", WORDY];
    let job = cut.life(async |queue| {
        // Some of it is stored already, by the same job as far as anybody can tell.
        let first = submit(&queue, &texts[..1], json!({})).await;
        ended(&queue, &first).await;
        cut.storage.open_for_puts.send_replace(false);
        let job = submit(&queue, &texts, json!({})).await;
        running(&queue, &job).await
    });
    cut.storage.open_for_puts.send_replace(true);
    let after = cut.life(async |queue| ended(&queue, &job).await);
    whole.life(async |queue| {
        let job = submit(&queue, &texts, json!({})).await;
        let uncut = ended(&queue, &job).await;
        assert_eq!(
            (after.state, uncut.state),
            (JobState::Succeeded, JobState::Succeeded)
        );
        let versions = |view: &JobView| -> Vec<Option<Version>> {
            let prompts = result(view).prompts;
            prompts
                .iter()
                .flat_map(|p| &p.candidates)
                .map(|c| c.version.clone())
                .collect()
        };
        assert_eq!(versions(&after), versions(&uncut));
    });
    for id in ["bot_1_system_0", "bot_2_system_0", "bot_3_system_0"] {
        assert_eq!(numbers(&cut, id), numbers(&whole, id), "{id}");
        assert!(numbers(&whole, id).len() > 1, "{id}");
    }
}

/// Adds so many results of one status to a version.
async fn measure(fixture: &Fixture, id: &str, number: &Version, status: TestStatus, count: usize) {
    let result = |n: usize| crate::model::test_result::tests::result(&format!("{status:?}-{n}"), status, 1.0);
    let results: Vec<_> = (0..count).map(result).collect();
    let id = PromptId::new(id).unwrap();
    fixture.storage.add_evidence(&id, number, &results).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_measured_decides_what_is_tried_once_there_is_enough_of_it() {
    // Clear and brief enough to be left alone, and `auto` would work on clarity.
    const GOOD: &str = "Say {{name}}.";
    let auto = || json!({"strategies": ["auto"], "min_baseline_score": 1});
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let first = submit(&queue, &[GOOD], auto()).await;
    let untested = result(&ended(&queue, &first).await);
    assert_eq!((untested.wanted, &untested.prompts[0].tests), (0, &None));
    measure(
        &fixture,
        "bot_1_system_0",
        &Version::FIRST,
        TestStatus::Failed,
        19,
    )
    .await;
    let few = submit(&queue, &[GOOD], auto()).await;
    assert_eq!(result(&ended(&queue, &few).await).wanted, 0);
    measure(
        &fixture,
        "bot_1_system_0",
        &Version::FIRST,
        TestStatus::Timeout,
        1,
    )
    .await;
    let tested = submit(&queue, &[GOOD], auto()).await;
    let tested = result(&ended(&queue, &tested).await);
    let tests = tested.prompts[0].tests.unwrap();
    assert_eq!(
        (tested.wanted, tests.total_tests, tests.success_rate),
        (1, 20, 0.0)
    );
}

#[test]
fn what_comes_in_after_the_submission_changes_nothing_of_a_job_that_runs_again() {
    let fixture = Fixture::new();
    let texts = ["Say {{name}}.", WORDY];
    let low = || json!({"strategies": ["auto"], "min_baseline_score": 1});
    let job = fixture.life(async |queue| {
        let first = submit(&queue, &texts[..1], low()).await;
        ended(&queue, &first).await;
        fixture.storage.open_for_puts.send_replace(false);
        let job = submit(&queue, &texts, low()).await;
        running(&queue, &job).await
    });
    fixture.storage.open_for_puts.send_replace(true);
    let after = fixture.life(async |queue| {
        measure(
            &fixture,
            "bot_1_system_0",
            &Version::FIRST,
            TestStatus::Failed,
            50,
        )
        .await;
        ended(&queue, &job).await
    });
    assert_eq!(result(&after).prompts[0].tests, None);
    assert_eq!(result(&after).wanted, 0);
}
