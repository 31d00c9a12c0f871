//! What a put means for a prompt as it stands. Pure.

use crate::model::{PromptVersion, Version};
use crate::storage::{Fingerprint, Numbering, PromptEntry, PutVersion, Sameness, StorageError};
use crate::versions::numbering::next_version_after;

/// What to do about a put.
#[derive(Debug)]
pub(super) enum PutPlan {
    /// The latest version is the same: nothing.
    Unchanged(Version),
    /// Write this document, which now has its number and parent; its fingerprint was needed to decide.
    Write(Box<PromptVersion>, Fingerprint),
}

/// Decides what a put does.
///
/// # Errors
/// `Conflict`, `Deleted`, `NumbersExhausted`; `StaleLatest` when sameness cannot be decided because the caller compared
/// with a version that is no longer the latest.
pub(super) fn plan_put(entry: &PromptEntry, request: PutVersion) -> Result<PutPlan, StorageError> {
    let PutVersion {
        mut document,
        numbering,
        sameness,
        latest_seen,
    } = request;
    let id = || entry.id.clone();
    let fingerprint = Fingerprint::of(&document);
    match numbering {
        Numbering::Exact => {
            let version = document.version.clone();
            if entry.has(&version) {
                Err(StorageError::Conflict { id: id(), version })
            } else if entry.has_trashed(&version) {
                Err(StorageError::Deleted { id: id(), version })
            } else {
                Ok(PutPlan::Write(Box::new(document), fingerprint))
            }
        }
        Numbering::NextAfter(_, latest) if entry.latest() != Some(&latest) => {
            Err(StorageError::StaleLatest(id()))
        }
        Numbering::Next(bump) | Numbering::NextAfter(bump, _) => {
            if let Some(same) = same_as_latest(entry, &fingerprint, sameness, latest_seen.as_ref())? {
                return Ok(PutPlan::Unchanged(same));
            }
            document.version =
                next_version_after(entry.used(), bump).ok_or_else(|| StorageError::NumbersExhausted(id()))?;
            document.parent_version = document.parent_version.or_else(|| entry.latest().cloned());
            Ok(PutPlan::Write(Box::new(document), fingerprint))
        }
    }
}

fn same_as_latest(
    entry: &PromptEntry,
    wanted: &Fingerprint,
    sameness: Sameness,
    latest_seen: Option<&(Version, Fingerprint)>,
) -> Result<Option<Version>, StorageError> {
    let Some(latest) = entry.latest().filter(|_| sameness != Sameness::Never) else {
        return Ok(None);
    };
    let known = entry.latest_fingerprint.as_ref().into_iter().chain(latest_seen);
    let Some((_, there)) = known.into_iter().find(|(version, _)| version == latest) else {
        // The caller read another version, or could not read this one because it is damaged.
        return if latest_seen.is_some() {
            Err(StorageError::StaleLatest(entry.id.clone()))
        } else {
            Ok(None)
        };
    };
    let same = match sameness {
        Sameness::Never => false,
        Sameness::Text => there.text == wanted.text,
        Sameness::Content => there.content == wanted.content,
    };
    Ok(same.then(|| latest.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bump, PromptId};
    use serde_json::json;

    fn document(version: &str, text: &str) -> PromptVersion {
        serde_json::from_value(json!({
            "prompt_id": "p", "version": version,
            "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
            "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
        }))
        .unwrap()
    }

    fn entry(versions: &[&str], trash: &[&str]) -> PromptEntry {
        let mut entry = PromptEntry::empty(PromptId::new("p").unwrap());
        entry.versions = versions.iter().map(|v| Version::new(v).unwrap()).collect();
        entry.trash = trash.iter().map(|v| Version::new(v).unwrap()).collect();
        entry
    }

    fn check(entry: &PromptEntry, request: PutVersion, expected: &str) {
        let found = match plan_put(entry, request) {
            Ok(PutPlan::Unchanged(version)) => format!("unchanged {version}"),
            Ok(PutPlan::Write(document, _)) => {
                let parent = document
                    .parent_version
                    .map(|v| format!(" from {v}"))
                    .unwrap_or_default();
                format!("write {}{parent}", document.version)
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected);
    }

    fn next(text: &str, seen: Option<(&str, &str)>) -> PutVersion {
        let latest_seen =
            seen.map(|(v, text)| (Version::new(v).unwrap(), Fingerprint::of(&document(v, text))));
        let document = document("1.0.0", text);
        PutVersion {
            document,
            numbering: Numbering::Next(Bump::Patch),
            sameness: Sameness::Content,
            latest_seen,
        }
    }

    #[test]
    fn an_exact_number_is_taken_free_or_deleted() {
        let exact = |v: &str| PutVersion::exact(document(v, "x"));
        let entry = entry(&["1.0.0", "2.0.0"], &["1.5.0"]);
        check(&entry, exact("1.0.0"), "version-conflict");
        check(&entry, exact("1.5.0"), "version-deleted");
        check(&entry, exact("1.2.0"), "write 1.2.0");
    }

    #[test]
    fn the_next_number_is_above_everything_ever_used() {
        check(&entry(&[], &[]), next("a", None), "write 1.0.0");
        check(
            &entry(&["1.0.0"], &["1.0.1"]),
            next("b", Some(("1.0.0", "a"))),
            "write 1.0.2 from 1.0.0",
        );
        let mut gone = entry(&["1.0.0"], &[]);
        gone.note_used(&Version::release(1, 0, 7));
        check(&gone, next("b", Some(("1.0.0", "a"))), "write 1.0.8 from 1.0.0");
    }

    #[test]
    fn the_same_content_is_no_new_version_and_a_stale_comparison_is_told() {
        let entry = entry(&["1.0.0", "1.0.1"], &[]);
        check(&entry, next("a", Some(("1.0.1", "a"))), "unchanged 1.0.1");
        check(&entry, next("a", Some(("1.0.0", "a"))), "busy");
        check(&entry, next("a", None), "write 1.0.2 from 1.0.1");
    }
}
