//! Next, exact, imported and rolled back.

use super::fickle::fickle;
use super::*;
use crate::model::{OptimizationResult, PromptVersion};

async fn document_at(manager: &VersionManager, reference: &str) -> PromptVersion {
    let stored = manager.get(&p(), &selector(reference)).await.unwrap();
    stored.document().unwrap()
}

#[tokio::test]
async fn the_first_version_is_complete() {
    let manager = manager();
    let mut new = NewVersion::of_text("Greet {{name}} and {{guest}}.");
    new.metadata.insert("team".into(), json!("x"));
    let made = manager.create(&p(), new, &ada()).await.unwrap();
    assert!(made.is_new);
    let document = document_at(&manager, "latest").await;
    assert_eq!(
        (document.version.to_string(), document.parent_version),
        ("1.0.0".into(), None)
    );
    assert_eq!(document.prompt.variables, ["name", "guest"]);
    assert_eq!(
        (document.prompt.role.as_str(), document.prompt.id.as_str()),
        ("system", "p")
    );
    assert!(document.analysis.overall_score > 0.0);
    assert_eq!(document.metadata["author"], "ada");
    assert_eq!(document.metadata["author_uid"], 7);
    assert_eq!(document.metadata["team"], "x");
}

#[tokio::test]
async fn the_same_content_again_makes_no_version() {
    let manager = manager();
    assert_eq!(create(&manager, "one").await, ("1.0.0".into(), true));
    assert_eq!(create(&manager, "one").await, ("1.0.0".into(), false));
    assert_eq!(create(&manager, "two").await, ("1.0.1".into(), true));
    // Compared with the latest alone.
    assert_eq!(create(&manager, "one").await, ("1.0.2".into(), true));
    let mut tagged = NewVersion::of_text("one");
    tagged.metadata.insert("team".into(), json!("x"));
    let made = manager.create(&p(), tagged.clone(), &ada()).await.unwrap();
    assert!(made.is_new, "other metadata is other content");
    let other_author = Author {
        name: "bob".into(),
        uid: None,
    };
    let again = manager.create(&p(), tagged, &other_author).await.unwrap();
    assert!(!again.is_new, "the author is no content");
}

#[tokio::test]
async fn the_bump_is_what_is_asked_for_or_what_the_gain_is_worth() {
    let manager = manager();
    create(&manager, "0").await;
    let result = |gain: f64| -> OptimizationResult {
        serde_json::from_value(json!({
            "prompt_id": "p", "original_prompt": "a", "optimized_prompt": "b", "strategy": "auto",
            "improvement_score": gain, "confidence": 0.9,
        }))
        .unwrap()
    };
    for (bump, gain, expected) in [
        (Some(Bump::Minor), None, "1.1.0"),
        (None, Some(3.0), "1.1.1"),
        (None, Some(7.0), "1.2.0"),
        (None, Some(20.0), "2.0.0"),
        (Some(Bump::Patch), Some(20.0), "2.0.1"),
        (Some(Bump::Major), None, "3.0.0"),
    ] {
        let mut new = NewVersion::of_text(expected);
        new.bump = bump;
        new.optimization_result = gain.map(result);
        let made = manager.create(&p(), new, &ada()).await.unwrap();
        assert_eq!(made.version.version.to_string(), expected);
    }
    let mut broken = NewVersion::of_text("x");
    broken.optimization_result = Some(OptimizationResult {
        improvement_score: f64::NAN,
        ..result(1.0)
    });
    let error = manager.create(&p(), broken, &ada()).await.unwrap_err();
    assert_eq!(error.code(), "invalid-document", "NaN cannot be read back");
}

#[tokio::test]
async fn a_parent_is_the_latest_unless_said_otherwise_and_must_exist() {
    let manager = manager();
    create(&manager, "one").await;
    create(&manager, "two").await;
    assert_eq!(
        document_at(&manager, "1.0.1").await.parent_version,
        Some(version("1.0.0"))
    );
    let child_of = |parent: &str| NewVersion {
        parent_version: Some(version(parent)),
        ..NewVersion::of_text(format!("child of {parent}"))
    };
    manager.create(&p(), child_of("1.0.0"), &ada()).await.unwrap();
    assert_eq!(
        document_at(&manager, "1.0.2").await.parent_version,
        Some(version("1.0.0"))
    );
    let error = manager.create(&p(), child_of("9.0.0"), &ada()).await.unwrap_err();
    assert_eq!(error.code(), "not-found");
    manager
        .delete(&p(), &version("1.0.1"), false, &ada())
        .await
        .unwrap();
    let made = manager.create(&p(), child_of("1.0.1"), &ada()).await;
    assert!(made.is_ok(), "what lies in the trash has existed");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_and_nothing_is_stored() {
    let manager = manager();
    let mut reserved = NewVersion::of_text("x");
    reserved.metadata.insert("author".into(), json!("mallory"));
    let mut blank = NewVersion::of_text("x");
    blank.prompt.variables = Some(vec![" ".into()]);
    for (new, message) in [
        (NewVersion::of_text(" \n"), "prompt.text is empty"),
        (NewVersion::of_text("é".repeat(100_001)), "the limit is 100000"),
        (reserved, "metadata.author is set by the daemon"),
        (blank, "prompt.variables[0] is blank"),
    ] {
        let error = manager.create(&p(), new, &ada()).await.unwrap_err();
        assert_eq!(error.code(), "invalid-document");
        assert!(error.to_string().contains(message), "{error}");
    }
    assert!(manager.prompt(&p()).is_err());
    let mut large = NewVersion::of_text("x");
    large
        .prompt
        .context
        .insert("big".into(), json!("y".repeat(MAX_FILE_BYTES as usize)));
    let error = manager.create(&p(), large, &ada()).await.unwrap_err();
    assert_eq!(error.code(), "payload-too-large");
}

#[tokio::test]
async fn a_long_text_is_analysed_as_a_short_one_is() {
    let manager = manager();
    create(&manager, &"Summarize the text. ".repeat(1000)).await;
    let document = document_at(&manager, "latest").await;
    assert_eq!(document.analysis.metadata["character_count"], 20_000);
}

#[tokio::test]
async fn an_import_makes_a_version_of_another_text_alone() {
    let manager = manager();
    let prompt = |text: &str, node: &str| -> Prompt {
        let value =
            json!({"id": "p", "workflow_id": "wf", "node_id": node, "node_type": "llm", "text": text});
        serde_json::from_value(value).unwrap()
    };
    let source = json!({"file": "a.yml"});
    for (text, node, number, is_new) in [
        ("one", "1", "1.0.0", true),
        ("one", "2", "1.0.0", false),
        ("two", "2", "1.0.1", true),
    ] {
        let made = manager
            .import(&p(), prompt(text, node), source.clone(), &ada())
            .await
            .unwrap();
        assert_eq!(
            (made.version.version.to_string().as_str(), made.is_new),
            (number, is_new)
        );
    }
    assert_eq!(document_at(&manager, "latest").await.metadata["import"], source);
    let refused = manager
        .import(&p(), prompt(" ", "1"), source, &ada())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "invalid-document");
}

#[tokio::test]
async fn a_rollback_is_a_new_version_that_says_where_it_came_from() {
    let manager = manager();
    let mut first = NewVersion::of_text("one");
    first.metadata.insert("team".into(), json!("x"));
    manager.create(&p(), first, &ada()).await.unwrap();
    create(&manager, "two").await;
    let made = manager.rollback(&p(), &selector("1.0.0"), &ada()).await.unwrap();
    assert!(made.is_new);
    let document = document_at(&manager, "latest").await;
    assert_eq!(
        (document.version.to_string(), document.prompt.text.as_str()),
        ("1.0.2".into(), "one")
    );
    assert_eq!(document.parent_version, Some(version("1.0.1")));
    assert_eq!(document.metadata["rollback_from"], "1.0.1");
    assert_eq!(document.metadata["rollback_to"], "1.0.0");
    assert_eq!(document.metadata["team"], "x");
    // To where one is already: still a version, since somebody wanted it.
    let again = manager.rollback(&p(), &selector("latest"), &ada()).await.unwrap();
    assert_eq!(again.version.version, version("1.0.3"));
    let error = manager
        .rollback(&p(), &selector("7.0.0"), &ada())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not-found");
}

fn exact(number: &str, text: &str) -> Value {
    json!({
        "prompt_id": "p", "version": number,
        "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text,
                   "extracted_at": "2025-01-02T03:04:05Z"},
        "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0,
                     "analyzed_at": "2025-01-02T03:04:05Z"},
        "created_at": "2025-01-02T03:04:05Z",
    })
}

#[tokio::test]
async fn a_document_is_saved_under_its_own_number_once() {
    let manager = manager();
    let number = version("2.0.0-rc.1");
    let document = exact("2.0.0-rc.1", "one");
    let made = manager.save(&p(), &number, &document).await.unwrap();
    assert!(made.is_new);
    let again = manager.save(&p(), &number, &document).await.unwrap();
    assert!(!again.is_new);
    assert_eq!(again.version.bytes, made.version.bytes);
    // As it is read, with the seal in it, it may be saved as well.
    let sealed: Value = serde_json::from_slice(&made.version.bytes).unwrap();
    assert!(!manager.save(&p(), &number, &sealed).await.unwrap().is_new);
    let other = exact("2.0.0-rc.1", "two");
    let error = manager.save(&p(), &number, &other).await.unwrap_err();
    assert_eq!(error.code(), "version-conflict");
    manager.delete(&p(), &number, false, &ada()).await.unwrap();
    let error = manager.save(&p(), &number, &document).await.unwrap_err();
    assert_eq!(error.code(), "version-deleted");
}

#[tokio::test]
async fn a_document_without_times_may_be_saved_again_as_well() {
    let manager = manager();
    let mut document = exact("1.0.0", "one");
    for times in [("prompt", "extracted_at"), ("analysis", "analyzed_at")] {
        drop(document[times.0].as_object_mut().unwrap().remove(times.1));
    }
    drop(document.as_object_mut().unwrap().remove("created_at"));
    document["optimization_result"] = json!({
        "prompt_id": "p", "original_prompt": "a", "optimized_prompt": "one", "strategy": "auto",
        "improvement_score": 1.0, "confidence": 0.9,
    });
    let number = version("1.0.0");
    assert!(manager.save(&p(), &number, &document).await.unwrap().is_new);
    // The answer to the first may have been lost; the times were filled in when it was stored.
    let again = manager.save(&p(), &number, &document).await.unwrap();
    assert!(!again.is_new);
    document["created_at"] = json!("2025-01-02T03:04:05Z");
    let error = manager.save(&p(), &number, &document).await.unwrap_err();
    assert_eq!(
        error.code(),
        "version-conflict",
        "another time is another document"
    );
}

#[tokio::test]
async fn a_document_that_contradicts_itself_or_its_path_is_refused() {
    let manager = manager();
    let number = version("1.0.0");
    let edited = |edit: fn(&mut Value)| {
        let mut document = exact("1.0.0", "one");
        edit(&mut document);
        document
    };
    for (document, code) in [
        (edited(|d| d["prompt_id"] = json!("q")), "invalid-document"),
        (edited(|d| d["version"] = json!("1.0.1")), "invalid-document"),
        (
            edited(|d| d["metadata"] = json!({"checksum": "sha256:00"})),
            "invalid-document",
        ),
        (edited(|d| d["surprise"] = json!(1)), "invalid-document"),
        (edited(|d| d["prompt"]["text"] = json!("")), "invalid-document"),
        (json!([]), "invalid-document"),
    ] {
        let error = manager.save(&p(), &number, &document).await.unwrap_err();
        assert_eq!(error.code(), code, "{document}");
    }
    assert!(manager.prompt(&p()).is_err());
}

#[tokio::test]
async fn a_latest_version_that_keeps_changing_is_compared_again_but_not_for_ever() {
    let storage = fickle();
    let manager = VersionManager::new(Arc::clone(&storage) as Arc<dyn crate::storage::VersionStorage>);
    create(&manager, "one").await;
    storage.answer_puts(5, || StorageError::StaleLatest(p()));
    assert_eq!(create(&manager, "two").await, ("1.0.1".into(), true));
    storage.answer_puts(usize::MAX, || StorageError::StaleLatest(p()));
    let error = manager
        .create(&p(), NewVersion::of_text("three"), &ada())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "busy");
    storage.answer_puts(1, || StorageError::ReadOnly);
    let error = manager
        .create(&p(), NewVersion::of_text("three"), &ada())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "read-only-storage");
    storage.answer_puts(1, || StorageError::Interrupted("x".into()));
    let error = manager
        .save(&p(), &version("5.0.0"), &exact("5.0.0", "x"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "interrupted");
}

#[test]
fn the_body_of_a_request_is_refused_with_the_place_of_the_mistake() {
    let check = |body: Value, message: &str| {
        let error = parse_new_version(&body).unwrap_err();
        assert_eq!(error.code(), "invalid-document");
        assert!(error.to_string().contains(message), "{error}");
    };
    check(json!({"prompt": {"text": "x"}, "surprise": 1}), "surprise");
    check(json!({"prompt": {"text": "x", "surprise": 1}}), "surprise");
    check(json!({"prompt": {"text": 5}}), "prompt.text");
    check(json!({"prompt": {"text": "x"}, "bump": "huge"}), "bump");
    check(json!({}), "prompt");
    let whole = json!({"prompt": {"text": "x", "context": {"a": 1}}, "bump": "minor", "metadata": {"b": 2}});
    let new = parse_new_version(&whole).unwrap();
    assert_eq!(
        (new.bump, new.prompt.context["a"].clone()),
        (Some(Bump::Minor), json!(1))
    );
}
