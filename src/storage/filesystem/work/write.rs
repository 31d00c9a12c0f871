//! Which change a request is.

use crate::model::PromptId;
use crate::storage::filesystem::disk::Slot;
use crate::storage::filesystem::intents::Intent;
use crate::storage::{SetLabel, StorageError};

use super::change::ChangeOf;
use super::look::{same, slot_for_change};
use super::{Effects, Quiet, WorkContext, WriteDone, WriteOp};

/// Makes one change durable.
///
/// # Errors
/// What the storage trait says of each.
pub(crate) fn write_one(
    context: &WorkContext,
    id: &PromptId,
    op: WriteOp,
    effects: &mut Effects,
) -> Result<WriteDone, StorageError> {
    if let WriteOp::Put(request) = op {
        let mut answers = super::put_all(context, vec![(id.clone(), *request)], effects);
        return answers.pop().unwrap_or(Ok(WriteDone::Done));
    }
    if let WriteOp::Quiet(Quiet(call)) = op {
        call();
        return Ok(WriteDone::Done);
    }
    let known = slot_for_change(context, id, effects);
    let known = match op {
        // What is restored may be new here.
        WriteOp::Adopt(_) => Some(known.unwrap_or_else(|| Slot::empty(id.clone()))),
        _ => known,
    };
    let Some(slot) = known else {
        return Err(absent(id, op));
    };
    slot.check_writable()?;
    let dir = context.disk.layout.prompt_dir(id);
    let before = context.disk.stamp(&dir);
    if before.is_some() && !same(slot.dir, before) {
        adopt_dir(context, effects)?;
    }
    if let Some(intent) = intent_of(&op) {
        effects.intents.add(id, intent);
    }
    let done = change(
        ChangeOf {
            context,
            id,
            slot,
            effects,
        },
        op,
    )?;
    // Another program may have put another directory there meanwhile, and what was done is in that one.
    let after = context.disk.stamp(&dir).map(|stamp| stamp.ino);
    if after.is_some() && after != before.map(|stamp| stamp.ino) {
        adopt_dir(context, effects)?;
    }
    Ok(done)
}

/// Makes the name of a directory durable that may be another one than the catalog knows: what is about to be acknowledged is
/// in it.
fn adopt_dir(context: &WorkContext, effects: &mut Effects) -> Result<(), StorageError> {
    let adopted = context.disk.adopt_prompt_dirs();
    adopted.map_err(|fault| effects.fault(&context.disk, fault))
}

fn change(mut change: ChangeOf<'_>, op: WriteOp) -> Result<WriteDone, StorageError> {
    match op {
        WriteOp::Delete {
            versions,
            force,
            author,
        } => change.delete(versions, force, &author),
        WriteOp::DeleteChosen {
            seen,
            versions,
            author,
        } => change.delete_chosen(&seen, versions, &author),
        WriteOp::Restore(version) => change.restore(&version),
        WriteOp::Purge { force } => change.purge(force),
        WriteOp::PurgeTrashed(versions) => change.purge_trashed(&versions),
        WriteOp::Seal(accepted) => change.seal(accepted.as_ref()),
        WriteOp::MendManifest => change.mend_manifest(),
        WriteOp::SetLabel(request) => change.set_label(&request),
        WriteOp::RemoveLabel {
            label,
            expected,
            author,
        } => change.remove_label(&label, expected.as_ref(), &author),
        WriteOp::AddEvidence { version, results } => change.add_evidence(&version, &results),
        WriteOp::Adopt(request) => change.adopt(*request).map(WriteDone::Adopted),
        WriteOp::Put(_) | WriteOp::Quiet(_) => Ok(WriteDone::Done),
    }
}

/// What a change is meant to come to. Of test results the catalog shows nothing.
fn intent_of(op: &WriteOp) -> Option<Intent> {
    match op {
        WriteOp::Delete { .. } | WriteOp::DeleteChosen { .. } => Some(Intent::Delete),
        WriteOp::Restore(version) => Some(Intent::Create(version.clone())),
        WriteOp::PurgeTrashed(_) => Some(Intent::Forget),
        WriteOp::SetLabel(SetLabel { label, .. }) | WriteOp::RemoveLabel { label, .. } => {
            Some(Intent::Label(label.clone()))
        }
        WriteOp::Purge { .. } | WriteOp::MendManifest | WriteOp::Adopt(_) => Some(Intent::Anything),
        WriteOp::Seal(_) | WriteOp::AddEvidence { .. } | WriteOp::Put(_) | WriteOp::Quiet(_) => None,
    }
}

fn absent(id: &PromptId, op: WriteOp) -> StorageError {
    let trashed = match op {
        WriteOp::Restore(version) => Some(version),
        WriteOp::PurgeTrashed(versions) => versions.into_iter().next(),
        _ => None,
    };
    match trashed {
        Some(version) => StorageError::NotInTrash {
            id: id.clone(),
            version,
        },
        None => StorageError::PromptNotFound(id.clone()),
    }
}
