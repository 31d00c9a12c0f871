//! Fuzz targets: test results as they come in, and as they are kept.

use super::*;
use crate::fuzz::fuzz_target;
use crate::model::{PromptId, TestResult, Version};
use crate::storage::evidence::{parse, render};

/// Whatever was taken can be kept, and is the same when it is read back.
fn check_kept(read: Result<Vec<TargetedResult>, LineProblems>) {
    let targeted = match read {
        Ok(targeted) => targeted,
        Err(problems) => {
            assert!(!problems.is_empty() && !problems.to_string().is_empty());
            return;
        }
    };
    let (id, version) = (PromptId::new("p").unwrap(), Version::FIRST);
    for one in &targeted {
        assert!(one.line > 0);
        let kept = std::slice::from_ref(&one.result);
        let bytes = render(&id, &version, kept);
        assert_eq!(parse(&bytes, &id, &version).as_deref(), Ok(kept));
        let sent = ReportedResult::of(one);
        assert_eq!(
            sent.measured().as_ref(),
            Ok(&one.result),
            "sending on changes nothing"
        );
    }
    let results: Vec<TestResult> = targeted.into_iter().map(|one| one.result).collect();
    let figures = Figures::of(&results).unwrap();
    assert!((0.0..=1.0).contains(&figures.success_rate) && figures.p95_execution_time.is_finite());
}

fuzz_target!(
    json_lines_are_results_or_refused,
    "evidence-lines",
    |bytes: &[u8]| {
        check_kept(lines::read(bytes, Some("p"), Some("1.0.0")));
    }
);

fuzz_target!(
    a_table_is_results_or_refused,
    "evidence-table",
    |bytes: &[u8]| {
        check_kept(table::read(bytes, Some("p"), Some("1.0.0")));
    }
);

fuzz_target!(
    kept_results_are_read_or_said_to_be_damaged,
    "evidence-file",
    |bytes: &[u8]| {
        let (id, version) = (PromptId::new("p").unwrap(), Version::FIRST);
        if let Ok(results) = parse(bytes, &id, &version) {
            let again = render(&id, &version, &results);
            assert_eq!(parse(&again, &id, &version), Ok(results));
        }
    }
);
