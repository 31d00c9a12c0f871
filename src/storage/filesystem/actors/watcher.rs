//! The watcher: notices changes made outside the daemon and tells the shards where to look.
//!
//! It sets its own watches, one per directory (the store, its shards, their prompts), so that the depth is fixed, the
//! directories of temporary files stay unwatched and each failure is seen. A new directory is watched first and listed
//! then. Lost events, however lost, end in looking at everything. Where inotify cannot serve, it scans.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::log_events::LogEvent;
use crate::metrics::Limit;
use crate::model::{PromptId, ShardId};
use crate::storage::filesystem::disk::{inotify_limit, scan_shard_names, version_of_file_name};
use crate::storage::filesystem::options::WatchMode;
use crate::storage::filesystem::work::Look;

use super::child::Shared;
use super::place::{Place, place_of};
use super::watch_inbox::{Gathered, WatchInbox};
use super::watches::Watches;

/// The shortest time between two rescans after lost events.
const MIN_RESCAN_PAUSE: Duration = Duration::from_millis(500);

/// What the watcher does, for the status.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct WatchStatus {
    /// `inotify`, `scan` or `off`.
    pub mode: String,
    /// Directories watched.
    pub watches: usize,
    /// What the kernel allows this user, if it says.
    pub max_user_watches: Option<u64>,
    /// Events seen.
    pub events: u64,
    /// How often everything was looked at.
    pub rescans: u64,
    /// How often events were lost.
    pub overflows: u64,
    /// What is wrong with watching.
    pub last_error: Option<String>,
}

/// What the watcher is told.
#[derive(Debug)]
pub(crate) enum WatcherMessage {
    /// Events came in.
    Wake,
    /// The gathering time is over.
    Drain,
    /// Time to scan.
    Scan,
    /// Answer.
    Ping(oneshot::Sender<()>),
    /// End with a panic, to test that it is survived.
    #[cfg(all(test, not(feature = "interleavings")))]
    Panic,
}

/// The watcher.
#[derive(Debug)]
pub(super) struct Watcher;

/// What the actor owns.
#[derive(Debug)]
pub(super) struct WatcherState {
    shared: Arc<Shared>,
    inbox: Arc<WatchInbox>,
    watches: Watches,
    scanning: bool,
    last_rescan: Option<tokio::time::Instant>,
}

impl Actor for Watcher {
    type Msg = WatcherMessage;
    type State = WatcherState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<WatcherMessage>,
        shared: Arc<Shared>,
    ) -> Result<WatcherState, ActorProcessingErr> {
        *shared.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(myself);
        // What waited for a predecessor is looked at by looking at everything.
        let _waited = (
            shared.metrics.watch_waiting.end(),
            shared.metrics.watch_following.end(),
        );
        let inbox = Arc::new(WatchInbox::new(shared.settings().watch.max_events));
        let watches = Watches::new(shared.root.clone());
        #[cfg(test)]
        let watches = watches.at_most(shared.max_watches.load(std::sync::atomic::Ordering::Relaxed));
        Ok(WatcherState {
            shared,
            inbox,
            watches,
            scanning: false,
            last_rescan: None,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<WatcherMessage>,
        state: &mut WatcherState,
    ) -> Result<(), ActorProcessingErr> {
        let mode = state.shared.settings().watch.mode;
        state.status(|status| status.mode = "off".into());
        if matches!(mode, WatchMode::Auto | WatchMode::Inotify) {
            state.status(|status| status.mode = "inotify".into());
            state.open(&myself);
            state.rearm(&myself).await;
            // What changed before the watches were there.
            state.look_everywhere().await;
        }
        if mode == WatchMode::Scan {
            state.begin_scanning(&myself);
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<WatcherMessage>,
        message: WatcherMessage,
        state: &mut WatcherState,
    ) -> Result<(), ActorProcessingErr> {
        state.shared.pulses.watcher.step();
        match message {
            WatcherMessage::Wake => {
                drop(myself.send_after(state.shared.settings().watch.debounce, || WatcherMessage::Drain));
            }
            WatcherMessage::Drain => {
                let metrics = Arc::clone(&state.shared.metrics);
                metrics.watch_following.take_over(&metrics.watch_waiting);
                let gathered = state.inbox.take();
                if gathered.too_many {
                    metrics.rejections.note(Limit::WatchEvents);
                }
                state.status(|status| status.events += gathered.events);
                if gathered.lost {
                    state.recover_lost(&myself).await;
                } else {
                    state.follow(&myself, gathered).await;
                }
                if let Some(waited) = metrics.watch_following.end() {
                    metrics.watch_lag.observe(waited);
                }
            }
            WatcherMessage::Scan => {
                state.look_everywhere().await;
                drop(
                    myself.send_after(state.shared.settings().watch.scan_interval, || {
                        WatcherMessage::Scan
                    }),
                );
            }
            WatcherMessage::Ping(reply) => {
                let _gone = reply.send(());
            }
            #[cfg(all(test, not(feature = "interleavings")))]
            WatcherMessage::Panic => panic!("told to"),
        }
        Ok(())
    }
}

impl WatcherState {
    fn status(&self, change: impl FnOnce(&mut WatchStatus)) {
        change(
            &mut self
                .shared
                .watch_status
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn open(&mut self, myself: &ActorRef<WatcherMessage>) {
        let (inbox, actor) = (Arc::clone(&self.inbox), myself.clone());
        let metrics = Arc::clone(&self.shared.metrics);
        let opened = self.watches.open(move |event| {
            if inbox.add(event) {
                metrics.watch_waiting.begin();
                let _stopping = actor.cast(WatcherMessage::Wake);
            }
        });
        if let Err(reason) = opened {
            self.give_up(myself, &reason);
        }
    }

    /// Watches the whole store as it is on disk now, from the top: a directory is watched before it is listed, so that
    /// what is made in between is seen by one of the two.
    async fn rearm(&mut self, myself: &ActorRef<WatcherMessage>) {
        self.watches.forget();
        self.watch(myself, vec![PathBuf::new()]).await;
        self.find_new_shards().await;
        let shards: Vec<ShardId> = self
            .shared
            .shards
            .all()
            .iter()
            .map(|shard| shard.id.clone())
            .collect();
        self.watch_shards(myself, shards).await;
    }

    /// Watches the directories of shards, then those of the prompts in them.
    async fn watch_shards(&mut self, myself: &ActorRef<WatcherMessage>, shards: Vec<ShardId>) {
        let layout = self.shared.layout;
        self.watch(
            myself,
            shards.iter().map(|shard| layout.shard_dir(shard)).collect(),
        )
        .await;
        let (disk, pulse) = (
            Arc::clone(&self.shared.disk),
            Arc::clone(&self.shared.pulses.watcher),
        );
        let _waits = pulse.wait();
        let listed = tokio::task::spawn_blocking(move || {
            let names = shards.iter().filter_map(|shard| {
                pulse.step();
                scan_shard_names(&*disk, layout, shard).ok()
            });
            names
                .flat_map(|(ids, _)| ids)
                .map(|id| layout.prompt_dir(&id))
                .collect()
        });
        self.watch(myself, listed.await.unwrap_or_default()).await;
    }

    async fn watch(&mut self, myself: &ActorRef<WatcherMessage>, dirs: Vec<PathBuf>) {
        let waits = self.shared.pulses.watcher.wait();
        let failure = self.watches.add(dirs).await.err();
        drop(waits);
        let (count, limit) = (self.watches.count(), inotify_limit());
        self.status(|status| {
            status.watches = count;
            status.max_user_watches = limit;
        });
        if let Some(failure) = failure {
            self.give_up(myself, &failure);
        }
    }

    fn give_up(&mut self, myself: &ActorRef<WatcherMessage>, reason: &str) {
        let falls_back = self.shared.settings().watch.mode == WatchMode::Auto;
        let first = !self.scanning;
        self.status(|status| status.last_error = Some(reason.to_owned()));
        if first {
            tracing::warn!(event = %LogEvent::NotAllWatched, reason, scanning = falls_back, "not every directory is watched");
        }
        if falls_back {
            self.begin_scanning(myself);
        }
    }

    fn begin_scanning(&mut self, myself: &ActorRef<WatcherMessage>) {
        if !self.scanning {
            self.scanning = true;
            self.status(|status| status.mode = "scan".into());
            let _stopping = myself.cast(WatcherMessage::Scan);
        }
    }

    async fn find_new_shards(&self) {
        let _waits = self.shared.pulses.watcher.wait();
        self.shared.find_new_shards().await;
    }

    async fn look_everywhere(&mut self) {
        self.last_rescan = Some(tokio::time::Instant::now());
        self.status(|status| status.rescans += 1);
        self.find_new_shards().await;
        for shard in self.shared.shards.all() {
            shard.look(Look::everything());
        }
    }

    /// Events were lost: directories made meanwhile are not watched, so watches are set again before all is looked at.
    async fn recover_lost(&mut self, myself: &ActorRef<WatcherMessage>) {
        self.status(|status| status.overflows += 1);
        let pause = self.last_rescan.map_or(Duration::ZERO, |last| {
            MIN_RESCAN_PAUSE.saturating_sub(last.elapsed())
        });
        if !pause.is_zero() {
            // A storm: wait for its end instead of scanning once per wave.
            self.inbox.lose();
            let metrics = &self.shared.metrics;
            metrics.watch_waiting.take_over(&metrics.watch_following);
            drop(myself.send_after(pause, || WatcherMessage::Drain));
            return;
        }
        tracing::warn!(event = %LogEvent::EventsLost, "events of the file system were lost: everything is looked at");
        self.rearm(myself).await;
        self.look_everywhere().await;
    }

    /// Follows single events: watches what is new, tells each shard where to look.
    async fn follow(&mut self, myself: &ActorRef<WatcherMessage>, gathered: Gathered) {
        let mut looks: BTreeMap<ShardId, Look> = BTreeMap::new();
        let (mut shard_dirs, mut prompt_dirs) = (BTreeSet::new(), BTreeSet::new());
        let (mut files, mut names_of_shards) = (Vec::new(), false);
        for path in &gathered.paths {
            let Ok(path) = path.strip_prefix(&self.shared.root) else {
                continue;
            };
            match place_of(self.shared.layout.depth, path) {
                Some(Place::Store) => names_of_shards = true,
                Some(Place::ShardDir(shard)) => {
                    names_of_shards = true;
                    shard_dirs.insert(shard.clone());
                    looks.entry(shard).or_default().merge(Look::everything());
                }
                Some(Place::PromptDir(shard, id)) => {
                    prompt_dirs.insert(path.to_owned());
                    let look = looks.entry(shard).or_default();
                    look.relist.insert(id);
                    look.names = true;
                }
                Some(Place::File(shard, id, name)) => files.push((shard, id, name)),
                None => {}
            }
        }
        for (shard, id, name) in self.unknown_among(files).await {
            looks.entry(shard).or_default().merge(Look::file(id, name));
        }
        if names_of_shards {
            self.find_new_shards().await;
        }
        // Watched first, listed then: what is made in between is seen by one of the two.
        if !shard_dirs.is_empty() {
            self.watch_shards(myself, shard_dirs.into_iter().collect()).await;
        }
        if !prompt_dirs.is_empty() {
            self.watch(myself, prompt_dirs.into_iter().collect()).await;
        }
        for (id, look) in looks {
            if let Some(shard) = self.shared.shards.get(&id) {
                shard.look(look);
            }
        }
    }

    /// Drops the files that are as the catalog and the cache say: the daemon's own writes. One stat each is all they cost.
    async fn unknown_among(&self, files: Vec<ChangedFile>) -> Vec<ChangedFile> {
        if files.is_empty() {
            return files;
        }
        let shared = Arc::clone(&self.shared);
        let _waits = shared.pulses.watcher.wait();
        let filtered = tokio::task::spawn_blocking(move || {
            files
                .into_iter()
                .filter(|(shard, id, name)| is_unknown(&shared, shard, id, name))
                .collect()
        });
        filtered.await.unwrap_or_default()
    }
}

/// A file in a prompt directory at which something happened.
type ChangedFile = (ShardId, PromptId, OsString);

/// Tells whether a file may be other than what is known of it.
fn is_unknown(shared: &Shared, shard: &ShardId, id: &PromptId, name: &OsStr) -> bool {
    let (Some(handle), Some(version)) = (shared.shards.get(shard), version_of_file_name(name)) else {
        return true;
    };
    let there = handle.disk.stamp(&shared.layout.version_file(id, &version));
    let known = shared
        .cache
        .peek(&(id.clone(), version))
        .and_then(|cached| cached.stamp);
    known.is_none() || known != there
}
