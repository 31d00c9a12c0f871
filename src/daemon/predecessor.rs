//! Waiting for a promptd that is about to end.
//!
//! A process that was killed holds its locks and sockets for an instant longer than `kill` takes: a start right after it,
//! by a script or by hand, would find everything in use. systemd waits for the end of the old process by itself.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long something that another process holds is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long until the next attempt.
const PAUSE: Duration = Duration::from_millis(20);

/// Attempts something until it is no longer held by another process, for [`PATIENCE`] at most.
///
/// # Errors
/// What the last attempt said; at once when `is_held` says that it is of another kind.
pub(super) async fn outlast<T, E: Display, F: Future<Output = Result<T, E>>>(
    mut attempt: impl FnMut() -> F,
    is_held: fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = Instant::now() + PATIENCE;
    let mut has_told = false;
    loop {
        let error = match attempt().await {
            Err(error) if is_held(&error) && Instant::now() < deadline => error,
            settled => return settled,
        };
        if !has_told {
            tracing::info!(%error, "waiting, in case the other process is about to end");
            has_told = true;
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// Attempts what is held for so many attempts. Returns how it ended and how many attempts were made.
    async fn attempt_what_is_held(times: usize) -> (Result<(), &'static str>, usize) {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            ready(if attempts > times { Ok(()) } else { Err("held") })
        };
        let ended = outlast(attempt, |error| *error == "held").await;
        (ended, attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_free_is_taken() {
        assert_eq!(attempt_what_is_held(0).await, (Ok(()), 1));
        assert_eq!(attempt_what_is_held(7).await, (Ok(()), 8));
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_held_is_refused_after_a_bounded_time() {
        let begun = Instant::now();
        let (ended, _) = attempt_what_is_held(usize::MAX).await;
        assert_eq!(ended, Err("held"));
        assert!(begun.elapsed() >= PATIENCE);
        assert!(begun.elapsed() <= PATIENCE + 2 * PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn another_error_is_told_at_once() {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            ready(Err::<(), _>("broken"))
        };
        assert_eq!(outlast(attempt, |error| *error == "held").await, Err("broken"));
        assert_eq!(attempts, 1);
    }
}
