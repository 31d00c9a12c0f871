//! Which change a request is.

use crate::model::PromptId;
use crate::storage::StorageError;

use super::change::ChangeOf;
use super::look::slot_for_change;
use super::{Effects, WorkContext, WriteDone, WriteOp};

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
    let Some(slot) = slot_for_change(context, id, effects) else {
        return Err(absent(id, op));
    };
    slot.check_writable()?;
    let mut change = ChangeOf {
        context,
        id,
        slot,
        effects,
    };
    match op {
        WriteOp::Delete {
            versions,
            force,
            author,
        } => change.delete(versions, force, &author),
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
        WriteOp::Put(_) => Ok(WriteDone::Done),
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
