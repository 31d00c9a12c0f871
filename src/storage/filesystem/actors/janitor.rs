//! The janitor: looks at free space, and forgets deleted versions that are old enough.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::model::{PromptId, Version};
use crate::storage::filesystem::work::WriteOp;

use super::child::Shared;
use super::shard_handle::ShardHandle;

/// Time between rounds.
const ROUND: Duration = Duration::from_secs(60);

/// What the janitor is told.
#[derive(Debug)]
pub(super) enum JanitorMessage {
    /// Make a round.
    Round,
    /// End with a panic, to test that it is survived.
    #[cfg(test)]
    Panic,
}

/// The janitor.
#[derive(Debug)]
pub(super) struct Janitor;

impl Actor for Janitor {
    type Msg = JanitorMessage;
    type State = Arc<Shared>;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<JanitorMessage>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Shared>, ActorProcessingErr> {
        Ok(shared)
    }

    async fn post_start(
        &self,
        myself: ActorRef<JanitorMessage>,
        _shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        let _down = myself.cast(JanitorMessage::Round);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<JanitorMessage>,
        message: JanitorMessage,
        shared: &mut Arc<Shared>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JanitorMessage::Round => {}
            #[cfg(test)]
            JanitorMessage::Panic => panic!("told to"),
        }
        look_at_space(shared).await;
        if shared.options.trash_max_age_days > 0 {
            for shard in shared.shards.all() {
                forget_old(shared, &shard).await;
            }
        }
        drop(myself.send_after(ROUND, || JanitorMessage::Round));
        Ok(())
    }
}

async fn look_at_space(shared: &Arc<Shared>) {
    let disk = Arc::clone(&shared.disk);
    if let Ok(Ok(space)) = tokio::task::spawn_blocking(move || disk.space()).await {
        let min_free = shared.options.disk.min_free_bytes;
        if space.free < min_free {
            tracing::warn!(
                free = space.free,
                min_free,
                "the disk is nearly full: nothing new is stored"
            );
        }
        *shared.space.lock().unwrap_or_else(PoisonError::into_inner) = Some(space);
    }
}

/// Forgets what lies in one shard's trash for too long.
async fn forget_old(shared: &Shared, shard: &Arc<ShardHandle>) {
    let in_trash: Vec<(PromptId, Vec<Version>)> = shard
        .catalog
        .slots()
        .into_iter()
        .filter(|slot| !slot.entry.trash.is_empty())
        .map(|slot| (slot.entry.id.clone(), slot.entry.trash.clone()))
        .collect();
    for (id, versions) in in_trash {
        let (disk, days) = (Arc::clone(&shard.disk), shared.options.trash_max_age_days);
        let (owned, looked_at) = (id.clone(), versions);
        let old = tokio::task::spawn_blocking(move || {
            looked_at
                .into_iter()
                .filter(|version| is_older(disk.read_note(&owned, version).deleted_at, days))
                .collect()
        });
        let Ok(old): Result<Vec<Version>, _> = old.await else {
            continue;
        };
        if old.is_empty() {
            continue;
        }
        let count = old.len();
        match shard
            .write(
                id.clone(),
                WriteOp::PurgeTrashed(old),
                shared.options.write_timeout,
            )
            .await
        {
            Ok(_) => {
                tracing::info!(prompt_id = %id, count, "deleted versions beyond trash_max_age_days were forgotten");
            }
            Err(error) => {
                tracing::warn!(prompt_id = %id, %error, "old versions in the trash could not be forgotten");
            }
        }
    }
}

/// Tells whether something was deleted more than so many days ago; what has no time stays.
fn is_older(deleted_at: Option<crate::model::Timestamp>, days: u32) -> bool {
    let limit = Duration::from_secs(u64::from(days) * 86_400);
    deleted_at.is_some_and(|at| {
        let age = jiff::Timestamp::now().duration_since(at.instant());
        age.is_positive() && age.unsigned_abs() > limit
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn only_what_is_old_enough_and_dated_is_forgotten() {
        let ago = |hours: i64| {
            let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
            Some(Timestamp::from_instant(at))
        };
        assert!(is_older(ago(49), 2));
        assert!(!is_older(ago(47), 2));
        assert!(!is_older(ago(-5), 2), "a clock in the future forgets nothing");
        assert!(!is_older(None, 2));
    }
}
