//! The two passes of a verification, and what lies between them.

use std::sync::Arc;
use std::time::Duration;

use crate::storage::filesystem::FileSystemStorage;
use crate::storage::filesystem::actors::IndexMessage;
use crate::storage::filesystem::work::Look;
use crate::storage::{Progress, StorageError, VerifyReport, VerifyScope};

use super::store::{drop_index_findings, excuse_index};
use super::{first_pass, second_pass, shards_to_look};

/// How often the index is held against a store that is being written.
const MAX_ATTEMPTS: u32 = 3;
/// How often the progress is passed on, and a cancellation looked for.
const TICK: Duration = Duration::from_millis(50);

struct CancelOnDrop(Arc<Progress>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl FileSystemStorage {
    /// Verifies what is in scope.
    pub(in crate::storage::filesystem) async fn verify_twice(
        &self,
        scope: &VerifyScope,
        progress: &Progress,
    ) -> Result<VerifyReport, StorageError> {
        self.settle_index().await;
        let (shared, owned) = (Arc::clone(&self.shared), scope.clone());
        let first = blocking(progress, move |watched| first_pass(&shared, &owned, watched)).await?;
        if first.is_clean() {
            return Ok(first.report);
        }
        for (shard, ids) in shards_to_look(&self.shared, &first) {
            let look = Look {
                relist: ids,
                ..Look::default()
            };
            let looked = shard.look_and_wait(look, self.shared.write_timeout()).await;
            if let Err(error) = looked {
                tracing::debug!(%error, "a shard that is down is verified as it is on disk");
            }
        }
        let mut first = first;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let can_be_written = !first.doubts_index() || self.settle_index().await;
            let before = self.shared.catalog.feed().revision();
            let (shared, owned) = (Arc::clone(&self.shared), scope.clone());
            let pass = move |watched: &Progress| {
                let report = second_pass(&shared, &owned, &first, watched)?;
                Ok((first, report))
            };
            let (again, mut report) = blocking(progress, pass).await?;
            first = again;
            if !can_be_written {
                excuse_index(&mut report.problems);
            } else if before != self.shared.catalog.feed().revision() && first.doubts_index() {
                // What was written meanwhile is not in the index that was read: nothing follows from that.
                if attempt < MAX_ATTEMPTS {
                    continue;
                }
                drop_index_findings(&mut report.problems);
            }
            return Ok(report);
        }
    }

    /// Lets the index catch up with the catalog; `false` when it cannot.
    async fn settle_index(&self) -> bool {
        if !self.shared.options.use_index {
            return true;
        }
        match self.ask_index(IndexMessage::Settle).await {
            Ok(_) => true,
            Err(reason) => {
                tracing::debug!(reason, "the index cannot be written now");
                false
            }
        }
    }
}

/// Runs a pass on a thread where waiting for the disk is allowed, and passes its progress on.
async fn blocking<T: Send + 'static>(
    progress: &Progress,
    pass: impl FnOnce(&Progress) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let watched = Arc::new(Progress::default());
    let working = Arc::clone(&watched);
    // Whoever does not wait any more does not need the work either.
    let _cancel = CancelOnDrop(Arc::clone(&watched));
    let mut work = tokio::task::spawn_blocking(move || pass(&working));
    loop {
        let ended = tokio::select! {
            ended = &mut work => Some(ended),
            () = tokio::time::sleep(TICK) => None,
        };
        let (done, total) = watched.get();
        if total > 0 {
            progress.set_total(total);
            progress.advance(done.saturating_sub(progress.get().0));
        }
        if progress.is_cancelled() {
            watched.cancel();
        }
        if let Some(ended) = ended {
            return ended
                .unwrap_or_else(|_| Err(StorageError::Unavailable("the verification failed".into())));
        }
    }
}
