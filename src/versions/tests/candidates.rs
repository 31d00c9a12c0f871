//! Candidates and their promotion.

use super::*;
use crate::model::test_result::tests::result;
use crate::model::{OptimizationResult, TestStatus};

fn candidate(text: &str, parent: &str, strategy: &str, gain: f64) -> NewCandidate {
    let result: OptimizationResult = serde_json::from_value(json!({
        "prompt_id": "p", "original_prompt": "one", "optimized_prompt": text, "strategy": strategy,
        "improvement_score": gain, "confidence": 0.9,
    }))
    .unwrap();
    let prompt = json!({"id": "p", "workflow_id": "w", "node_id": "n", "node_type": "llm", "text": text});
    NewCandidate {
        prompt: serde_json::from_value::<Prompt>(prompt).unwrap(),
        parent: version(parent),
        result,
        refusals: Vec::new(),
        job_id: "job_1".to_owned(),
    }
}

async fn keep(manager: &VersionManager, new: NewCandidate) -> (String, bool) {
    let kept = manager.keep_candidate(&p(), new, &ada()).await.unwrap();
    (kept.version.version.to_string(), kept.is_new)
}

async fn promote(
    manager: &VersionManager,
    number: &str,
    force: bool,
) -> Result<(String, bool), VersionError> {
    let made = manager.promote(&p(), &version(number), force, &ada()).await?;
    Ok((made.version.version.to_string(), made.is_new))
}

async fn check_refused(manager: &VersionManager, number: &str, says: &str) {
    let error = promote(manager, number, false).await.unwrap_err();
    assert_eq!(error.code(), "not-promotable");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_candidate_is_numbered_by_its_gain_and_is_never_the_latest() {
    let manager = manager();
    create(&manager, "one").await;
    for (text, gain, number) in [
        ("a", 20.0, "2.0.0-opt.1"),
        ("b", 16.0, "2.0.0-opt.2"),
        ("c", 6.0, "1.1.0-opt.1"),
        ("d", -3.0, "1.0.1-opt.1"),
    ] {
        assert_eq!(
            keep(&manager, candidate(text, "1.0.0", "auto", gain)).await,
            (number.into(), true)
        );
    }
    assert_eq!(text_at(&manager, "latest").await, "one");
    // Deleted numbers are not given out again.
    manager
        .delete(&p(), &version("2.0.0-opt.2"), false, &ada())
        .await
        .unwrap();
    assert_eq!(
        keep(&manager, candidate("e", "1.0.0", "auto", 15.0)).await.0,
        "2.0.0-opt.3"
    );
}

#[tokio::test]
async fn the_same_candidate_is_kept_once() {
    let manager = manager();
    create(&manager, "one").await;
    let first = candidate("a", "1.0.0", "auto", 6.0);
    keep(&manager, first.clone()).await;
    let mut again = first.clone();
    again.job_id = "job_2".to_owned();
    assert_eq!(keep(&manager, again).await, ("1.1.0-opt.1".into(), false));
    let mut refused = first;
    refused.refusals.push("too small".to_owned());
    for other in [
        refused,
        candidate("a", "1.0.0", "conservative", 6.0),
        candidate("b", "1.0.0", "auto", 6.0),
    ] {
        assert!(keep(&manager, other).await.1);
    }
    create(&manager, "two").await;
    assert!(keep(&manager, candidate("a", "1.0.1", "auto", 6.0)).await.1);
}

#[tokio::test]
async fn a_promoted_candidate_is_a_release_that_says_where_it_came_from() {
    let manager = manager();
    create(&manager, "one").await;
    keep(&manager, candidate("better", "1.0.0", "auto", 6.0)).await;
    assert_eq!(
        promote(&manager, "1.1.0-opt.1", false).await.unwrap(),
        ("1.1.0".into(), true)
    );
    let release = manager
        .get(&p(), &selector("latest"))
        .await
        .unwrap()
        .document()
        .unwrap();
    assert_eq!(
        (release.prompt.text.as_str(), release.prompt.workflow_id.as_str()),
        ("better", "w")
    );
    assert_eq!(release.parent_version, Some(version("1.0.0")));
    assert_eq!(release.optimization_result.unwrap().improvement_score, 6.0);
    assert_eq!(release.metadata["promoted_from"], "1.1.0-opt.1");
    assert!(
        !release.metadata.contains_key("candidate"),
        "a release is no candidate"
    );
    // Again, also when other versions have followed.
    for force in [false, true] {
        assert_eq!(
            promote(&manager, "1.1.0-opt.1", force).await.unwrap(),
            ("1.1.0".into(), false)
        );
        create(&manager, "by hand").await;
    }
}

#[tokio::test]
async fn two_promotions_at_once_make_one_release() {
    let manager = manager();
    create(&manager, "one").await;
    keep(&manager, candidate("better", "1.0.0", "auto", 6.0)).await;
    let (a, b) = tokio::join!(
        promote(&manager, "1.1.0-opt.1", false),
        promote(&manager, "1.1.0-opt.1", false)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.0.as_str(), b.0.as_str(), a.1 != b.1), ("1.1.0", "1.1.0", true));
}

#[tokio::test]
async fn what_is_no_candidate_or_refused_or_out_of_date_is_not_promoted_unless_forced() {
    let manager = manager();
    create(&manager, "one").await;
    check_refused(&manager, "1.0.0", "it is no candidate").await;
    let mut refused = candidate("worse", "1.0.0", "auto", 6.0);
    refused.refusals.push("a reference is gone".to_owned());
    keep(&manager, refused).await;
    check_refused(&manager, "1.1.0-opt.1", "it was refused: a reference is gone").await;
    keep(&manager, candidate("better", "1.0.0", "auto", 6.0)).await;
    create(&manager, "by hand").await;
    check_refused(
        &manager,
        "1.1.0-opt.2",
        "made from 1.0.0, and the latest version is 1.0.1",
    )
    .await;
    assert_eq!(text_at(&manager, "latest").await, "by hand");
    assert_eq!(
        promote(&manager, "1.1.0-opt.2", true).await.unwrap(),
        ("1.1.0".into(), true)
    );
    assert_eq!(
        promote(&manager, "1.1.0-opt.1", true).await.unwrap(),
        ("1.2.0".into(), true)
    );
    assert_eq!(
        promote(&manager, "9.0.0-opt.1", true).await.unwrap_err().code(),
        "not-found"
    );
}

#[tokio::test]
async fn a_refused_candidate_is_not_the_best_version_however_it_scores() {
    let manager = manager();
    create(
        &manager,
        "Maybe do some of it, please, if you could possibly try to, etc.",
    )
    .await;
    let mut refused = candidate("Summarise {{text}} in three bullets.", "1.0.0", "auto", 6.0);
    let accepted = refused.clone();
    refused.refusals.push("a reference is gone".to_owned());
    keep(&manager, refused).await;
    let best = async || {
        manager
            .resolve(&p(), &selector("best"))
            .await
            .unwrap()
            .to_string()
    };
    assert_eq!(best().await, "1.0.0");
    keep(&manager, accepted).await;
    assert_eq!(best().await, "1.1.0-opt.2");
}

#[tokio::test]
async fn the_base_of_a_text_is_the_latest_version_or_what_a_promotion_replaced() {
    let manager = manager();
    let base = async |text: &str| {
        let found = manager.base_of(&p(), text).await.unwrap();
        found.map(|version| version.version.to_string())
    };
    assert_eq!(base("one").await, None);
    create(&manager, "one").await;
    assert_eq!(base("one").await, Some("1.0.0".into()));
    keep(&manager, candidate("better", "1.0.0", "auto", 6.0)).await;
    assert_eq!(base("better").await, None, "a candidate is no base");
    promote(&manager, "1.1.0-opt.1", false).await.unwrap();
    assert_eq!(base("one").await, Some("1.0.0".into()), "it waits to be replaced");
    assert_eq!(base("better").await, Some("1.1.0".into()));
    create(&manager, "by hand").await;
    assert_eq!(
        base("better").await,
        None,
        "what a person replaced is not waiting"
    );
}

#[tokio::test]
async fn a_candidate_that_was_measured_to_be_worse_than_its_parent_steps_back() {
    let manager = manager();
    create(&manager, "one").await;
    keep(&manager, candidate("two", "1.0.0", "auto", 6.0)).await;
    let measure = async |number: &str, count: u64, failed: u64| {
        let result = |n: u64| {
            let status = if n < failed {
                TestStatus::Failed
            } else {
                TestStatus::Success
            };
            result(&n.to_string(), status, 1.0)
        };
        let results: Vec<_> = (0..count).map(result).collect();
        let added = manager
            .storage()
            .add_evidence(&p(), &version(number), &results)
            .await;
        added.unwrap();
    };
    measure("1.0.0", 20, 1).await;
    measure("1.1.0-opt.1", 20, 4).await;
    check_refused(
        &manager,
        "1.1.0-opt.1",
        "it succeeds less often: 80.0 % against 95.0 %",
    )
    .await;
    assert_eq!(text_at(&manager, "latest").await, "one");
    let forced = promote(&manager, "1.1.0-opt.1", true).await.unwrap();
    assert_eq!(forced, ("1.1.0".into(), true));
}
