//! `verify`: reads everything and reports what is not as it should be.

use std::path::Path;

use serde_json::Value;

use super::{Context, JobFailure, to_value};
use crate::storage::{Problem, VerifyReport};

/// How many problems a result lists; one more then tells how many were left out.
const MAX_REPORTED_PROBLEMS: usize = 10_000;

/// Verifies the whole store.
///
/// # Errors
/// What the storage says. Problems in the store are no errors: they are the result.
pub(super) async fn run(context: &Context) -> Result<Value, JobFailure> {
    let report = context.manager.storage().verify(&context.progress).await;
    let report = report.map_err(JobFailure::without_result)?;
    to_value(&cut_to(report, MAX_REPORTED_PROBLEMS))
}

fn cut_to(mut report: VerifyReport, limit: usize) -> VerifyReport {
    let left_out = report.problems.len().saturating_sub(limit);
    if left_out > 0 {
        report.problems.truncate(limit);
        let message = format!("{left_out} more problems are not listed: mend these and verify again");
        report
            .problems
            .push(Problem::new(Path::new(""), "not-listed", message));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(problems: usize, limit: usize, listed: usize, last: &str) {
        let problem = Problem::new(Path::new("a"), "edited", "changed by hand");
        let report = VerifyReport {
            problems: vec![problem; problems],
            ..VerifyReport::default()
        };
        let cut = cut_to(report, limit);
        assert_eq!(cut.problems.len(), listed);
        assert_eq!(cut.problems.last().unwrap().kind, last);
    }

    #[test]
    fn a_long_list_of_problems_is_cut_and_says_so() {
        check(3, 3, 3, "edited");
        check(5, 3, 4, "not-listed");
    }
}
