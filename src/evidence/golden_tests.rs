//! The figures against the test reports of the Python system, where its golden file lies beside the repository.
//!
//! Two things are better here, and so differ: every test counts in every figure (there is one denominator, so a run with
//! cancelled tasks can be reported, each of them an error); and percentiles are linear between ranks, where the report takes
//! the value at `int(n * p)` of those above zero, which is the maximum of up to twenty steps.

use std::path::Path;

use serde_json::Value;

use super::figures::percentile;
use super::*;
use crate::model::test_result::tests::result;
use crate::model::{TestResult, TestStatus};

fn cases() -> Option<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/golden/test_report.json");
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            eprintln!("skipped: {} is not there", file.display());
            None
        }
    }
}

/// The tasks of a case as results; what a task used is what the totals say that each success used.
fn results(case: &Value) -> Vec<TestResult> {
    let tasks = case["tasks"].as_array().unwrap();
    let to_result = |(place, task): (usize, &Value)| {
        let status = match task["status"].as_str().unwrap() {
            "SUCCEEDED" => TestStatus::Success,
            "FAILED" => TestStatus::Failed,
            "TIMEOUT" => TestStatus::Timeout,
            _ => TestStatus::Error,
        };
        let mut measured = result(&place.to_string(), status, task["seconds"].as_f64().unwrap());
        if status != TestStatus::Success {
            (measured.tokens_used, measured.cost) = (0, 0.0);
        }
        measured
    };
    tasks.iter().enumerate().map(to_result).collect()
}

#[test]
fn the_figures_are_those_of_the_reports() {
    for case in cases().unwrap_or_default() {
        let results = results(&case);
        let figures = Figures::of(&results).unwrap();
        let statistics = &case["statistics"];
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(figures.count as f64, number(&statistics["total_tasks"]));
        assert_eq!(
            figures.statuses.success as f64,
            number(&statistics["succeeded_tasks"])
        );
        assert_eq!(figures.total_tokens as f64, number(&statistics["total_tokens"]));
        assert_eq!(figures.total_cost, number(&statistics["total_cost"]));
        let cancelled = number(&statistics["cancelled_tasks"]);
        let errors = figures.statuses.error as f64;
        assert_eq!(errors, number(&statistics["error_tasks"]) + cancelled);
        let one_denominator = figures.statuses.success as f64 / figures.count as f64;
        assert_eq!(figures.success_rate, one_denominator);
        let report = &case["report"];
        if cancelled > 0.0 || report.is_null() {
            // Their report of such a run cannot be made, or counts none of it.
            assert!(report.is_null() || report["success_rate"] == 0.0);
            continue;
        }
        for (found, key) in [
            (figures.success_rate, "success_rate"),
            (figures.avg_execution_time * 1000.0, "avg_response_time_ms"),
            (figures.avg_tokens_per_request, "avg_tokens_per_request"),
            (figures.cost_per_request, "cost_per_request"),
        ] {
            assert_eq!(found, number(&report[key]), "{key}");
        }
        let distribution = &report["error_distribution"];
        assert_eq!(
            figures.statuses.timeout as f64,
            number(&distribution["timeout_errors"])
        );
        assert_eq!(errors, number(&distribution["api_errors"]));
        let mut positive: Vec<f64> = results
            .iter()
            .map(|r| r.execution_time)
            .filter(|t| *t > 0.0)
            .collect();
        positive.sort_unstable_by(f64::total_cmp);
        for (percent, ours, key) in [
            (95.0, figures.p95_execution_time, "p95_response_time_ms"),
            (99.0, figures.p99_execution_time, "p99_response_time_ms"),
        ] {
            let theirs = number(&report[key]);
            let place = (positive.len() as f64 * percent / 100.0) as usize;
            assert_eq!(positive[place] * 1000.0, theirs, "{key}");
            assert!(ours * 1000.0 <= theirs, "{key}: {ours}");
            assert!(percentile(&positive, percent) * 1000.0 <= theirs, "{key}");
        }
    }
}
