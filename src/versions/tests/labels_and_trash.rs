//! Labels, deleting, bringing back, forgetting.

use super::*;

fn production() -> Label {
    Label::new("production").unwrap()
}

async fn code<T: std::fmt::Debug>(answer: impl Future<Output = Result<T, VersionError>>) -> &'static str {
    answer.await.unwrap_err().code()
}

#[tokio::test]
async fn a_label_is_set_moved_and_removed_and_every_move_is_kept() {
    let manager = manager();
    create(&manager, "one").await;
    create(&manager, "two").await;
    let set = async |to: &str, expected: Option<Option<&str>>| {
        let expected = expected.map(|version| version.map(|text| Version::new(text).unwrap()));
        let set = manager
            .set_label(&p(), production(), &selector(to), expected, &ada())
            .await;
        set.map(|entry| entry.version.to_string())
    };
    assert_eq!(set("1.0.0", Some(None)).await.unwrap(), "1.0.0");
    assert_eq!(
        set("latest", Some(None)).await.unwrap_err().code(),
        "precondition-failed"
    );
    assert_eq!(
        set("latest", Some(Some("1.0.1"))).await.unwrap_err().code(),
        "precondition-failed"
    );
    assert_eq!(set("latest", Some(Some("1.0.0"))).await.unwrap(), "1.0.1");
    assert_eq!(
        set("production", None).await.unwrap(),
        "1.0.1",
        "a label may be set by a label"
    );
    assert_eq!(set("9.9.9", None).await.unwrap_err().code(), "not-found");
    let wrong = version("1.0.0");
    let remove = |expected| {
        let manager = manager.clone();
        async move { manager.remove_label(&p(), &production(), expected, &ada()).await }
    };
    assert_eq!(code(remove(Some(&wrong))).await, "precondition-failed");
    remove(None).await.unwrap();
    assert_eq!(code(remove(None)).await, "not-found");
    let history = manager.label_history(&p()).await.unwrap();
    let moves: Vec<_> = history
        .iter()
        .map(|m| {
            (
                m.from.as_ref().map(ToString::to_string),
                m.to.as_ref().map(ToString::to_string),
            )
        })
        .collect();
    let (one, two) = (Some("1.0.0".to_owned()), Some("1.0.1".to_owned()));
    let expected = [
        (None, one.clone()),
        (one, two.clone()),
        (two.clone(), two.clone()),
        (two, None),
    ];
    assert_eq!(moves, expected);
    let nobody = PromptId::new("nobody").unwrap();
    assert_eq!(code(manager.label_history(&nobody)).await, "not-found");
}

#[tokio::test]
async fn a_labelled_version_is_deleted_only_by_force() {
    let manager = manager();
    create(&manager, "one").await;
    create(&manager, "two").await;
    manager
        .set_label(&p(), production(), &selector("1.0.0"), None, &ada())
        .await
        .unwrap();
    let one = version("1.0.0");
    assert_eq!(
        code(manager.delete(&p(), &one, false, &ada())).await,
        "version-labelled"
    );
    assert_eq!(
        code(manager.delete_all(&p(), false, &ada())).await,
        "version-labelled"
    );
    assert_eq!(code(manager.purge(&p(), false)).await, "version-labelled");
    assert_eq!(
        text_at(&manager, "1.0.1").await,
        "two",
        "nothing was deleted in part"
    );
    manager.delete(&p(), &one, true, &ada()).await.unwrap();
    assert_eq!(text_at(&manager, "production").await, "not-found");
    assert_eq!(code(manager.delete(&p(), &one, true, &ada())).await, "not-found");
}

#[tokio::test]
async fn what_was_deleted_is_listed_comes_back_or_is_forgotten() {
    let manager = manager();
    for text in ["one", "two", "three"] {
        create(&manager, text).await;
    }
    let deleted = manager.delete_all(&p(), false, &ada()).await.unwrap();
    assert_eq!(deleted.len(), 3);
    let page = manager.trash(None, None, 2).await.unwrap();
    assert_eq!(page.len(), 2);
    let last = (&page[1].prompt_id, &page[1].version);
    let rest = manager.trash(Some(last), Some(&p()), 2).await.unwrap();
    assert_eq!(rest[0].version, version("1.0.2"));
    assert_eq!(rest[0].deleted_by.as_ref().unwrap().name, "ada");
    let nobody = PromptId::new("nobody").unwrap();
    assert!(manager.trash(None, Some(&nobody), 2).await.unwrap().is_empty());
    let back = manager.restore(&p(), &version("1.0.1"), &ada()).await.unwrap();
    assert_eq!(back.document().unwrap().prompt.text, "two");
    assert_eq!(
        code(manager.restore(&p(), &version("1.0.1"), &ada())).await,
        "not-found"
    );
    assert_eq!(
        code(manager.restore(&nobody, &version("1.0.1"), &ada())).await,
        "not-found"
    );
    manager.purge_trashed(&p(), &version("1.0.2")).await.unwrap();
    assert_eq!(
        code(manager.purge_trashed(&p(), &version("1.0.2"))).await,
        "not-found"
    );
    assert_eq!(
        create(&manager, "four").await.0,
        "1.0.3",
        "a forgotten number stays used"
    );
    manager.purge(&p(), false).await.unwrap();
    assert_eq!(
        create(&manager, "five").await.0,
        "1.0.0",
        "a forgotten prompt starts anew"
    );
    assert_eq!(code(manager.purge(&nobody, true)).await, "not-found");
}
