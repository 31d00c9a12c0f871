//! Every way to change a storage leaves its entries.

use super::*;
use crate::model::{Author, Label, PromptId, Version};
use crate::storage::memory::MemoryStorage;
use crate::storage::{Acting, VersionStorage};
use crate::versions::{NewVersion, VersionManager};

fn ann() -> Author {
    Author {
        name: "ann".into(),
        uid: Some(1_001),
    }
}

fn acting(put: Action) -> Acting {
    Acting {
        actor: Actor {
            gid: Some(50),
            pid: Some(7),
            job_id: Some("job_x".into()),
            ..Actor::of(ann())
        },
        put,
    }
}

/// What an entry says, in short.
fn said(entry: &Entry) -> String {
    let draft = &entry.draft;
    let outcome = serde_json::to_value(draft.outcome).unwrap();
    let parts = [
        Some(draft.action.to_string()),
        draft.version.as_ref().map(ToString::to_string),
        draft.label.as_ref().map(ToString::to_string),
        draft.from.as_ref().map(|from| format!("from {from}")),
        draft.to.as_ref().map(|to| {
            if to.starts_with("sha256:") {
                "sealed".into()
            } else {
                format!("to {to}")
            }
        }),
        outcome.as_str().map(ToOwned::to_owned),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_change_is_logged_with_who_and_what_was_before() {
    let dir = tempfile::tempdir().unwrap();
    let (log, open) = super::open(&dir);
    let storage: Arc<dyn VersionStorage> = Arc::new(MemoryStorage::new(1 << 20));
    let audited = AuditedStorage::new(storage, log.clone(), open).await;
    let by = |put| VersionManager::new(audited.clone()).acting(acting(put));
    let (id, label) = (PromptId::new("p").unwrap(), Label::new("production").unwrap());
    let (one, two) = (Version::release(1, 0, 0), Version::release(1, 0, 1));
    let manager = by(Action::Create);
    for text in ["Say it.", "Say more.", "Say more."] {
        manager
            .create(&id, NewVersion::of_text(text), &ann())
            .await
            .unwrap();
    }
    by(Action::Rollback)
        .rollback(&id, &"1.0.0".parse().unwrap(), &ann())
        .await
        .unwrap();
    for version in ["1.0.0", "1.0.1"] {
        manager
            .set_label(&id, label.clone(), &version.parse().unwrap(), None, &ann())
            .await
            .unwrap();
    }
    assert!(manager.delete(&id, &two, false, &ann()).await.is_err());
    manager.delete(&id, &two, true, &ann()).await.unwrap();
    manager.restore(&id, &two, &ann()).await.unwrap();
    manager
        .set_label(&id, label.clone(), &"1.0.1".parse().unwrap(), None, &ann())
        .await
        .unwrap();
    manager.remove_label(&id, &label, None, &ann()).await.unwrap();
    manager.delete(&id, &one, false, &ann()).await.unwrap();
    manager.purge_trashed(&id, &one).await.unwrap();
    manager.purge(&id, false).await.unwrap();
    let entries = log
        .page(&AuditQuery {
            intended: false,
            ..query()
        })
        .unwrap()
        .items;
    let lines: Vec<String> = entries.iter().map(said).collect();
    assert_eq!(
        lines,
        [
            "create 1.0.0 sealed done",
            "create 1.0.1 from 1.0.0 sealed done",
            "create 1.0.1 from 1.0.1 unchanged",
            "rollback 1.0.2 from 1.0.1 sealed done",
            "set-label 1.0.0 production to 1.0.0 done",
            "set-label 1.0.1 production from 1.0.0 to 1.0.1 done",
            "remove-label production from 1.0.1 failed",
            "delete 1.0.1 failed",
            "remove-label production from 1.0.1 done",
            "delete 1.0.1 done",
            "restore 1.0.1 done",
            "set-label 1.0.1 production to 1.0.1 done",
            "remove-label production from 1.0.1 done",
            "delete 1.0.0 done",
            "forget 1.0.0 done",
            "purge from 1.0.2 done",
        ]
    );
    for entry in &entries {
        let draft = &entry.draft;
        let who = (
            draft.user.as_str(),
            draft.uid,
            draft.gid,
            draft.pid,
            draft.job_id.as_deref(),
        );
        assert_eq!(who, ("ann", Some(1_001), Some(50), Some(7), Some("job_x")));
        assert!(draft.of < Some(entry.seq) && draft.of.is_some());
    }
    audited.close().await;
}

#[tokio::test]
async fn a_change_for_which_nobody_acts_is_the_daemons_and_logged_too() {
    let dir = tempfile::tempdir().unwrap();
    let (log, open) = super::open(&dir);
    let audited = AuditedStorage::new(Arc::new(MemoryStorage::new(1 << 20)), log.clone(), open).await;
    let id = PromptId::new("p").unwrap();
    let manager = VersionManager::new(audited.clone());
    manager
        .create(&id, NewVersion::of_text("x"), &Author::daemon())
        .await
        .unwrap();
    manager.delete_all(&id, false, &ann()).await.unwrap();
    let entries = log
        .page(&AuditQuery {
            intended: false,
            ..query()
        })
        .unwrap()
        .items;
    let users: Vec<&str> = entries.iter().map(|entry| entry.draft.user.as_str()).collect();
    assert_eq!(users, ["promptd", "ann"]);
    audited.close().await;
}

#[tokio::test]
async fn whoever_hangs_up_leaves_no_change_without_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (log, open) = super::open(&dir);
    let audited = AuditedStorage::new(Arc::new(MemoryStorage::new(1 << 20)), log.clone(), open).await;
    let manager = VersionManager::new(audited.clone());
    for number in 0..20 {
        let id = PromptId::new(&format!("p{number}")).unwrap();
        let author = ann();
        let mut making = Box::pin(manager.create(&id, NewVersion::of_text("x"), &author));
        // Polled so often, and then dropped.
        for _ in 0..number {
            if futures_poll(&mut making).await {
                break;
            }
        }
    }
    audited.close().await;
    assert_eq!(super::open(&dir).1, [], "something is open");
}

/// Polls once, and lets others work; tells whether it is done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let once = tokio::time::timeout(std::time::Duration::ZERO, future).await;
    tokio::task::yield_now().await;
    once.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_the_log_and_each_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (log, open) = super::open(&dir);
    let audited = AuditedStorage::new(Arc::new(MemoryStorage::new(1 << 20)), log.clone(), open).await;
    let making = (0..200).map(|number| {
        let manager = VersionManager::new(audited.clone());
        tokio::spawn(async move {
            let id = PromptId::new(&format!("p{number}")).unwrap();
            manager
                .create(&id, NewVersion::of_text("x"), &ann())
                .await
                .unwrap();
        })
    });
    for made in making.collect::<Vec<_>>() {
        made.await.unwrap();
    }
    audited.close().await;
    let report = crate::audit::verify::verify_directory(dir.path(), None).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.entries, 401);
}
