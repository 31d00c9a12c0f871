//! Submitting, running, watching, listing, forgetting, closing.

use std::time::Duration;

use serde_json::json;

use super::fixture::{Fixture, ended, running, submit, submit_import};
use super::storage::{STEP, Verify};
use crate::http::wire::{JobState, JobView};
use crate::jobs::{JobCounts, JobId};

#[tokio::test(start_paused = true)]
async fn a_job_runs_and_its_result_is_kept() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let submitted = submit(&queue, "rebuild_index").await.unwrap();
    assert_eq!(
        (submitted.state, submitted.kind.as_str()),
        (JobState::Queued, "rebuild_index")
    );
    assert!(JobId::parse(&submitted.job_id).is_some());
    let done = ended(&queue, &submitted).await;
    assert_eq!(done.state, JobState::Succeeded);
    assert_eq!(done.result, Some(json!({"prompts": 0, "versions": 0})));
    assert_eq!((done.author.name.as_str(), done.error.as_deref()), ("ada", None));
    assert!(done.started_at.is_some() && done.finished_at.is_some());
    assert_eq!(queue.get(&submitted.job_id), Some(done));
}

#[tokio::test(start_paused = true)]
async fn a_verification_answers_with_its_report() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let import = submit_import(&queue, "bot.yml", &["Say hello.", "Say bye."]).await;
    ended(&queue, &import).await;
    let verify = submit(&queue, "verify").await.unwrap();
    let done = ended(&queue, &verify).await;
    let report = done.result.unwrap();
    assert_eq!(
        (&report["versions"], &report["problems"]),
        (&json!(2), &json!([]))
    );
    assert_eq!((done.progress.done, done.progress.unit.as_str()), (2, "prompts"));
}

#[tokio::test(start_paused = true)]
async fn a_job_is_in_the_ledger_when_its_submit_answers() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Deaf);
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    let id = JobId::parse(&job.job_id).unwrap();
    assert!(!fixture.ledger.read(&id).unwrap().state().is_final());
}

#[tokio::test(start_paused = true)]
async fn progress_is_shown_while_a_job_works_and_not_more_often_than_needed() {
    let fixture = Fixture::new();
    let steps = 60;
    fixture.storage.set_verify(Verify::Steps(steps));
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    let mut views = queue.subscribe(&job.job_id).unwrap();
    let mut seen: Vec<JobView> = Vec::new();
    while !seen.last().is_some_and(|view| view.state.is_final()) {
        seen.push(views.borrow_and_update().clone());
        if !seen.last().unwrap().state.is_final() {
            views.changed().await.unwrap();
        }
    }
    let done: Vec<u64> = seen.iter().map(|view| view.progress.done).collect();
    assert!(done.is_sorted() && done.last() == Some(&steps), "{done:?}");
    assert!(
        seen.iter().skip(2).all(|view| view.progress.total == steps),
        "{seen:?}"
    );
    // One view for each 200 ms of work, beside queued, running and the end.
    let updates = usize::try_from(steps).unwrap() * STEP.as_millis() as usize / 200;
    assert!(
        (updates..=updates + 3).contains(&seen.len()),
        "{} views",
        seen.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_without_progress_makes_no_views() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Deaf);
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    running(&queue, &job).await;
    let mut views = queue.subscribe(&job.job_id).unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(60), views.changed())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_fails_alone() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Panic);
    let queue = fixture.start().await;
    let (verify, rebuild) = (
        submit(&queue, "verify").await.unwrap(),
        submit(&queue, "rebuild_index").await.unwrap(),
    );
    let failed = ended(&queue, &verify).await;
    assert_eq!(failed.state, JobState::Failed);
    let error = failed.error.unwrap();
    assert!(
        error.contains("panicked") && !error.contains("part of a test"),
        "{error}"
    );
    assert_eq!(ended(&queue, &rebuild).await.state, JobState::Succeeded);
    fixture.storage.set_verify(Verify::Answer);
    let again = submit(&queue, "verify").await.unwrap();
    assert_eq!(ended(&queue, &again).await.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_dies_is_replaced_and_no_job_is_lost() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Steps(100));
    let queue = fixture.start().await;
    let works = submit(&queue, "verify").await.unwrap();
    running(&queue, &works).await;
    let waits = submit(&queue, "verify").await.unwrap();
    for _ in 0..3 {
        queue.kill_actor().await;
        let while_down = submit(&queue, "rebuild_index").await.unwrap();
        assert_eq!(ended(&queue, &while_down).await.state, JobState::Succeeded);
    }
    assert_eq!(queue.health(), Ok(()));
    assert_eq!(ended(&queue, &works).await.state, JobState::Succeeded);
    assert_eq!(ended(&queue, &waits).await.state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_that_was_accepted_ends_though_the_actor_dies_under_many_clients() {
    let mut fixture = Fixture::new();
    fixture.limits.max_jobs_queued = 1000;
    let queue = std::sync::Arc::new(fixture.start().await);
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let queue = std::sync::Arc::clone(&queue);
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                for _ in 0..3 {
                    accepted.extend(submit(&queue, "rebuild_index").await.ok());
                }
                accepted
            })
        })
        .collect();
    let deaths = 5;
    for _ in 0..deaths {
        queue.kill_actor().await;
    }
    let mut accepted = Vec::new();
    for client in clients {
        accepted.extend(client.await.unwrap());
    }
    assert!(!accepted.is_empty());
    for job in &accepted {
        assert_eq!(ended(&queue, job).await.state, JobState::Succeeded);
    }
    assert_eq!(queue.health(), Ok(()));
    eprintln!(
        "covered: ends of the job queue's actor: {deaths} kills under 64 clients, {} accepted jobs all done",
        accepted.len()
    );
}

#[tokio::test(start_paused = true)]
async fn one_job_more_than_may_wait_is_refused_until_one_starts() {
    let mut fixture = Fixture::new();
    fixture.limits.max_jobs_queued = 2;
    fixture.storage.set_verify(Verify::Steps(10));
    let queue = fixture.start().await;
    let works = submit(&queue, "verify").await.unwrap();
    running(&queue, &works).await;
    let next = submit(&queue, "verify").await.unwrap();
    submit(&queue, "verify").await.unwrap();
    assert_eq!(
        queue.counts(),
        JobCounts {
            queued: 2,
            running: 1,
            finished: 0
        }
    );
    let refused = submit(&queue, "verify").await.unwrap_err();
    assert_eq!(refused.code(), "busy");
    assert!(refused.to_string().contains("max_jobs_queued"), "{refused}");
    ended(&queue, &works).await;
    running(&queue, &next).await;
    assert!(submit(&queue, "verify").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_list_goes_from_the_newest_to_the_oldest_page_by_page() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let mut submitted = Vec::new();
    for kind in ["verify", "rebuild_index", "verify", "rebuild_index", "verify"] {
        let job = submit(&queue, kind).await.unwrap();
        submitted.push(ended(&queue, &job).await.job_id);
    }
    submitted.reverse();
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = queue.list(after.as_deref(), None, 2);
        pages.push(page.into_iter().map(|view| view.job_id).collect::<Vec<_>>());
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), submitted);
    assert!(queue.list(None, Some(JobState::Running), 10).0.is_empty());
    let (all, next) = queue.list(None, Some(JobState::Succeeded), 5);
    assert_eq!((all.len(), next), (5, None));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_ended_jobs_are_forgotten_in_memory_and_in_the_ledger() {
    let mut fixture = Fixture::new();
    fixture.limits.max_jobs_kept = 2;
    let queue = fixture.start().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let job = submit(&queue, "verify").await.unwrap();
        ids.push(ended(&queue, &job).await.job_id);
    }
    queue.close().await;
    for (position, id) in ids.iter().enumerate() {
        let kept = position >= 2;
        assert_eq!(queue.get(id).is_some(), kept, "{position}");
        assert_eq!(
            fixture.ledger.read(&JobId::parse(id).unwrap()).is_ok(),
            kept,
            "{position}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_answers_at_the_end_of_the_job_or_of_the_time() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Steps(100));
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    let began = tokio::time::Instant::now();
    let view = queue.wait(&job.job_id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(
        (view.state, began.elapsed()),
        (JobState::Running, Duration::from_secs(1))
    );
    let view = queue.wait(&job.job_id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(view.state, JobState::Succeeded);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(queue.wait("job_unknown", Duration::from_secs(60)).await, None);
    assert!(queue.subscribe("job_unknown").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_fails_and_frees_its_place() {
    for (verify, longest) in [(Verify::UntilStopped, 61), (Verify::Deaf, 66)] {
        let mut fixture = Fixture::new();
        fixture.limits.max_job_seconds = 60;
        fixture.storage.set_verify(verify);
        let queue = fixture.start().await;
        let began = tokio::time::Instant::now();
        let job = submit(&queue, "verify").await.unwrap();
        let failed = ended(&queue, &job).await;
        assert_eq!(failed.state, JobState::Failed);
        assert_eq!(
            failed.error.as_deref(),
            Some("stopped after 60 seconds (max_job_seconds)")
        );
        assert!(
            began.elapsed() < Duration::from_secs(longest),
            "{verify:?}: {:?}",
            began.elapsed()
        );
        fixture.storage.set_verify(Verify::Answer);
        let next = submit(&queue, "verify").await.unwrap();
        assert_eq!(ended(&queue, &next).await.state, JobState::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_takes_no_jobs_and_still_answers() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    let done = ended(&queue, &job).await;
    tokio::join!(queue.close(), queue.close());
    queue.close().await;
    assert_eq!(submit(&queue, "verify").await.unwrap_err().code(), "unavailable");
    assert_eq!(queue.cancel(&job.job_id).await.unwrap(), done);
    assert_eq!(queue.list(None, None, 10).0, [done]);
    assert!(queue.health().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_wrong_leaves_no_job() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    assert_eq!(
        submit(&queue, "bake").await.unwrap_err().code(),
        "invalid-request"
    );
    assert_eq!(
        submit(&queue, "import").await.unwrap_err().code(),
        "invalid-request"
    );
    assert!(queue.list(None, None, 10).0.is_empty());
    let shown = format!("{queue:?}");
    assert!(shown.contains("finished: 0"), "{shown}");
    assert!(queue.problems().is_empty());
}
