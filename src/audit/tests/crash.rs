//! What a crash leaves, and what the next start makes of it.

use super::*;
use crate::audit::verify::verify_directory;
use crate::model::{Author, Label, PromptId, Version};
use crate::storage::memory::MemoryStorage;
use crate::storage::{SetLabel, VersionStorage};
use crate::versions::{NewVersion, VersionManager};

fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

#[tokio::test]
async fn a_line_that_was_cut_off_is_put_aside_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 3).await;
    let mut bytes = std::fs::read(segment(&dir)).unwrap();
    bytes.extend_from_slice(b"{\"seq\":4,\"at\"");
    std::fs::write(segment(&dir), &bytes).unwrap();
    log_of(&dir, options(), 2).await;
    let report = verify_directory(dir.path(), None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.entries, 5);
    let aside = std::fs::read(dir.path().join(AUDIT_DIR).join("torn-000001-4.jsonl")).unwrap();
    assert_eq!(aside, b"{\"seq\":4,\"at\"");
}

#[tokio::test]
async fn a_file_that_is_empty_or_holds_a_torn_line_alone_continues_the_one_before() {
    for torn in ["", "{\"seq\""] {
        let dir = tempfile::tempdir().unwrap();
        log_of(&dir, options(), 3).await;
        std::fs::write(dir.path().join(AUDIT_DIR).join("audit-000002.jsonl"), torn).unwrap();
        log_of(&dir, options(), 2).await;
        let report = verify_directory(dir.path(), None).unwrap();
        assert!(report.is_sound(), "{torn:?} {report:?}");
        assert_eq!((report.entries, report.segments), (5, 2));
    }
}

#[tokio::test]
async fn a_damaged_last_line_stops_nothing_and_is_found() {
    let dir = tempfile::tempdir().unwrap();
    log_of(&dir, options(), 3).await;
    let mut bytes = std::fs::read(segment(&dir)).unwrap();
    let place = bytes.len() - 2;
    bytes[place] = b'x';
    std::fs::write(segment(&dir), &bytes).unwrap();
    let (log, _) = open(&dir);
    assert!(
        log.concerns().iter().any(|concern| concern.contains("damaged")),
        "{:?}",
        log.concerns()
    );
    assert_eq!(log.head().0, 3);
    log.note(draft(Outcome::Done)).await;
    log.close().await;
    assert_eq!(
        verify_directory(dir.path(), None).unwrap().broken.unwrap().line,
        3
    );
}

#[tokio::test]
async fn what_was_intended_and_has_no_end_is_found_over_files() {
    let dir = tempfile::tempdir().unwrap();
    let small = AuditOptions {
        max_segment_bytes: 300,
        ..options()
    };
    let (log, _) = open_with(&dir, small);
    let mut open = Vec::new();
    for number in 0..12 {
        let seq = log.intend(draft(Outcome::Intended)).await.unwrap().unwrap();
        if number % 4 == 0 {
            open.push(seq);
        } else {
            log.ended(draft(Outcome::Intended).ended(seq, Outcome::Done))
                .await;
        }
    }
    log.close().await;
    let (log, found) = open_with(&dir, small);
    assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), open);
    log.close().await;
}

#[tokio::test]
async fn after_a_crash_the_store_tells_what_became_of_what_was_intended() {
    let dir = tempfile::tempdir().unwrap();
    let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
    let manager = VersionManager::new(Arc::clone(&storage));
    let ann = Author {
        name: "ann".into(),
        uid: Some(1_001),
    };
    let made = manager
        .create(&id("p"), NewVersion::of_text("Say it."), &ann)
        .await
        .unwrap();
    manager
        .create(&id("p"), NewVersion::of_text("Say more."), &ann)
        .await
        .unwrap();
    let (first, label) = (Version::release(1, 0, 0), Label::new("production").unwrap());
    let set = SetLabel {
        label: label.clone(),
        version: first.clone(),
        expected: None,
        author: ann.clone(),
    };
    storage.set_label(&id("p"), set).await.unwrap();

    let (log, _) = open(&dir);
    let actor = Actor::of(ann);
    let intend = |action, change: fn(&mut Draft)| {
        let mut draft = Draft::new(&actor, action, Outcome::Intended).about(&id("p"));
        change(&mut draft);
        draft
    };
    let mut create = intend(Action::Create, |_| {});
    create.made_at = Some(made.version.document().unwrap().created_at);
    let lost = intend(Action::Create, |draft| {
        draft.made_at = Some(crate::model::Timestamp::now());
    });
    let moved = intend(Action::SetLabel, |draft| {
        draft.label = Some(Label::new("production").unwrap());
        draft.to = Some("1.0.0".into());
    });
    let unmoved = intend(Action::SetLabel, |draft| {
        draft.label = Some(Label::new("production").unwrap());
        draft.from = Some("1.0.0".into());
        draft.to = Some("1.0.1".into());
    });
    let kept = intend(Action::Delete, |draft| {
        draft.version = Some(Version::release(1, 0, 0));
    });
    let gone = intend(Action::Delete, |draft| {
        draft.version = Some(Version::release(7, 0, 0));
    });
    let unpurged = intend(Action::Purge, |_| {});
    let expected = [
        (create, Outcome::Recovered),
        (lost, Outcome::Undone),
        (moved, Outcome::Recovered),
        (unmoved, Outcome::Undone),
        (kept, Outcome::Undone),
        (gone, Outcome::Recovered),
        (unpurged, Outcome::Undone),
    ];
    for (draft, _) in &expected {
        log.intend(draft.clone()).await.unwrap();
    }
    log.close().await;

    let (log, open) = open(&dir);
    assert_eq!(open.len(), expected.len());
    let audited = AuditedStorage::new(storage, log.clone(), open).await;
    let entries = log.page(&query()).unwrap().items;
    for (number, (intended, outcome)) in expected.iter().enumerate() {
        let of = Some(number as u64 + 1);
        let ended = entries.iter().find(|entry| entry.draft.of == of).unwrap();
        assert_eq!(ended.draft.outcome, *outcome, "{intended:?}");
        assert_eq!(ended.draft.uid, Some(1_001));
    }
    let found = entries.iter().find(|entry| entry.draft.of == Some(1)).unwrap();
    assert_eq!(found.draft.version, Some(first));
    assert_eq!(found.draft.to, Some(made.version.checksum.to_string()));
    audited.close().await;
    let (log, open) = super::open(&dir);
    assert_eq!(open, [], "settled once and for all");
    log.close().await;
}

#[tokio::test]
async fn what_stands_in_the_place_of_the_log_refuses_changes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join(AUDIT_DIR);
    std::fs::write(&place, "not a directory").unwrap();
    let (log, open) = super::open(&dir);
    let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
    let audited = AuditedStorage::new(storage, log.clone(), open).await;
    let manager = VersionManager::new(audited.clone());
    let made = manager
        .create(&id("p"), NewVersion::of_text("x"), &Author::daemon())
        .await;
    assert_eq!(made.unwrap_err().code(), "unavailable");
    assert_eq!(audited.totals(), (0, 0));
    assert!(!audited.concerns().is_empty());
    // Once it is out of the way, the log that was there goes on.
    std::fs::remove_file(&place).unwrap();
    log_of(&dir, options(), 3).await;
    manager
        .create(&id("p"), NewVersion::of_text("x"), &Author::daemon())
        .await
        .unwrap();
    audited.close().await;
    let report = verify_directory(dir.path(), None).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.entries, 6);
}
