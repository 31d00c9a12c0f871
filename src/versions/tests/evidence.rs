//! Test results of versions: taking them whole or not at all, and what they decide.

use super::*;
use crate::evidence::rules::EvidenceComparison;
use crate::evidence::{Batch, ReportedResult, TargetedResult};
use crate::model::TestStatus;
use crate::model::test_result::tests::result;

const ONE: Version = Version::FIRST;

fn targeted(line: u64, number: &Version, execution: &str, seconds: f64) -> TargetedResult {
    TargetedResult {
        line,
        prompt_id: p(),
        version: number.clone(),
        result: result(execution, TestStatus::Success, seconds),
    }
}

async fn two_versions() -> (VersionManager, Version) {
    let manager = manager();
    let mut last = ONE;
    for text in ["Say hello to {{name}}.", "Greet {{name}} warmly, please."] {
        last = version(&create(&manager, text).await.0);
    }
    (manager, last)
}

/// Adds results of which so many fail.
async fn measure(manager: &VersionManager, number: &Version, count: u64, failed: u64) {
    let results = (0..count).map(|n| {
        let mut one = targeted(n + 1, number, &format!("e{n}"), 1.0);
        one.result.status = if n < failed {
            TestStatus::Failed
        } else {
            TestStatus::Success
        };
        one
    });
    manager.add_evidence("line", results.collect()).await.unwrap();
}

async fn count(manager: &VersionManager, number: &Version) -> usize {
    let exact = VersionSelector::Exact(number.clone());
    manager.evidence(&p(), &exact).await.unwrap().1.len()
}

#[tokio::test]
async fn a_request_is_taken_whole_or_not_at_all_and_says_which_line_is_to_blame() {
    let (manager, two) = two_versions().await;
    let absent = Version::release(9, 9, 9);
    let good = [targeted(1, &ONE, "a", 1.0), targeted(2, &two, "a", 1.0)];
    let refused = |bad: Vec<TargetedResult>| {
        let (manager, all) = (manager.clone(), [good.to_vec(), bad].concat());
        async move { manager.add_evidence("line", all).await.unwrap_err() }
    };
    let error = refused(vec![targeted(3, &absent, "a", 1.0)]).await;
    assert_eq!(error.code(), "not-found");
    assert_eq!(
        error.to_string(),
        "line 3: version 9.9.9 of prompt p does not exist"
    );
    let error = refused(vec![targeted(3, &two, "a", 2.0)]).await;
    assert_eq!(error.code(), "evidence-conflict");
    assert!(
        error
            .to_string()
            .starts_with("line 3: version 1.0.1 of prompt p has another result of execution a")
    );
    assert_eq!((count(&manager, &ONE).await, count(&manager, &two).await), (0, 0));

    let added = manager.add_evidence("line", good.to_vec()).await.unwrap();
    assert_eq!(
        added.iter().map(|one| one.added.added).collect::<Vec<_>>(),
        [1, 1]
    );
    let again = manager.add_evidence("line", good.to_vec()).await.unwrap();
    assert!(
        again
            .iter()
            .all(|one| (one.added.added, one.added.known) == (0, 1))
    );
    let error = refused(vec![targeted(3, &ONE, "a", 2.0)]).await;
    assert!(error.to_string().starts_with("line 3: "), "{error}");
}

#[tokio::test]
async fn the_best_version_is_the_one_that_was_measured_to_be_when_there_is_enough_of_it() {
    let (manager, two) = two_versions().await;
    let best = async || manager.resolve(&p(), &VersionSelector::Best).await.unwrap();
    let by_score = best().await;
    let other = if by_score == ONE { two.clone() } else { ONE };
    measure(&manager, &other, 19, 0).await;
    assert_eq!(best().await, by_score, "too few results say nothing");
    manager
        .add_evidence("line", vec![targeted(1, &other, "e19", 1.0)])
        .await
        .unwrap();
    assert_eq!(best().await, other);
    measure(&manager, &by_score, 30, 30).await;
    assert_eq!(best().await, other);
}

#[tokio::test]
async fn a_comparison_shows_what_was_measured_of_both() {
    let (manager, two) = two_versions().await;
    let compare = async || {
        let [from, to] = [&ONE, &two].map(|number| VersionSelector::Exact(number.clone()));
        manager.compare(&p(), &from, &to).await.unwrap().evidence
    };
    assert_eq!(compare().await, EvidenceComparison::default());
    measure(&manager, &ONE, 20, 0).await;
    measure(&manager, &two, 20, 5).await;
    let compared = compare().await;
    assert_eq!(compared.difference.unwrap().success_rate, -0.25);
    assert!(compared.worse.unwrap().contains("less often"));
}

#[tokio::test]
async fn a_batch_names_its_versions_as_the_wire_does() {
    let (manager, two) = two_versions().await;
    let batch = Batch {
        results: vec![ReportedResult::of(&targeted(7, &two, "a", 1.0))],
        ..Batch::default()
    };
    let read: Batch = serde_json::from_value(serde_json::to_value(&batch).unwrap()).unwrap();
    let results = read.targeted().unwrap();
    assert_eq!(results[0].line, 7);
    manager.add_evidence(read.unit(), results).await.unwrap();
    assert_eq!(count(&manager, &two).await, 1);
}
