//! How many calls there may be over time: a bucket of tokens. Pure: the clock is an argument.

use std::time::Duration;

/// A bucket that fills slowly. Each call takes one token out, on credit if need be, and waits until it is paid: so those
/// who wait go on in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    /// Makes a full bucket.
    pub(super) fn new(calls_per_minute: u32, burst: u32) -> Self {
        let capacity = f64::from(burst.max(1));
        Self {
            capacity,
            per_second: f64::from(calls_per_minute.max(1)) / 60.0,
            level: capacity,
            at: Duration::ZERO,
        }
    }

    /// Takes a token and returns how long to wait for it. `now` is the time since any fixed instant.
    pub(super) fn take(&mut self, now: Duration) -> Duration {
        let gone = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + gone * self.per_second).min(self.capacity) - 1.0;
        self.at = self.at.max(now);
        if self.level >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.level / self.per_second).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_its_pace() {
        let mut bucket = Bucket::new(60, 2);
        let at = Duration::from_secs;
        let waits: Vec<u64> = (0..4).map(|_| bucket.take(at(0)).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2]);
        assert_eq!(bucket.take(at(3)), at(0), "two were paid back, and one has come");
        assert_eq!(bucket.take(at(3)), at(1));
        // A long rest fills it up to its rim.
        let waits: Vec<u64> = (0..3).map(|_| bucket.take(at(1_000)).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1]);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_calls_than_it_may(steps in prop::collection::vec(0_u64..5_000, 1..60)) {
            let (mut bucket, mut now, mut calls) = (Bucket::new(30, 3), 0, Vec::new());
            for step in steps {
                now += step;
                calls.push(now as f64 / 1e3 + bucket.take(Duration::from_millis(now)).as_secs_f64());
            }
            for (index, from) in calls.iter().enumerate() {
                for (further, to) in calls.iter().enumerate().skip(index) {
                    let allowed = 3.0 + (to - from) * 0.5 + 1e-6;
                    prop_assert!((further - index + 1) as f64 <= allowed, "{:?}", calls);
                }
            }
        }
    }
}
