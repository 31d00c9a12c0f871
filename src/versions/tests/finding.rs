//! References, histories, comparisons, the best version.

use super::fickle::fickle;
use super::*;
use crate::storage::VersionStorage;

/// 1.0.0, 1.0.1, 1.1.0 and the candidate 2.0.0-rc.1, with a label on 1.0.0.
async fn filled(manager: &VersionManager) {
    create(manager, "one").await;
    create(manager, "Summarize the text in three sentences.").await;
    let mut new = NewVersion::of_text("maybe do some stuff");
    new.bump = Some(Bump::Minor);
    manager.create(&p(), new, &ada()).await.unwrap();
    let candidate = json!({
        "prompt_id": "p", "version": "2.0.0-rc.1",
        "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": "candidate"},
        "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
    });
    manager
        .save(&p(), &version("2.0.0-rc.1"), &candidate)
        .await
        .unwrap();
    let label = Label::new("production").unwrap();
    manager
        .set_label(&p(), label, &selector("1.0.0"), None, &ada())
        .await
        .unwrap();
}

async fn check(manager: &VersionManager, reference: &str, expected: &str) {
    assert_eq!(text_at(manager, reference).await, expected, "{reference}");
}

#[tokio::test]
async fn every_kind_of_reference_is_resolved() {
    let manager = manager();
    filled(&manager).await;
    check(&manager, "latest", "maybe do some stuff").await;
    check(&manager, "1.0.0", "one").await;
    check(&manager, "production", "one").await;
    check(&manager, "~1.0", "Summarize the text in three sentences.").await;
    check(&manager, "best", "Summarize the text in three sentences.").await;
    check(&manager, "2.0.0-rc.1", "candidate").await;
    for nothing in ["9.9.9", "^7", "staging"] {
        check(&manager, nothing, "not-found").await;
    }
    let nobody = PromptId::new("nobody").unwrap();
    for reference in ["latest", "best", "1.0.0"] {
        let error = manager.get(&nobody, &selector(reference)).await.unwrap_err();
        assert_eq!(error.code(), "not-found");
    }
    let resolved = async |reference: &str| manager.resolve(&p(), &selector(reference)).await;
    assert_eq!(resolved("1.0.1").await.unwrap(), version("1.0.1"));
    assert_eq!(resolved("^1").await.unwrap(), version("1.1.0"));
    assert_eq!(resolved("3.0.0").await.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn a_computed_reference_steps_over_damage_and_a_plain_one_does_not() {
    let storage = fickle();
    let manager = VersionManager::new(Arc::clone(&storage) as Arc<dyn VersionStorage>);
    filled(&manager).await;
    let corrupt = || StorageError::Corrupt {
        path: "p/1.1.0.json".into(),
        reason: "torn".into(),
    };
    storage.damage("1.1.0", corrupt);
    check(&manager, "latest", "Summarize the text in three sentences.").await;
    check(&manager, "^1", "Summarize the text in three sentences.").await;
    check(&manager, "1.1.0", "corrupt-version").await;
    check(&manager, "best", "Summarize the text in three sentences.").await;
    storage.damage("1.0.1", corrupt);
    check(&manager, "latest", "one").await;
    check(&manager, "best", "one").await;
    let page = manager.history(&p(), None, Order::Asc, 10).await.unwrap();
    assert_eq!(page.versions.len(), 2, "damaged versions are left out");
    for number in ["1.0.0", "2.0.0-rc.1"] {
        storage.damage(number, corrupt);
    }
    for reference in ["latest", "production"] {
        check(&manager, reference, "corrupt-version").await;
    }
    check(&manager, "best", "not-found").await;
}

#[tokio::test]
async fn what_is_no_damage_is_not_stepped_over() {
    let storage = fickle();
    let manager = VersionManager::new(Arc::clone(&storage) as Arc<dyn VersionStorage>);
    filled(&manager).await;
    storage.damage("1.1.0", || StorageError::Unavailable("the disk".into()));
    check(&manager, "latest", "unavailable").await;
    check(&manager, "best", "unavailable").await;
    let error = manager.history(&p(), None, Order::Desc, 10).await.unwrap_err();
    assert_eq!(error.code(), "unavailable");
    // An edited version is refused where it is asked for, and takes no part in a choice among all.
    storage.damage("1.1.0", || StorageError::Edited { path: "x".into() });
    check(&manager, "latest", "edited-version").await;
    check(&manager, "best", "Summarize the text in three sentences.").await;
}

#[tokio::test]
async fn a_prompt_of_which_nothing_can_be_known_is_not_said_to_be_absent() {
    let storage = fickle();
    let manager = VersionManager::new(Arc::clone(&storage) as Arc<dyn VersionStorage>);
    assert_eq!(manager.prompt(&p()).unwrap_err().code(), "not-found");
    storage.hide_everything();
    assert_eq!(manager.prompt(&p()).unwrap_err().code(), "unavailable");
}

#[tokio::test]
async fn the_best_of_many_versions_is_found_and_of_equals_the_first() {
    let manager = manager();
    for n in 0..150 {
        let text = if n == 70 || n == 130 {
            format!("Summarize the text in {n} sentences.")
        } else {
            format!("x{n}")
        };
        create(&manager, &text).await;
    }
    check(&manager, "best", "Summarize the text in 70 sentences.").await;
}

#[tokio::test]
async fn a_history_is_read_page_by_page() {
    let manager = manager();
    filled(&manager).await;
    let numbers = |page: &HistoryPage| -> Vec<String> {
        page.versions
            .iter()
            .map(|stored| stored.version.to_string())
            .collect()
    };
    let first = manager.history(&p(), None, Order::Asc, 3).await.unwrap();
    assert_eq!(numbers(&first), ["1.0.0", "1.0.1", "1.1.0"]);
    let rest = manager
        .history(&p(), first.next.as_ref(), Order::Asc, 3)
        .await
        .unwrap();
    assert_eq!((numbers(&rest), rest.next), (vec!["2.0.0-rc.1".to_owned()], None));
    let newest = manager.history(&p(), None, Order::Desc, 1).await.unwrap();
    assert_eq!(numbers(&newest), ["2.0.0-rc.1"]);
    let nobody = PromptId::new("nobody").unwrap();
    let error = manager.history(&nobody, None, Order::Asc, 3).await.unwrap_err();
    assert_eq!(error.code(), "not-found");
}

#[tokio::test]
async fn two_versions_are_compared() {
    let manager = manager();
    filled(&manager).await;
    let compared = manager
        .compare(&p(), &selector("1.0.0"), &selector("latest"))
        .await
        .unwrap();
    let shown = serde_json::to_value(&compared).unwrap().to_string();
    assert!(shown.contains("1.0.0") && shown.contains("1.1.0"), "{shown}");
    let error = manager
        .compare(&p(), &selector("1.0.0"), &selector("9.9.9"))
        .await;
    assert_eq!(error.unwrap_err().code(), "not-found");
}

#[tokio::test]
async fn prompts_are_listed_and_a_prompt_without_versions_is_none() {
    let manager = manager();
    create(&manager, "one").await;
    let page = crate::storage::PromptPage {
        prefix: String::new(),
        label: None,
        after: None,
        limit: 10,
    };
    assert_eq!(manager.prompts(&page).len(), 1);
    manager.delete_all(&p(), false, &ada()).await.unwrap();
    assert!(manager.prompts(&page).is_empty());
    assert_eq!(manager.prompt(&p()).unwrap_err().code(), "not-found");
    assert_eq!(manager.storage().totals(), (0, 0));
}
