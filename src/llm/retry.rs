//! When a call is repeated. Pure: clock and chance are arguments.

use std::time::Duration;

use jiff::Timestamp;

use super::settings::LlmSettings;

/// Bounds of repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetryPolicy {
    max_retries: u32,
    min_backoff: Duration,
    max_backoff: Duration,
}

impl RetryPolicy {
    pub(super) const fn of(settings: &LlmSettings) -> Self {
        Self {
            max_retries: settings.max_retries,
            min_backoff: Duration::from_millis(settings.min_backoff_ms),
            max_backoff: Duration::from_millis(settings.max_backoff_ms),
        }
    }

    /// Returns how long to wait before a repetition, or `None` for none any more. `failures` are those so far, from 1;
    /// `asked` is what the endpoint asks for, and `chance` is 0 to 1.
    ///
    /// An endpoint that asks for more than the longest pause is not asked again: sooner would be against its wish.
    pub(super) fn pause(&self, failures: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if failures > self.max_retries || asked.is_some_and(|asked| asked > self.max_backoff) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let full = self.min_backoff.saturating_mul(doubled).min(self.max_backoff);
        // Not all at the same instant: at least half of it, the rest by chance.
        let backoff = full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        Some(asked.map_or(backoff, |asked| asked.max(backoff)))
    }
}

/// Reads the header `Retry-After`: seconds, or a date.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let text = header.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = date.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_retries: 4,
        min_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_millis(500),
    };

    fn check(failures: u32, asked: Option<u64>, chance: f64, expected: Option<u64>) {
        let pause = POLICY.pause(failures, asked.map(Duration::from_millis), chance);
        assert_eq!(
            pause,
            expected.map(Duration::from_millis),
            "{failures} {asked:?} {chance}"
        );
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_end() {
        check(1, None, 1.0, Some(100));
        check(1, None, 0.0, Some(50));
        check(2, None, 1.0, Some(200));
        check(4, None, 1.0, Some(500));
        check(5, None, 1.0, None);
        check(u32::MAX, None, 1.0, None);
    }

    #[test]
    fn the_wish_of_the_endpoint_is_kept_or_it_is_not_asked_again() {
        check(1, Some(400), 1.0, Some(400));
        check(1, Some(10), 1.0, Some(100));
        check(1, Some(500), 1.0, Some(500));
        check(1, Some(501), 1.0, None);
    }

    #[test]
    fn a_wish_is_a_number_of_seconds_or_a_date() {
        let now: Timestamp = "2026-11-28T08:49:37Z".parse().unwrap();
        let check = |header: &str, seconds: Option<u64>| {
            assert_eq!(
                retry_after(header, now),
                seconds.map(Duration::from_secs),
                "{header}"
            );
        };
        check("0", Some(0));
        check(" 120 ", Some(120));
        check("Sat, 28 Nov 2026 08:50:37 GMT", Some(60));
        check("Sat, 28 Nov 2026 08:00:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        check("", None);
    }
}
