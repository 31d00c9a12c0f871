//! What the results of one version add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{TestResult, TestStatus};
use crate::optimizer::TestFigures;

/// The most classes of errors that are listed.
const MAX_ERROR_CLASSES: usize = 20;
/// The longest name of a class of errors, in characters.
const MAX_CLASS_CHARS: usize = 100;
/// Characters that a token stands for, in the measure of efficiency.
const CHARS_PER_TOKEN: f64 = 4.0;

/// The figures of at least one result. Every result counts in every figure, whatever its status: there is one denominator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Figures {
    /// How many results there are.
    #[schema(minimum = 1)]
    pub count: u64,
    /// Successes of all, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub success_rate: f64,
    /// How many ended how.
    pub statuses: StatusCounts,
    /// The error messages of those that did not succeed, by what they have in common, the most frequent first; at most 20.
    pub errors: Vec<ErrorClass>,
    /// Seconds of an execution on average.
    pub avg_execution_time: f64,
    /// Seconds within which half of the executions ended.
    pub p50_execution_time: f64,
    /// Seconds within which 95 of 100 ended.
    pub p95_execution_time: f64,
    /// Seconds within which 99 of 100 ended.
    pub p99_execution_time: f64,
    /// Tokens of all.
    pub total_tokens: u64,
    /// Tokens of an execution on average.
    pub avg_tokens_per_request: f64,
    /// US dollars for all.
    pub total_cost: f64,
    /// US dollars for an execution on average.
    pub cost_per_request: f64,
    /// How many have which grade.
    pub grades: GradeCounts,
}

/// How many results ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusCounts {
    /// Well.
    pub success: u64,
    /// Not well.
    pub failed: u64,
    /// Not in time.
    pub timeout: u64,
    /// Not at all.
    pub error: u64,
}

/// Error messages that differ in numbers alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorClass {
    /// The message, with `#` for each number.
    pub message: String,
    /// How many results have it.
    pub count: u64,
}

/// How many results have which grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GradeCounts {
    /// Below 2 seconds, and efficiency of at least 0.8.
    pub excellent: u64,
    /// Below 5 seconds, and at least 0.6.
    pub good: u64,
    /// Below 10 seconds, and at least 0.4.
    pub fair: u64,
    /// Anything else.
    pub poor: u64,
}

/// How good one execution was in time and use of tokens; whether it succeeded is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Below 2 seconds, and efficiency of at least 0.8.
    Excellent,
    /// Below 5 seconds, and at least 0.6.
    Good,
    /// Below 10 seconds, and at least 0.4.
    Fair,
    /// Anything else.
    Poor,
}

impl Figures {
    /// Adds results up; `None` when there is none.
    #[must_use]
    pub fn of(results: &[TestResult]) -> Option<Self> {
        if results.is_empty() {
            return None;
        }
        let (mut statuses, mut grades) = (StatusCounts::default(), GradeCounts::default());
        for result in results {
            statuses.count(result.status);
            grades.count(grade(result.execution_time, efficiency(result)));
        }
        let mut times: Vec<f64> = results.iter().map(|result| result.execution_time).collect();
        let n = results.len() as f64;
        let total_time: f64 = times.iter().sum();
        times.sort_unstable_by(f64::total_cmp);
        let total_tokens: u64 = results.iter().map(|result| result.tokens_used).sum();
        let total_cost: f64 = results.iter().map(|result| result.cost).sum();
        Some(Self {
            count: results.len() as u64,
            success_rate: statuses.success as f64 / n,
            statuses,
            errors: error_classes(results),
            avg_execution_time: total_time / n,
            p50_execution_time: percentile(&times, 50.0),
            p95_execution_time: percentile(&times, 95.0),
            p99_execution_time: percentile(&times, 99.0),
            total_tokens,
            avg_tokens_per_request: total_tokens as f64 / n,
            total_cost,
            cost_per_request: total_cost / n,
            grades,
        })
    }

    /// Returns what the choice of a strategy asks for.
    #[must_use]
    pub fn for_strategy(&self) -> TestFigures {
        TestFigures {
            total_tests: self.count,
            success_rate: self.success_rate,
            avg_response_time_ms: self.avg_execution_time * 1000.0,
            cost_per_request: self.cost_per_request,
            timeout_errors: self.statuses.timeout,
        }
    }
}

/// Returns the percentile of sorted numbers: linear between the two nearest ranks, and 0 of none.
///
/// ```
/// use promptd::evidence::figures::percentile;
/// assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 50.0), 3.0);
/// assert_eq!(percentile(&[1.0, 2.0], 95.0), 1.95);
/// ```
#[must_use]
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = percent / 100.0 * last as f64;
    let below = rank.floor();
    // Not negative, and at most the number of results.
    let place = (below as usize).min(last);
    let at = |place: usize| sorted.get(place.min(last)).copied().unwrap_or(0.0);
    let (low, high) = (at(place), at(place + 1));
    low + (high - low) * (rank - below)
}

/// Returns how much came out for the tokens: the length of the outputs over four characters a token, at most 1.
#[must_use]
pub fn efficiency(result: &TestResult) -> f64 {
    if result.tokens_used == 0 {
        return 0.0;
    }
    (result.output_chars as f64 / (result.tokens_used as f64 * CHARS_PER_TOKEN)).min(1.0)
}

/// Returns the grade of an execution: the first whose two conditions both hold.
#[must_use]
pub fn grade(seconds: f64, efficiency: f64) -> Grade {
    let within = |time: f64, least: f64| seconds < time && efficiency >= least;
    if within(2.0, 0.8) {
        Grade::Excellent
    } else if within(5.0, 0.6) {
        Grade::Good
    } else if within(10.0, 0.4) {
        Grade::Fair
    } else {
        Grade::Poor
    }
}

impl StatusCounts {
    fn count(&mut self, status: TestStatus) {
        *match status {
            TestStatus::Success => &mut self.success,
            TestStatus::Failed => &mut self.failed,
            TestStatus::Timeout => &mut self.timeout,
            TestStatus::Error => &mut self.error,
        } += 1;
    }
}

impl GradeCounts {
    fn count(&mut self, grade: Grade) {
        *match grade {
            Grade::Excellent => &mut self.excellent,
            Grade::Good => &mut self.good,
            Grade::Fair => &mut self.fair,
            Grade::Poor => &mut self.poor,
        } += 1;
    }
}

fn error_classes(results: &[TestResult]) -> Vec<ErrorClass> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for result in results {
        if let Some(message) = &result.error_message
            && result.status != TestStatus::Success
        {
            *counts.entry(class_of(message)).or_default() += 1;
        }
    }
    let mut classes: Vec<ErrorClass> = counts
        .into_iter()
        .map(|(message, count)| ErrorClass { message, count })
        .collect();
    // Of equally frequent ones the order of the texts stays.
    classes.sort_by_key(|class| std::cmp::Reverse(class.count));
    classes.truncate(MAX_ERROR_CLASSES);
    classes
}

/// Returns what a message has in common with those that differ in numbers: its first line, with `#` for each number.
fn class_of(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let mut class = String::new();
    let mut in_number = false;
    for c in line.chars().take(MAX_CLASS_CHARS) {
        match c.is_ascii_digit() {
            true if in_number => {}
            true => class.push('#'),
            false => class.push(c),
        }
        in_number = c.is_ascii_digit();
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_result::tests::result;
    use TestStatus::{Error, Failed, Success, Timeout};

    fn check_percentiles(sorted: &[f64], expected: [f64; 3]) {
        for (percent, expected) in [50.0, 95.0, 99.0].into_iter().zip(expected) {
            let found = percentile(sorted, percent);
            assert!(
                (found - expected).abs() < 1e-9,
                "p{percent} of {sorted:?}: {found}"
            );
        }
    }

    #[test]
    fn percentiles_are_linear_between_ranks() {
        check_percentiles(&[], [0.0; 3]);
        check_percentiles(&[7.0], [7.0; 3]);
        check_percentiles(&[1.0, 2.0], [1.5, 1.95, 1.99]);
        check_percentiles(&[1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 4.8, 4.96]);
    }

    fn check_grade(seconds: f64, output_chars: u64, tokens: u64, expected: Grade) {
        let mut graded = result("e", Failed, seconds);
        (graded.output_chars, graded.tokens_used) = (output_chars, tokens);
        assert_eq!(
            grade(seconds, efficiency(&graded)),
            expected,
            "{seconds} {output_chars} {tokens}"
        );
    }

    #[test]
    fn a_grade_is_strict_on_time_and_not_on_efficiency() {
        check_grade(1.9, 323, 100, Grade::Excellent);
        check_grade(1.9, 320, 100, Grade::Excellent);
        check_grade(2.0, 9999, 100, Grade::Good);
        check_grade(4.9, 243, 100, Grade::Good);
        check_grade(9.9, 162, 100, Grade::Fair);
        check_grade(10.0, 400, 100, Grade::Poor);
        check_grade(1.0, 159, 100, Grade::Poor);
        check_grade(1.0, 400, 0, Grade::Poor);
    }

    #[test]
    fn every_result_counts_in_every_figure() {
        let mut all = vec![
            result("a", Success, 1.0),
            result("b", Failed, 2.0),
            result("c", Timeout, 30.0),
            result("d", Error, 0.0),
        ];
        all[1].error_message = Some("no answer after 31 s\nat f()".into());
        all[2].error_message = Some("no answer after 7 s".into());
        all[0].error_message = Some("a warning".into());
        let figures = Figures::of(&all).unwrap();
        assert_eq!((figures.count, figures.success_rate), (4, 0.25));
        assert_eq!(figures.avg_execution_time, 8.25);
        assert_eq!(figures.avg_tokens_per_request, 100.0);
        assert_eq!(figures.statuses.timeout, 1);
        let class = ErrorClass {
            message: "no answer after # s".into(),
            count: 2,
        };
        assert_eq!(figures.errors, [class]);
        assert_eq!(Figures::of(&[]), None);
        let for_strategy = figures.for_strategy();
        assert_eq!((for_strategy.total_tests, for_strategy.timeout_errors), (4, 1));
        assert_eq!(for_strategy.avg_response_time_ms, 8250.0);
    }
}
