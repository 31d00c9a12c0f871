//! The janitor: looks at free space, forgets deleted versions that are old enough, and scrubs.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use crate::model::{Author, PromptId, Version};
use crate::storage::Action;
use crate::storage::filesystem::disk::Disk;
use crate::storage::filesystem::work::WriteOp;
use crate::storage::filesystem::{Observation, StoreObserver};
use crate::storage::retention::is_older;

use super::child::Shared;
use super::scrub::{RECHECK, Scrub};
use super::shard_handle::ShardHandle;

/// Time between ticks.
const TICK: Duration = Duration::from_secs(1);
/// Time between rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Time between looks at the room while there is none, or nothing may be written.
const SHORT_LOOK: Duration = Duration::from_secs(2);
/// Written and removed again where only a write can tell whether the disk takes one.
const PROBE_FILE: &str = ".space-probe.tmp";
/// How much is written then.
const PROBE_BYTES: usize = 64 << 10;

/// What the janitor is told.
#[derive(Debug)]
pub(crate) enum JanitorMessage {
    /// See what is to be done.
    Tick,
    /// Answer.
    Ping(oneshot::Sender<()>),
    /// End with a panic, to test that it is survived.
    #[cfg(all(test, not(feature = "interleavings")))]
    Panic,
}

/// The janitor.
#[derive(Debug)]
pub(super) struct Janitor;

/// What the janitor owns.
#[derive(Debug)]
pub(super) struct JanitorState {
    shared: Arc<Shared>,
    scrub: Option<Box<Scrub>>,
    next_round: Instant,
    next_look: Instant,
    next_recheck: Instant,
}

impl Actor for Janitor {
    type Msg = JanitorMessage;
    type State = JanitorState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<JanitorMessage>,
        shared: Arc<Shared>,
    ) -> Result<JanitorState, ActorProcessingErr> {
        *shared.janitor.lock().unwrap_or_else(PoisonError::into_inner) = Some(myself);
        let now = Instant::now();
        let scrub = shared
            .options
            .scrub
            .enabled
            .then(|| Box::new(Scrub::new(&shared)));
        Ok(JanitorState {
            shared,
            scrub,
            next_round: now,
            next_look: now,
            next_recheck: now,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<JanitorMessage>,
        _state: &mut JanitorState,
    ) -> Result<(), ActorProcessingErr> {
        let _down = myself.cast(JanitorMessage::Tick);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<JanitorMessage>,
        message: JanitorMessage,
        state: &mut JanitorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JanitorMessage::Tick => {}
            JanitorMessage::Ping(reply) => {
                let _gone = reply.send(());
                return Ok(());
            }
            #[cfg(all(test, not(feature = "interleavings")))]
            JanitorMessage::Panic => panic!("told to"),
        }
        let now = Instant::now();
        let is_short = state.shared.room.full().is_some() || state.shared.is_read_only();
        if now >= state.next_look || (is_short && now + ROUND >= state.next_look + SHORT_LOOK) {
            state.next_look = now + ROUND;
            look_at_space(&state.shared).await;
        }
        if now >= state.next_round {
            state.next_round = now + ROUND;
            if state.shared.options.trash_max_age_days > 0 {
                for shard in state.shared.shards.all() {
                    forget_old(&state.shared, &shard).await;
                }
            }
        }
        state.scrub(now).await;
        state.shared.metrics.janitor_tick.renew();
        drop(myself.send_after(TICK, || JanitorMessage::Tick));
        Ok(())
    }
}

impl JanitorState {
    async fn scrub(&mut self, now: Instant) {
        let Some(mut scrub) = self.scrub.take() else {
            return;
        };
        let rechecks = now >= self.next_recheck;
        if rechecks {
            self.next_recheck = now + RECHECK;
        }
        let shared = Arc::clone(&self.shared);
        let _waits = shared.pulses.janitor.wait();
        let stepped = tokio::task::spawn_blocking(move || {
            scrub.step(&shared);
            if rechecks {
                Scrub::recheck(&shared);
            }
            scrub
        });
        // After a panic it begins anew; the janitor has other things to do as well.
        self.scrub = match stepped.await {
            Ok(scrub) => Some(scrub),
            Err(error) => {
                tracing::error!(%error, "the scrubber failed: it begins again");
                Some(Box::new(Scrub::new(&self.shared)))
            }
        };
    }
}

async fn look_at_space(shared: &Arc<Shared>) {
    let _waits = shared.pulses.janitor.wait();
    let owned = Arc::clone(shared);
    let looked = tokio::task::spawn_blocking(move || {
        let mut space = owned.disk.space()?;
        let takes_a_write = || owned.hold().is_some_and(|_hold| takes_a_write(&*owned.disk));
        if owned.room.see(space) && takes_a_write() {
            owned.room.wrote();
        }
        // After an error the kernel may let nothing be written and not say so here.
        space.read_only = space.read_only || (owned.is_read_only() && !takes_a_write());
        Ok::<_, std::io::Error>(space)
    });
    if let Ok(Ok(space)) = looked.await {
        *shared.space.lock().unwrap_or_else(PoisonError::into_inner) = Some(space);
    }
}

/// Tells whether the disk takes a write, by making one.
fn takes_a_write(disk: &dyn Disk) -> bool {
    let path = Path::new(PROBE_FILE);
    let write = || {
        let mut file = disk.create_new(path)?;
        file.write_all(&[0; PROBE_BYTES])?;
        file.sync()
    };
    let removed = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::debug!(error = %e, "the probe file could not be removed");
        }
        _ => {}
    };
    // A leftover of a crash.
    removed(disk.unlink(path));
    let written = write();
    removed(disk.unlink(path));
    written.is_ok()
}

async fn tell_forgotten(observer: Arc<dyn StoreObserver>, id: PromptId, versions: Vec<Version>) {
    let telling = tokio::task::spawn_blocking(move || {
        for version in versions {
            observer.observe(Observation {
                action: Action::Forget,
                author: Some(Author::daemon()),
                id: id.clone(),
                version: Some(version),
                label: None,
            });
        }
    });
    if let Err(error) = telling.await {
        tracing::warn!(%error, "forgotten versions could not be told of");
    }
}

/// Forgets what lies in one shard's trash for too long.
async fn forget_old(shared: &Shared, shard: &Arc<ShardHandle>) {
    let _waits = shared.pulses.janitor.wait();
    let limit = Duration::from_secs(u64::from(shared.options.trash_max_age_days) * 86_400);
    let in_trash: Vec<(PromptId, Vec<Version>)> = shard
        .catalog
        .slots()
        .into_iter()
        .filter(|slot| !slot.entry.trash.is_empty())
        .map(|slot| (slot.entry.id.clone(), slot.entry.trash.clone()))
        .collect();
    for (id, versions) in in_trash {
        shared.pulses.janitor.step();
        let disk = Arc::clone(&shard.disk);
        let (owned, looked_at) = (id.clone(), versions);
        let old = tokio::task::spawn_blocking(move || {
            looked_at
                .into_iter()
                .filter(|version| {
                    let deleted_at = disk.read_note(&owned, version).deleted_at;
                    is_older(deleted_at.as_ref(), limit, jiff::Timestamp::now())
                })
                .collect()
        });
        let Ok(old): Result<Vec<Version>, _> = old.await else {
            continue;
        };
        if old.is_empty() {
            continue;
        }
        let (count, forgotten) = (old.len(), old.clone());
        match shard
            .write(id.clone(), WriteOp::PurgeTrashed(old), shared.write_timeout())
            .await
        {
            Ok(_) => {
                if let Some(observer) = shared.options.observer.clone() {
                    tell_forgotten(observer, id.clone(), forgotten).await;
                }
                tracing::info!(prompt_id = %id, count, "deleted versions beyond trash_max_age_days were forgotten");
            }
            Err(error) => {
                tracing::warn!(prompt_id = %id, %error, "old versions in the trash could not be forgotten");
            }
        }
    }
}
