//! The steps of a repair, each done by the actor that owns what is mended.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::model::PromptId;
use crate::storage::{Mend, RepairStep, StorageError};

use super::FileSystemStorage;
use super::actors::ShardHandle;
use super::work::{Look, WriteDone, WriteOp};

impl FileSystemStorage {
    /// Does one step of a repair.
    pub(super) async fn mend_one(&self, mend: &Mend) -> Result<Vec<RepairStep>, StorageError> {
        match mend {
            Mend::Leftovers => self.mend_leftovers().await,
            Mend::Manifest(id) => self.mend_prompt(id, WriteOp::MendManifest).await,
            Mend::Seal(id) => self.mend_prompt(id, WriteOp::Seal(None)).await,
            Mend::AcceptEdit(id, version) => self.mend_prompt(id, WriteOp::Seal(Some(version.clone()))).await,
            Mend::Index => {
                let bytes = self.flush_index().await.map_err(StorageError::Unavailable)?;
                let message = format!("written anew, {bytes} bytes");
                Ok(vec![RepairStep::new(
                    Path::new(".index.json"),
                    "index-rebuilt",
                    message,
                )])
            }
        }
    }

    async fn mend_prompt(&self, id: &PromptId, op: WriteOp) -> Result<Vec<RepairStep>, StorageError> {
        match self.write_existing(id, op).await? {
            WriteDone::Mended(steps) => Ok(steps),
            other => Err(super::storage::unexpected(&other)),
        }
    }

    async fn mend_leftovers(&self) -> Result<Vec<RepairStep>, StorageError> {
        let mut steps = Vec::new();
        for shard in self.shared.shards.all() {
            let before = leftovers_of(&shard).await;
            if before.is_empty() {
                continue;
            }
            let settle = Look {
                settle: true,
                ..Look::everything()
            };
            shard.look_and_wait(settle, self.shared.write_timeout()).await?;
            let after = leftovers_of(&shard).await;
            let dir = shard.disk.layout.tmp_dir(&shard.id);
            for name in before {
                let path = dir.join(&name);
                steps.push(if after.contains(&name) {
                    let message = "it could not be settled: the log says why";
                    RepairStep::new(&path, "failed", message)
                } else {
                    let message =
                        "put again, dropped because it was never stored, or set aside, as its content asked for";
                    RepairStep::new(&path, "leftover-settled", message)
                });
            }
        }
        Ok(steps)
    }
}

async fn leftovers_of(shard: &Arc<ShardHandle>) -> BTreeSet<OsString> {
    let disk = Arc::clone(&shard.disk);
    let listed = tokio::task::spawn_blocking(move || disk.leftovers()).await;
    listed
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
        .into_iter()
        .collect()
}
