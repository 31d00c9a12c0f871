//! What a daemon finds after it was killed, and after it was stopped in good order.

use std::time::Duration;

use super::fixture::{Fixture, LONG, ended, running, submit, submit_import};
use super::storage::Verify;
use crate::http::wire::JobState;
use crate::model::PromptId;

fn versions_of(fixture: &Fixture, id: &str) -> usize {
    let entry = fixture.manager().prompt(&PromptId::new(id).unwrap());
    entry.map_or(0, |entry| entry.versions.len())
}

#[test]
fn after_a_kill_ended_jobs_are_known_and_the_others_run_again() {
    let fixture = Fixture::new();
    let (done, works, waits) = fixture.life(async |queue| {
        let done = submit_import(&queue, "bot.yml", &["Say hello."]).await;
        let done = ended(&queue, &done).await;
        fixture.storage.set_verify(Verify::Steps(100));
        let works = submit(&queue, "verify").await.unwrap();
        running(&queue, &works).await;
        (done, works, submit(&queue, "verify").await.unwrap())
    });
    fixture.life(async |queue| {
        assert_eq!(
            queue.get(&done.job_id),
            Some(done),
            "an ended job keeps its result"
        );
        for job in [works, waits] {
            let again = ended(&queue, &job).await;
            assert_eq!(again.state, JobState::Succeeded);
            assert_eq!((again.created_at, again.author), (job.created_at, job.author));
        }
        assert!(queue.problems().is_empty());
    });
}

#[test]
fn an_import_that_was_cut_off_stores_only_what_is_missing() {
    let fixture = Fixture::new();
    let job = fixture.life(async |queue| {
        let first = submit_import(&queue, "bot.yml", &["Say hello."]).await;
        ended(&queue, &first).await;
        fixture.storage.open_for_puts.send_replace(false);
        let job = submit_import(&queue, "bot.yml", &["Say hello.", "Say bye."]).await;
        running(&queue, &job).await
    });
    fixture.storage.open_for_puts.send_replace(true);
    fixture.life(async |queue| {
        let done = ended(&queue, &job).await;
        let result = done.result.unwrap();
        assert_eq!((&result["created"], &result["unchanged"]), (&1.into(), &1.into()));
    });
    assert_eq!(versions_of(&fixture, "bot_1_system_0"), 1);
    assert_eq!(versions_of(&fixture, "bot_2_system_0"), 1);
}

#[test]
fn a_job_under_which_the_daemon_keeps_dying_fails_in_the_end() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Deaf);
    let job = fixture.life(async |queue| {
        let job = submit(&queue, "verify").await.unwrap();
        begun(&queue, &fixture, &job.job_id, 1).await;
        job
    });
    for life in 2..=3 {
        fixture.life(async |queue| begun(&queue, &fixture, &job.job_id, life).await);
    }
    fixture.life(async |queue| {
        let failed = ended(&queue, &job).await;
        assert_eq!(failed.state, JobState::Failed);
        let error = failed.error.unwrap();
        assert!(error.contains("ended 3 times"), "{error}");
    });
}

#[test]
fn a_daemon_that_stops_in_good_order_never_counts_against_a_job() {
    let fixture = Fixture::new();
    for verify in [Verify::UntilStopped, Verify::Deaf] {
        fixture.storage.set_verify(verify);
        let job = fixture.life(async |queue| submit(&queue, "verify").await.unwrap());
        for _ in 0..5 {
            fixture.life(async |queue| {
                begun(&queue, &fixture, &job.job_id, 1).await;
                queue.close().await;
                let view = queue.get(&job.job_id).unwrap();
                assert_eq!((view.state, view.started_at), (JobState::Queued, None));
            });
        }
        fixture.storage.set_verify(Verify::Answer);
        fixture.life(async |queue| {
            assert_eq!(ended(&queue, &job).await.state, JobState::Succeeded);
        });
    }
}

#[test]
fn an_import_that_is_stopped_with_the_daemon_is_finished_by_the_next_one() {
    let fixture = Fixture::new();
    fixture.storage.open_for_puts.send_replace(false);
    let job = fixture.life(async |queue| {
        let job = submit_import(&queue, "bot.yml", &["Say hello.", "Say bye."]).await;
        running(&queue, &job).await;
        queue.close().await;
        job
    });
    fixture.storage.open_for_puts.send_replace(true);
    fixture.life(async |queue| {
        assert_eq!(ended(&queue, &job).await.result.unwrap()["created"], 2);
    });
}

#[test]
fn more_ended_jobs_than_are_kept_are_forgotten_at_the_start() {
    let mut fixture = Fixture::new();
    let ids = fixture.life(async |queue| {
        let mut ids = Vec::new();
        for _ in 0..3 {
            let job = submit(&queue, "verify").await.unwrap();
            ids.push(ended(&queue, &job).await.job_id);
        }
        ids
    });
    fixture.limits.max_jobs_kept = 1;
    fixture.life(async |queue| {
        let kept: Vec<String> = queue
            .list(None, None, 10)
            .0
            .into_iter()
            .map(|view| view.job_id)
            .collect();
        assert_eq!(kept, ids[2..]);
    });
}

/// Waits until the ledger says that a job was begun so many times.
async fn begun(queue: &crate::jobs::JobQueue, fixture: &Fixture, id: &str, times: u32) {
    let id = crate::jobs::JobId::parse(id).unwrap();
    running(queue, &queue.get(id.as_str()).unwrap()).await;
    let written_down = async {
        while fixture.ledger.read(&id).unwrap().attempts < times {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, written_down).await.unwrap();
}
