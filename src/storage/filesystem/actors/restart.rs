//! When a child that ended is started again. Pure: the clock is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::storage::filesystem::options::RestartPolicy;

/// What to do about a child that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartDecision {
    /// Start it again after a pause.
    Restart {
        /// The pause.
        after: Duration,
    },
    /// It failed too often: report it, and try once more after a whole window.
    Rest {
        /// The pause.
        after: Duration,
    },
}

/// The ends of one child within the window.
#[derive(Debug, Clone, Default)]
pub(super) struct RestartHistory {
    ends: VecDeque<Instant>,
}

impl RestartHistory {
    /// Records that the child ended now, and decides.
    pub(super) fn ended(&mut self, policy: &RestartPolicy, now: Instant) -> RestartDecision {
        while self
            .ends
            .front()
            .is_some_and(|end| now.duration_since(*end) >= policy.window)
        {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        if self.ends.len() > policy.max_restarts {
            self.ends.pop_front();
            return RestartDecision::Rest { after: policy.window };
        }
        let doublings = u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX).min(30);
        let after = policy
            .min_backoff
            .saturating_mul(1 << doublings)
            .min(policy.max_backoff);
        RestartDecision::Restart { after }
    }
}

impl RestartDecision {
    /// Returns the pause.
    #[must_use]
    pub(super) const fn pause(self) -> Duration {
        match self {
            Self::Restart { after } | Self::Rest { after } => after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        max_restarts: 3,
        window: Duration::from_secs(60),
        min_backoff: Duration::from_millis(10),
        max_backoff: Duration::from_millis(30),
    };

    fn restart(millis: u64) -> RestartDecision {
        RestartDecision::Restart {
            after: Duration::from_millis(millis),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_limit_and_then_the_child_rests() {
        let mut history = RestartHistory::default();
        let mut decide = || history.ended(&POLICY, Instant::now());
        assert_eq!(decide(), restart(10));
        assert_eq!(decide(), restart(20));
        assert_eq!(decide(), restart(30));
        assert_eq!(decide(), RestartDecision::Rest { after: POLICY.window });
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_window_forgives() {
        let mut history = RestartHistory::default();
        for _ in 0..3 {
            history.ended(&POLICY, Instant::now());
        }
        tokio::time::advance(POLICY.window).await;
        assert_eq!(history.ended(&POLICY, Instant::now()), restart(10));
    }
}
