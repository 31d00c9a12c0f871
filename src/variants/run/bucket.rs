//! A limit on how many may begin in a minute.

use std::time::Duration;

use crate::variants::plan::RateLimit;

/// A bucket of tokens: it starts full, `per_minute` come back in a minute, and it holds `burst`.
///
/// Whoever takes more than there are goes into debt and waits until it is paid, so a batch that is larger than the bucket
/// waits instead of failing. Time is handed in, from any beginning.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    at: Duration,
}

impl TokenBucket {
    /// Makes a full bucket.
    #[must_use]
    pub fn new(limit: RateLimit, now: Duration) -> Self {
        let capacity = f64::from(limit.burst.max(1));
        Self {
            capacity,
            per_second: f64::from(limit.per_minute.max(1)) / 60.0,
            tokens: capacity,
            at: now,
        }
    }

    /// Takes tokens and returns how long to wait before they may be used.
    pub fn take(&mut self, count: u32, now: Duration) -> Duration {
        self.refill(now);
        self.tokens -= f64::from(count);
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / self.per_second).unwrap_or(Duration::MAX)
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.capacity);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one after the other, waiting as told, and returns the waits in seconds.
    fn waits(per_minute: u32, burst: u32, takes: &[u32]) -> Vec<f64> {
        let mut now = Duration::from_secs(1_000);
        let mut bucket = TokenBucket::new(RateLimit { per_minute, burst }, now);
        let taken = takes.iter().map(|count| {
            let wait = bucket.take(*count, now);
            now += wait;
            (wait.as_secs_f64() * 1e6).round() / 1e6
        });
        taken.collect()
    }

    #[test]
    fn the_waits_are_those_of_the_earlier_system() {
        assert_eq!(waits(60, 5, &[1; 8]), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_batch_larger_than_the_bucket_waits() {
        assert_eq!(waits(60, 5, &[8, 1]), [3.0, 1.0]);
        assert_eq!(waits(120, 1, &[3]), [1.0]);
    }

    #[test]
    fn a_pause_fills_the_bucket_and_no_more() {
        let mut bucket = TokenBucket::new(
            RateLimit {
                per_minute: 60,
                burst: 2,
            },
            Duration::ZERO,
        );
        assert_eq!(bucket.take(2, Duration::ZERO), Duration::ZERO);
        let later = Duration::from_secs(3_600);
        assert_eq!(bucket.take(2, later), Duration::ZERO);
        assert_eq!(bucket.take(1, later), Duration::from_secs(1));
        // A clock that goes back fills nothing.
        assert_eq!(bucket.take(1, Duration::ZERO), Duration::from_secs(2));
    }
}
