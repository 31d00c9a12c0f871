//! Long blocking work that somebody watches and may end.

use std::sync::Arc;
use std::time::Duration;

use crate::storage::{Progress, StorageError};

/// How often the progress is passed on.
const INTERVAL: Duration = Duration::from_millis(50);

/// Does something on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(failed()))
}

/// Does something long on a blocking thread and passes its progress on. Whoever does not wait any more does not need the
/// work either: it is asked to stop.
pub(super) async fn watched<T: Send + 'static>(
    progress: &Progress,
    work: impl FnOnce(&Progress) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    // The caller's progress is borrowed, and the work outlives the call when it is dropped.
    let shown = Arc::new(Progress::default());
    let working = Arc::clone(&shown);
    let _cancel = CancelOnDrop(Arc::clone(&shown));
    let mut work = tokio::task::spawn_blocking(move || work(&working));
    loop {
        let ended = tokio::select! {
            ended = &mut work => Some(ended),
            () = tokio::time::sleep(INTERVAL) => None,
        };
        let (done, total) = shown.get();
        progress.set_total(total);
        progress.advance(done.saturating_sub(progress.get().0));
        if progress.is_cancelled() {
            shown.cancel();
        }
        if let Some(ended) = ended {
            return ended.unwrap_or_else(|_| Err(failed()));
        }
    }
}

fn failed() -> StorageError {
    StorageError::Unavailable("the work panicked, which is a bug in promptd: see the log".into())
}

struct CancelOnDrop(Arc<Progress>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
