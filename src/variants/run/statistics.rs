//! A run in numbers.

use serde::Serialize;

use super::journal::{Entry, Journal};
use crate::model::TestStatus;
use crate::variants::Case;

/// A run in numbers, over the last result of each case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Statistics {
    /// How many cases there are.
    pub total: u64,
    /// How many have a result.
    pub completed: u64,
    /// How many succeeded.
    pub succeeded: u64,
    /// How many ran and were not good.
    pub failed: u64,
    /// How many took too long.
    pub timeout: u64,
    /// How many could not be run.
    pub error: u64,
    /// How many have no result.
    pub not_run: u64,
    /// Succeeded of completed, 0 to 1; 0 when none is completed.
    pub success_rate: f64,
    /// In seconds, the last attempts alone.
    pub total_execution_time: f64,
    /// Of the completed ones, in seconds.
    pub average_execution_time: f64,
    /// How many tokens were used.
    pub total_tokens: u64,
    /// What it cost.
    pub total_cost: f64,
    /// How many attempts were further ones.
    pub retries: u64,
}

impl Statistics {
    /// Counts.
    #[must_use]
    pub fn of<'c>(cases: impl IntoIterator<Item = &'c Case>, journal: &Journal) -> Self {
        let mut statistics = Self::default();
        for case in cases {
            statistics.add(journal.of(&case.case_id));
        }
        statistics.settle();
        statistics
    }

    fn add(&mut self, entry: Option<Entry>) {
        self.total += 1;
        let Some(entry) = entry else {
            self.not_run += 1;
            return;
        };
        self.completed += 1;
        let count = match entry.status {
            TestStatus::Success => &mut self.succeeded,
            TestStatus::Failed => &mut self.failed,
            TestStatus::Timeout => &mut self.timeout,
            TestStatus::Error => &mut self.error,
        };
        *count += 1;
        self.total_execution_time += entry.execution_time;
        self.total_tokens = self.total_tokens.saturating_add(entry.tokens_used);
        self.total_cost += entry.cost;
        self.retries += u64::from(entry.attempts.saturating_sub(1));
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 100,000 cases")]
    fn settle(&mut self) {
        if self.completed > 0 {
            self.success_rate = self.succeeded as f64 / self.completed as f64;
            self.average_execution_time = self.total_execution_time / self.completed as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_without_a_result_count_for_nothing_but_themselves() {
        let entry = |status, attempts| {
            Some(Entry {
                status,
                execution_time: 2.0,
                tokens_used: 10,
                cost: 0.5,
                attempts,
            })
        };
        let mut statistics = Statistics::default();
        for one in [
            entry(TestStatus::Success, 1),
            entry(TestStatus::Failed, 3),
            entry(TestStatus::Timeout, 1),
            entry(TestStatus::Error, 2),
            None,
        ] {
            statistics.add(one);
        }
        statistics.settle();
        assert_eq!(
            statistics,
            Statistics {
                total: 5,
                completed: 4,
                succeeded: 1,
                failed: 1,
                timeout: 1,
                error: 1,
                not_run: 1,
                success_rate: 0.25,
                total_execution_time: 8.0,
                average_execution_time: 2.0,
                total_tokens: 40,
                total_cost: 2.0,
                retries: 3,
            }
        );
        let mut none = Statistics::default();
        none.settle();
        assert_eq!(none, Statistics::default());
    }
}
