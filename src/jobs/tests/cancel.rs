//! Cancelling jobs that wait, that work, that do not listen, and that have ended.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fixture::{Fixture, ended, running, submit, submit_import};
use super::storage::Verify;
use crate::http::wire::JobState;
use crate::jobs::JobId;

#[tokio::test(start_paused = true)]
async fn a_waiting_job_is_cancelled_at_once_and_for_good() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Steps(10));
    let queue = fixture.start().await;
    let works = submit(&queue, "verify").await.unwrap();
    let waits = submit(&queue, "verify").await.unwrap();
    running(&queue, &works).await;
    let cancelled = queue.cancel(&waits.job_id).await.unwrap();
    assert_eq!(
        (cancelled.state, cancelled.started_at.as_ref()),
        (JobState::Cancelled, None)
    );
    let id = JobId::parse(&waits.job_id).unwrap();
    assert_eq!(fixture.ledger.read(&id).unwrap().state(), JobState::Cancelled);
    assert_eq!(ended(&queue, &works).await.state, JobState::Succeeded);
    assert_eq!(queue.get(&waits.job_id), Some(cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_working_job_stops_at_its_next_step() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::UntilStopped);
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    running(&queue, &job).await;
    let cancelled = queue.cancel(&job.job_id).await.unwrap();
    assert_eq!((cancelled.state, cancelled.error), (JobState::Cancelled, None));
    assert!(cancelled.started_at.is_some() && cancelled.finished_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_listen_is_dropped_after_its_grace() {
    let fixture = Fixture::new();
    fixture.storage.set_verify(Verify::Deaf);
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    running(&queue, &job).await;
    let began = tokio::time::Instant::now();
    assert_eq!(queue.cancel(&job.job_id).await.unwrap().state, JobState::Running);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(ended(&queue, &job).await.state, JobState::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_ended_job_stays_as_it_is_and_an_unknown_one_is_not_found() {
    let fixture = Fixture::new();
    let queue = fixture.start().await;
    let job = submit(&queue, "verify").await.unwrap();
    let done = ended(&queue, &job).await;
    assert_eq!(queue.cancel(&job.job_id).await.unwrap(), done);
    let unknown = JobId::generate();
    assert_eq!(
        queue.cancel(unknown.as_str()).await.unwrap_err().code(),
        "not-found"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_import_says_what_it_stored() {
    let fixture = Fixture::new();
    fixture.storage.open_for_puts.send_replace(false);
    let queue = fixture.start().await;
    let texts: Vec<String> = (0..40).map(|number| format!("Say {number}.")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let job = submit_import(&queue, "bot.yml", &texts).await;
    fixture
        .storage
        .puts
        .subscribe()
        .wait_for(|now| *now == 16)
        .await
        .unwrap();
    let (cancelled, ()) = tokio::join!(queue.cancel(&job.job_id), async {
        // The puts that are under way when the cancellation arrives are not cut off.
        tokio::time::sleep(Duration::from_secs(1)).await;
        fixture.storage.open_for_puts.send_replace(true);
    });
    let cancelled = cancelled.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    let result = cancelled.result.unwrap();
    assert_eq!((&result["created"], &result["prompts"]), (&16.into(), &40.into()));
    assert_eq!(fixture.storage.most_puts.load(Ordering::Relaxed), 16);
}
