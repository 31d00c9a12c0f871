//! Whether a start that takes long may take longer. Pure: the clock is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::storage::filesystem::Recovery;

/// How much more time is asked for each time.
const EXTENSION: Duration = Duration::from_secs(30);
/// A start that has made no step for so long asks for no more time.
const STALL: Duration = Duration::from_secs(90);

/// Follows a start.
#[derive(Debug)]
pub(super) struct Patience {
    seen: Recovery,
    since: Instant,
}

/// What the service manager is told of a start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// How far it is.
    pub(super) status: String,
    /// How much more time it wants.
    pub(super) extension: Option<Duration>,
}

impl Patience {
    /// Begins to follow a start.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            seen: Recovery::default(),
            since: now,
        }
    }

    /// Looks at how far the start is.
    pub(super) fn look(&mut self, recovery: Recovery, now: Instant) -> Word {
        if recovery != self.seen {
            (self.seen, self.since) = (recovery, now);
        }
        let stalled = now.duration_since(self.since);
        let mut status = match recovery {
            Recovery { shards: 0, .. } => "opening the store".to_owned(),
            Recovery {
                shards,
                settled,
                steps,
            } => {
                format!("recovering: {settled}/{shards} shards, {steps} prompts looked at")
            }
        };
        if stalled >= EXTENSION {
            let seconds = stalled.as_secs();
            status = format!("{status}; no progress for {seconds} s: does the disk answer?");
        }
        Word {
            status,
            extension: (stalled < STALL).then_some(EXTENSION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steps: u64) -> Recovery {
        Recovery {
            shards: 256,
            settled: 12,
            steps,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_recovery_that_goes_on_gets_more_time_however_long_it_takes() {
        let mut patience = Patience::new(Instant::now());
        for steps in 0..1_000 {
            tokio::time::advance(Duration::from_secs(5)).await;
            let word = patience.look(at(steps), Instant::now());
            assert_eq!(word.extension, Some(EXTENSION), "after {steps} steps");
            assert_eq!(
                word.status,
                format!("recovering: 12/256 shards, {steps} prompts looked at")
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_recovery_that_stalls_says_so_and_then_asks_no_more() {
        let mut patience = Patience::new(Instant::now());
        patience.look(at(7), Instant::now());
        tokio::time::advance(EXTENSION).await;
        let word = patience.look(at(7), Instant::now());
        assert!(
            word.status
                .ends_with("no progress for 30 s: does the disk answer?"),
            "{word:?}"
        );
        assert_eq!(word.extension, Some(EXTENSION));
        tokio::time::advance(STALL).await;
        assert_eq!(patience.look(at(7), Instant::now()).extension, None);
        assert_eq!(patience.look(at(8), Instant::now()).extension, Some(EXTENSION));
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_shards_are_known_the_store_is_being_opened() {
        let mut patience = Patience::new(Instant::now());
        let word = patience.look(Recovery::default(), Instant::now());
        assert_eq!(word.status, "opening the store");
    }
}
