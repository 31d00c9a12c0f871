//! After a crash: what became of the changes that were intended.

use crate::model::Version;
use crate::storage::{Action, PromptEntry, VersionStorage};

use super::AuditLog;
use super::entry::{Draft, Entry, Outcome};

/// How many versions are in memory at the same time while one is looked for.
const VERSIONS_AT_A_TIME: usize = 64;

/// Looks up each of them in the store, and logs what is found.
pub(super) async fn settle(storage: &dyn VersionStorage, log: &AuditLog, open: Vec<Entry>) {
    if open.is_empty() {
        return;
    }
    let (mut recovered, mut undone) = (0, 0);
    for entry in open {
        let mut ended = entry.draft.ended(entry.seq, Outcome::Undone);
        ended.made_at = None;
        if look_up(storage, &entry.draft, &mut ended).await {
            ended.outcome = Outcome::Recovered;
        }
        match ended.outcome {
            Outcome::Recovered => recovered += 1,
            _ => undone += 1,
        }
        log.ended(ended).await;
    }
    tracing::warn!(
        recovered,
        undone,
        "changes that were not finished in the audit log were looked up in the store"
    );
}

/// Tells whether an intended change is done, and completes what is to be said of it.
async fn look_up(storage: &dyn VersionStorage, intended: &Draft, ended: &mut Draft) -> bool {
    let Some(id) = &intended.prompt_id else {
        // Repairs, backups and restores are jobs: they are run again, and say so.
        ended.outcome = Outcome::Unknown;
        return false;
    };
    let entry = storage.prompt(id);
    let entry = entry.as_deref();
    let has = |version: &Version| entry.is_some_and(|entry| entry.has(version));
    let label = intended.label.as_ref();
    let target = label
        .and_then(|label| entry?.labels.get(label))
        .map(|target| target.version.to_string());
    match (intended.action, &intended.version) {
        (Action::Delete, Some(version)) => !has(version),
        (Action::Restore, Some(version)) => has(version),
        (Action::Forget, Some(version)) => !entry.is_some_and(|entry| entry.has_trashed(version)),
        (Action::Purge, _) => entry.is_none(),
        (Action::SetLabel, _) => target == intended.to && target != intended.from,
        (Action::RemoveLabel, _) => intended.from.is_some() && target.is_none(),
        // Which of them were there before nobody knows; adding them again is safe.
        (Action::Repair | Action::AddEvidence, _) => {
            ended.outcome = Outcome::Unknown;
            false
        }
        _ => match entry {
            Some(entry) => find_version(storage, entry, intended, ended).await,
            None => false,
        },
    }
}

/// Finds the version that was intended: it was made at exactly the time that was said.
async fn find_version(
    storage: &dyn VersionStorage,
    entry: &PromptEntry,
    intended: &Draft,
    ended: &mut Draft,
) -> bool {
    let Some(made_at) = &intended.made_at else {
        return false;
    };
    let wanted: Vec<Version> = match &intended.version {
        Some(version) => entry
            .versions
            .iter()
            .filter(|other| *other == version)
            .cloned()
            .collect(),
        None => entry.versions.iter().rev().cloned().collect(),
    };
    for some in wanted.chunks(VERSIONS_AT_A_TIME) {
        for stored in storage.read_many(&entry.id, some).await.into_iter().flatten() {
            if stored
                .document()
                .is_ok_and(|document| document.created_at == *made_at)
            {
                ended.version = Some(stored.version.clone());
                ended.to = Some(stored.checksum.to_string());
                return true;
            }
        }
    }
    false
}
