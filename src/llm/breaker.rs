//! Leaving an endpoint alone for a while that does not answer. Pure: the clock is an argument.

use std::time::Duration;

/// How many calls in a row may fail, each with all its repetitions.
const MAX_FAILURES: u32 = 3;
/// How long it is left alone then.
const REST: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    failures: u32,
    closed_until: Duration,
}

impl Breaker {
    /// Tells whether the endpoint may be asked. `now` is the time since any fixed instant.
    pub(super) fn may_ask(&self, now: Duration) -> bool {
        self.failures < MAX_FAILURES || now >= self.closed_until
    }

    /// It answered, be it with a refusal.
    pub(super) const fn answered(&mut self) {
        self.failures = 0;
    }

    /// It did not answer.
    pub(super) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.closed_until = now + REST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_does_not_answer_is_left_alone_for_a_while() {
        let (mut breaker, at) = (Breaker::default(), Duration::from_secs);
        for second in 0..3 {
            assert!(breaker.may_ask(at(second)));
            breaker.failed(at(second));
        }
        assert!(!breaker.may_ask(at(3)) && !breaker.may_ask(at(31)));
        assert!(breaker.may_ask(at(32)));
        breaker.failed(at(40));
        assert!(!breaker.may_ask(at(69)) && breaker.may_ask(at(70)));
        breaker.answered();
        assert!(breaker.may_ask(at(0)));
    }
}
