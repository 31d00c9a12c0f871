//! The stream of a job's views.

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::http::stream::{self, StreamBody};
use crate::http::wire::JobView;

/// Makes the body of an answer that follows a job until it has ended, the client leaves, or the daemon stops: one line for
/// each view that the client is fast enough to see.
///
/// A client that reads slowly misses views in between, never the last one, and costs no memory.
pub(super) fn follow(mut views: watch::Receiver<JobView>, stopping: CancellationToken) -> StreamBody {
    let (pieces, body) = stream::body();
    tokio::spawn(async move {
        let following = async {
            loop {
                let view = views.borrow_and_update().clone();
                if !pieces.send(line(&view)).await || view.state.is_final() {
                    return;
                }
                if views.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = following => {}
            () = pieces.closed() => {}
            () = stopping.cancelled() => {}
        }
    });
    body
}

fn line(view: &JobView) -> Bytes {
    let mut line = serde_json::to_vec(view).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::{JobProgress, JobState};
    use crate::model::{Author, Timestamp};
    use http_body_util::BodyExt;

    fn job(state: JobState) -> JobView {
        JobView {
            job_id: "job_x".into(),
            kind: "verify".into(),
            state,
            progress: JobProgress::default(),
            result: None,
            error: None,
            created_at: Timestamp::now(),
            started_at: None,
            finished_at: None,
            author: Author::daemon(),
        }
    }

    async fn next(body: &mut StreamBody) -> Option<JobState> {
        let frame = body.frame().await?.unwrap();
        let view: JobView = serde_json::from_slice(frame.data_ref().unwrap()).unwrap();
        Some(view.state)
    }

    #[tokio::test]
    async fn each_change_is_a_line_and_the_last_view_ends_the_stream() {
        let (views, receiver) = watch::channel(job(JobState::Queued));
        let mut body = follow(receiver, CancellationToken::new());
        assert_eq!(next(&mut body).await, Some(JobState::Queued));
        views.send(job(JobState::Running)).unwrap();
        assert_eq!(next(&mut body).await, Some(JobState::Running));
        views.send(job(JobState::Failed)).unwrap();
        assert_eq!(next(&mut body).await, Some(JobState::Failed));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn the_stream_ends_with_the_daemon_and_the_task_with_the_client() {
        let (views, receiver) = watch::channel(job(JobState::Running));
        let stopping = CancellationToken::new();
        let mut body = follow(receiver, stopping.clone());
        assert_eq!(next(&mut body).await, Some(JobState::Running));
        stopping.cancel();
        assert_eq!(next(&mut body).await, None);
        let left = follow(views.subscribe(), CancellationToken::new());
        drop(left);
        views.closed().await;
    }
}
