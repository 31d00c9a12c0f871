//! Trying again what failed only for the moment.

use std::time::Duration;

use crate::storage::Progress;
use crate::versions::VersionError;

/// How often one prompt is tried.
const MAX_ATTEMPTS: u32 = 10;
/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Counts the failures of one prompt.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failures: u32,
}

impl Retries {
    /// Tells whether to try again after an error, and pauses before it does.
    ///
    /// What is tried must be safe to repeat: after `interrupted` nobody knows whether it happened.
    pub(super) async fn again_after(&mut self, error: &VersionError, progress: &Progress) -> bool {
        self.failures += 1;
        if !is_transient(error) || progress.is_cancelled() || self.failures >= MAX_ATTEMPTS {
            return false;
        }
        tracing::debug!(
            code = error.code(),
            failures = self.failures,
            "a prompt is tried again"
        );
        tokio::time::sleep(pause_after(self.failures)).await;
        true
    }
}

fn is_transient(error: &VersionError) -> bool {
    matches!(error.code(), "busy" | "unavailable" | "interrupted")
}

fn pause_after(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(MAX_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageError;

    async fn check(errors: &[StorageError], tries: usize) {
        let (progress, mut retries, mut tried) = (Progress::default(), Retries::default(), 0);
        for error in errors {
            tried += 1;
            if !retries.again_after(&error.clone().into(), &progress).await {
                break;
            }
        }
        assert_eq!(tried, tries, "{errors:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        let down = || StorageError::Unavailable("the shard is down".into());
        let cut_off = StorageError::Interrupted("fsync".into());
        check(&[down(), cut_off], 2).await;
        check(&[StorageError::ReadOnly, down()], 1).await;
        check(&[down(), StorageError::ReadOnly, down()], 2).await;
        let began = tokio::time::Instant::now();
        check(&vec![down(); 20], MAX_ATTEMPTS as usize).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses: Vec<u128> = (1..9).map(|n| pause_after(n).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(pause_after(u32::MAX), MAX_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_tried_again_once_the_job_shall_stop() {
        let progress = Progress::default();
        progress.cancel();
        let error = StorageError::Unavailable("the shard is down".into()).into();
        assert!(!Retries::default().again_after(&error, &progress).await);
    }
}
