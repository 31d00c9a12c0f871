//! A histogram of atomics: who observes waits for nobody, not even for somebody who reads it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Bounds for what is to take milliseconds, in seconds: 50 µs to 10 s. 20 ms and 50 ms are those that alerts look at.
pub const LATENCY_BOUNDS: &[f64] = &[
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];
/// Bounds for long work, in seconds: 10 ms to an hour.
pub const LONG_BOUNDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
/// Bounds for how many there are of something.
pub const COUNT_BOUNDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1024.0];

const NANOS_PER_SECOND: f64 = 1_000_000_000.0;

/// How many observations fell into which bucket. Cheap to clone; all clones are one histogram.
#[derive(Clone)]
pub struct Histogram(Arc<Inner>);

struct Inner {
    bounds: &'static [f64],
    /// The bounds in units.
    limits: Box<[u64]>,
    /// One for each bound, and one for what is above all of them.
    counts: Box<[AtomicU64]>,
    /// In units.
    sum: AtomicU64,
    units: f64,
}

/// How many of all observations were above a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Above it.
    pub above: u64,
    /// In all.
    pub all: u64,
}

impl Histogram {
    /// Makes a histogram of durations; the bounds are seconds, in rising order.
    #[must_use]
    pub fn seconds(bounds: &'static [f64]) -> Self {
        Self::new(bounds, NANOS_PER_SECOND)
    }

    /// Makes a histogram of whole numbers.
    #[must_use]
    pub fn counts(bounds: &'static [f64]) -> Self {
        Self::new(bounds, 1.0)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounds are constants: an hour in nanoseconds at most"
    )]
    fn new(bounds: &'static [f64], units: f64) -> Self {
        Self(Arc::new(Inner {
            bounds,
            limits: bounds
                .iter()
                .map(|bound| (bound * units).round() as u64)
                .collect(),
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            units,
        }))
    }

    /// Notes a duration.
    pub fn observe(&self, took: Duration) {
        self.note(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Notes a number.
    pub fn observe_count(&self, count: usize) {
        self.note(count as u64);
    }

    fn note(&self, value: u64) {
        let bucket = self.0.limits.partition_point(|limit| *limit < value);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
            self.0.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    /// Returns how many observations were above one of the bounds.
    #[must_use]
    pub fn above(&self, bound: f64) -> Share {
        let within = self.0.bounds.partition_point(|known| *known <= bound);
        let counts = || self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Share {
            above: counts().skip(within).sum(),
            all: counts().sum(),
        }
    }
}

impl Share {
    /// Adds up two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            above: self.above + other.above,
            all: self.all + other.all,
        }
    }

    /// Returns what came after an earlier look.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            above: self.above.saturating_sub(earlier.above),
            all: self.all.saturating_sub(earlier.all),
        }
    }

    /// Returns the part that was above, from 0 to 1; `None` when nothing was observed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn ratio(self) -> Option<f64> {
        (self.all > 0).then(|| self.above as f64 / self.all as f64)
    }
}

impl EncodeMetric for Histogram {
    #[expect(clippy::cast_precision_loss, reason = "the format knows floats alone")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Of the buckets as they were read, so that the last one is never less.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.0.sum.load(Ordering::Relaxed) as f64 / self.0.units;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("sum", &self.0.sum.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Registry, render};

    #[test]
    fn an_observation_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::seconds(&[0.02, 0.05]);
        for millis in [1, 20, 21, 50, 51] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut registry = Registry::default();
        registry.register("t_seconds", "T", histogram.clone());
        let text = render(&registry).unwrap();
        for line in [
            "# TYPE t_seconds histogram",
            "t_seconds_bucket{le=\"0.02\"} 2",
            "t_seconds_bucket{le=\"0.05\"} 4",
            "t_seconds_bucket{le=\"+Inf\"} 5",
            "t_seconds_count 5",
            "t_seconds_sum 0.143",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(histogram.above(0.02), Share { above: 3, all: 5 });
        assert_eq!(histogram.above(0.05), Share { above: 1, all: 5 });
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(Share::default().ratio(), None);
        let share = Share { above: 3, all: 12 };
        assert_eq!(share.ratio(), Some(0.25));
        assert_eq!(
            share.since(Share { above: 1, all: 2 }),
            Share { above: 2, all: 10 }
        );
    }

    #[test]
    fn the_bounds_rise_and_hold_those_that_alerts_look_at() {
        for bounds in [LATENCY_BOUNDS, LONG_BOUNDS, COUNT_BOUNDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
        assert!([0.02, 0.05].iter().all(|bound| LATENCY_BOUNDS.contains(bound)));
    }
}
