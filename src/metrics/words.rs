//! Metrics of one name with labels whose values are known beforehand: finding one takes no lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// One metric for each value of a label. All are shown from the start, so that the first event is a change that is seen.
#[derive(Debug)]
pub struct ByWord<M> {
    label: &'static str,
    words: &'static [&'static str],
    metrics: Arc<[M]>,
}

/// One metric for each pair of values of two labels. A pair is shown from its first use on.
pub struct ByTwo<M> {
    labels: [&'static str; 2],
    rows: &'static [&'static str],
    columns: &'static [&'static str],
    metrics: Arc<[OnceLock<M>]>,
    make: fn() -> M,
}

impl<M> ByWord<M> {
    /// Makes them. The last word stands for every value that is none of the others.
    #[must_use]
    pub fn new(label: &'static str, words: &'static [&'static str], make: fn() -> M) -> Self {
        Self {
            label,
            words,
            metrics: words.iter().map(|_| make()).collect(),
        }
    }

    /// Returns the metric of a value.
    #[must_use]
    pub fn of(&self, word: &str) -> Option<&M> {
        self.metrics.get(place(self.words, word))
    }

    /// Returns every metric.
    pub fn all(&self) -> impl Iterator<Item = &M> {
        self.metrics.iter()
    }
}

impl<M> ByTwo<M> {
    /// Makes them. The last word of each list stands for every value that is none of the others.
    #[must_use]
    pub fn new(
        labels: [&'static str; 2],
        rows: &'static [&'static str],
        columns: &'static [&'static str],
        make: fn() -> M,
    ) -> Self {
        Self {
            labels,
            rows,
            columns,
            metrics: (0..rows.len() * columns.len()).map(|_| OnceLock::new()).collect(),
            make,
        }
    }

    /// Returns the metric of a pair.
    #[must_use]
    pub fn of(&self, row: &str, column: &str) -> Option<&M> {
        let place = place(self.rows, row) * self.columns.len() + place(self.columns, column);
        self.metrics
            .get(place)
            .map(|metric| metric.get_or_init(self.make))
    }

    /// Returns every metric that was used, with its values.
    pub fn used(&self) -> impl Iterator<Item = (&'static str, &'static str, &M)> {
        let pairs = self
            .rows
            .iter()
            .flat_map(|row| self.columns.iter().map(move |column| (*row, *column)));
        pairs
            .zip(self.metrics.iter())
            .filter_map(|((row, column), metric)| Some((row, column, metric.get()?)))
    }
}

fn place(words: &[&str], word: &str) -> usize {
    let found = words.iter().position(|known| *known == word);
    found.unwrap_or(words.len().saturating_sub(1))
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for ByWord<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (word, metric) in self.words.iter().zip(self.metrics.iter()) {
            metric.encode(encoder.encode_family(&[(self.label, *word)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for ByTwo<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let [first, second] = self.labels;
        for (row, column, metric) in self.used() {
            metric.encode(encoder.encode_family(&[(first, row), (second, column)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

impl<M> Clone for ByWord<M> {
    fn clone(&self) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            ..*self
        }
    }
}

impl<M> Clone for ByTwo<M> {
    fn clone(&self) -> Self {
        Self {
            metrics: Arc::clone(&self.metrics),
            ..*self
        }
    }
}

impl<M> fmt::Debug for ByTwo<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTwo")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Counter, Registry, render};

    #[test]
    fn a_value_that_nobody_foresaw_counts_as_the_last_one() {
        let counters: ByWord<Counter> = ByWord::new("outcome", &["ok", "other"], Counter::default);
        for word in ["ok", "other", "p", "greet@1.0.0"] {
            counters.of(word).unwrap().inc();
        }
        let pairs: ByTwo<Counter> = ByTwo::new(
            ["op", "outcome"],
            &["put", "other"],
            &["ok", "other"],
            Counter::default,
        );
        pairs.of("put", "x").unwrap().inc();
        let mut registry = Registry::default();
        registry.register("one", "One", counters);
        registry.register("two", "Two", pairs);
        assert_eq!(
            render(&registry).unwrap(),
            "# HELP one_total One.\n# TYPE one_total counter\none_total{outcome=\"ok\"} 1\none_total{outcome=\"other\"} 3\n\
             # HELP two_total Two.\n# TYPE two_total counter\ntwo_total{op=\"put\",outcome=\"other\"} 1\n"
        );
    }
}
