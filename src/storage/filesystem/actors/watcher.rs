//! The watcher: notices changes made outside the daemon and tells the shards where to look.
//!
//! It sets its own watches, one per directory (the store, its shards, their prompts), so that the depth is fixed, the
//! directories of temporary files stay unwatched and each failure is seen. A new directory is watched first and listed
//! then. Lost events, however lost, end in looking at everything. Where inotify cannot serve, it scans.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::Serialize;

use crate::model::{PromptId, ShardDepth, ShardId};
use crate::storage::filesystem::disk::{MANIFEST_FILE, inotify_limit, version_of_file_name};
use crate::storage::filesystem::options::WatchMode;
use crate::storage::filesystem::work::Look;

use super::child::Shared;
use super::watch_inbox::{Gathered, WatchInbox};

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
pub(super) enum WatcherMessage {
    /// Events came in.
    Wake,
    /// The gathering time is over.
    Drain,
    /// Time to scan.
    Scan,
}

/// The watcher.
#[derive(Debug)]
pub(super) struct Watcher;

/// What the actor owns.
#[derive(Debug)]
pub(super) struct WatcherState {
    shared: Arc<Shared>,
    inbox: Arc<WatchInbox>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    scanning: bool,
    last_rescan: Option<tokio::time::Instant>,
}

impl Actor for Watcher {
    type Msg = WatcherMessage;
    type State = WatcherState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<WatcherMessage>,
        shared: Arc<Shared>,
    ) -> Result<WatcherState, ActorProcessingErr> {
        let inbox = Arc::new(WatchInbox::new(shared.options.watch.max_events));
        let (watched, scanning, last_rescan) = Default::default();
        Ok(WatcherState {
            shared,
            inbox,
            watcher: None,
            watched,
            scanning,
            last_rescan,
        })
    }

    async fn post_start(
        &self,
        myself: ActorRef<WatcherMessage>,
        state: &mut WatcherState,
    ) -> Result<(), ActorProcessingErr> {
        let mode = state.shared.options.watch.mode;
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
        match message {
            WatcherMessage::Wake => {
                drop(myself.send_after(state.shared.options.watch.debounce, || WatcherMessage::Drain));
            }
            WatcherMessage::Drain => {
                let gathered = state.inbox.take();
                state.status(|status| status.events += gathered.events);
                if gathered.lost {
                    state.recover_lost(&myself).await;
                } else {
                    state.follow(&myself, gathered).await;
                }
            }
            WatcherMessage::Scan => {
                state.look_everywhere().await;
                drop(myself.send_after(state.shared.options.watch.scan_interval, || WatcherMessage::Scan));
            }
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
        let callback = move |event| {
            if inbox.add(event) {
                let _stopping = actor.cast(WatcherMessage::Wake);
            }
        };
        match notify::recommended_watcher(callback) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(e) => self.give_up(myself, &format!("inotify cannot be used: {e}")),
        }
    }

    /// Watches every directory that the catalog knows; asking again for a watched one is harmless.
    async fn rearm(&mut self, myself: &ActorRef<WatcherMessage>) {
        let layout = self.shared.layout;
        let mut dirs = vec![PathBuf::new()];
        for shard in self.shared.shards.all() {
            dirs.push(layout.shard_dir(&shard.id));
            dirs.extend(shard.catalog.ids().iter().map(|id| layout.prompt_dir(id)));
        }
        dirs.dedup();
        self.watched.clear();
        self.watch(myself, dirs).await;
    }

    /// Sets watches on a blocking thread: each waits for the watching thread to take it.
    async fn watch(&mut self, myself: &ActorRef<WatcherMessage>, dirs: Vec<PathBuf>) {
        let Some(mut watcher) = self.watcher.take() else {
            return;
        };
        let root = self.shared.root.clone();
        let set = tokio::task::spawn_blocking(move || {
            let (mut done, mut failure) = (Vec::new(), None);
            for dir in dirs {
                match watcher.watch(&root.join(&dir), RecursiveMode::NonRecursive) {
                    Ok(()) => done.push(dir),
                    Err(e) if is_gone(&e) => {}
                    Err(e) => {
                        failure.get_or_insert(if matches!(e.kind, ErrorKind::MaxFilesWatch) {
                            format!("fs.inotify.max_user_watches is reached at {}: raise it (config/60-promptd-inotify.conf)", dir.display())
                        } else {
                            format!("watching {}: {e}", dir.display())
                        });
                        if matches!(e.kind, ErrorKind::MaxFilesWatch) {
                            break;
                        }
                    }
                }
            }
            (watcher, done, failure)
        });
        match set.await {
            Ok((watcher, done, failure)) => {
                self.watcher = Some(watcher);
                self.watched.extend(done);
                let count = self.watched.len();
                let limit = inotify_limit();
                self.status(|status| {
                    status.watches = count;
                    status.max_user_watches = limit;
                });
                if let Some(failure) = failure {
                    self.give_up(myself, &failure);
                }
            }
            Err(e) => self.give_up(myself, &format!("setting watches failed: {e}")),
        }
    }

    fn give_up(&mut self, myself: &ActorRef<WatcherMessage>, reason: &str) {
        let falls_back = self.shared.options.watch.mode == WatchMode::Auto;
        let first = !self.scanning;
        self.status(|status| status.last_error = Some(reason.to_owned()));
        if first {
            tracing::warn!(reason, scanning = falls_back, "not every directory is watched");
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

    async fn look_everywhere(&mut self) {
        self.last_rescan = Some(tokio::time::Instant::now());
        self.status(|status| status.rescans += 1);
        self.shared.find_new_shards().await;
        for shard in self.shared.shards.all() {
            shard.look(Look::everything());
        }
    }

    /// Events were lost: directories made meanwhile are not watched, so watches are set again before all is looked at.
    async fn recover_lost(&mut self, myself: &ActorRef<WatcherMessage>) {
        self.status(|status| status.overflows += 1);
        if self
            .last_rescan
            .is_some_and(|last| last.elapsed() < MIN_RESCAN_PAUSE)
        {
            // A storm: wait for its end instead of scanning once per wave.
            self.inbox.add(Err(notify::Error::generic("events were lost")));
            drop(myself.send_after(MIN_RESCAN_PAUSE, || WatcherMessage::Drain));
            return;
        }
        self.shared.find_new_shards().await;
        self.rearm_from_disk(myself).await;
        self.look_everywhere().await;
    }

    /// Watches what is on disk now, known or not.
    async fn rearm_from_disk(&mut self, myself: &ActorRef<WatcherMessage>) {
        let (disk, layout) = (Arc::clone(&self.shared.disk), self.shared.layout);
        let shards: Vec<ShardId> = self
            .shared
            .shards
            .all()
            .iter()
            .map(|shard| shard.id.clone())
            .collect();
        let listed = tokio::task::spawn_blocking(move || {
            let mut dirs = vec![PathBuf::new()];
            for shard in shards {
                dirs.push(layout.shard_dir(&shard));
                let names = crate::storage::filesystem::disk::scan_shard_names(&*disk, layout, &shard);
                dirs.extend(
                    names
                        .map(|(ids, _)| ids)
                        .unwrap_or_default()
                        .iter()
                        .map(|id| layout.prompt_dir(id)),
                );
            }
            dirs
        });
        if let Ok(dirs) = listed.await {
            self.watched.clear();
            self.watch(myself, dirs).await;
        }
    }

    /// Follows single events: watches what is new, tells each shard where to look.
    async fn follow(&mut self, myself: &ActorRef<WatcherMessage>, gathered: Gathered) {
        let mut looks: BTreeMap<ShardId, Look> = BTreeMap::new();
        let mut new_dirs = BTreeSet::new();
        let mut files = Vec::new();
        let mut names_of_shards = false;
        for path in &gathered.paths {
            let Ok(path) = path.strip_prefix(&self.shared.root) else {
                continue;
            };
            match place_of(self.shared.layout.depth, path) {
                Some(Place::Store) => names_of_shards = true,
                Some(Place::ShardDir(shard)) => {
                    names_of_shards = true;
                    new_dirs.insert(path.to_owned());
                    looks.entry(shard).or_default().merge(Look::everything());
                }
                Some(Place::PromptDir(shard, id)) => {
                    new_dirs.insert(path.to_owned());
                    looks.entry(shard).or_default().relist.insert(id);
                }
                Some(Place::File(shard, id, name)) => files.push((shard, id, name)),
                None => {}
            }
        }
        for (shard, id, name) in self.unknown_among(files).await {
            looks.entry(shard).or_default().merge(Look::file(id, name));
        }
        if names_of_shards {
            self.shared.find_new_shards().await;
            new_dirs.extend(self.dirs_inside(&new_dirs).await);
        }
        // Watched first, listed then: what is made in between is seen by one of the two.
        if !new_dirs.is_empty() {
            self.watch(myself, new_dirs.into_iter().collect()).await;
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
        let filtered = tokio::task::spawn_blocking(move || {
            files
                .into_iter()
                .filter(|(shard, id, name)| is_unknown(&shared, shard, id, name))
                .collect()
        });
        filtered.await.unwrap_or_default()
    }

    /// Returns the directories of prompts inside shard directories that are new.
    async fn dirs_inside(&self, shard_dirs: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let (disk, layout) = (Arc::clone(&self.shared.disk), self.shared.layout);
        let shards: Vec<ShardId> = shard_dirs
            .iter()
            .filter_map(|dir| layout.depth.shard_named(dir.to_str()?))
            .collect();
        let listed = tokio::task::spawn_blocking(move || {
            let names = |shard| crate::storage::filesystem::disk::scan_shard_names(&*disk, layout, shard);
            let ids = shards
                .iter()
                .filter_map(|shard| names(shard).ok())
                .flat_map(|(ids, _)| ids);
            ids.map(|id| layout.prompt_dir(&id)).collect()
        });
        listed.await.unwrap_or_default()
    }
}

/// A file in a prompt directory at which something happened.
type ChangedFile = (ShardId, PromptId, OsString);

/// Tells whether a file may be other than what is known of it. Names that mean nothing to the store are nobody's business.
fn is_unknown(shared: &Shared, shard: &ShardId, id: &PromptId, name: &OsStr) -> bool {
    let Some(handle) = shared.shards.get(shard) else {
        return true;
    };
    if name == MANIFEST_FILE {
        let known = handle.catalog.slot(id).and_then(|slot| slot.manifest);
        return known != handle.disk.stamp(&shared.layout.manifest_file(id));
    }
    let Some(version) = version_of_file_name(name) else {
        return false;
    };
    let there = handle.disk.stamp(&shared.layout.version_file(id, &version));
    let known = shared
        .cache
        .peek(&(id.clone(), version))
        .and_then(|cached| cached.stamp);
    known.is_none() || known != there
}

/// What a path in the store is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Store,
    ShardDir(ShardId),
    PromptDir(ShardId, PromptId),
    File(ShardId, PromptId, OsString),
}

/// Tells what a path is by its names; `None` for what is nobody's business: temporary files, trash, foreign names.
fn place_of(depth: ShardDepth, path: &Path) -> Option<Place> {
    let names: Vec<&OsStr> = path.iter().collect();
    let prompt = |name: &OsStr| PromptId::new(name.to_str()?).ok();
    let (shard, rest) = if depth == ShardDepth::FLAT {
        (depth.shard_named("")?, names.as_slice())
    } else {
        match names.as_slice() {
            [] => return Some(Place::Store),
            [first, rest @ ..] => (depth.shard_named(first.to_str()?)?, rest),
        }
    };
    match rest {
        [] if depth == ShardDepth::FLAT => Some(Place::Store),
        [] => Some(Place::ShardDir(shard)),
        [id] => Some(Place::PromptDir(shard, prompt(id)?)),
        [id, name] => Some(Place::File(shard, prompt(id)?, (*name).to_owned())),
        _ => None,
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(e) => matches!(
            e.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: u8, path: &str, expected: &str) {
        let place = place_of(ShardDepth::new(depth).unwrap(), Path::new(path));
        let shown = match place {
            None => "nobody's".to_owned(),
            Some(Place::Store) => "store".to_owned(),
            Some(Place::ShardDir(shard)) => format!("shard {shard}"),
            Some(Place::PromptDir(shard, id)) => format!("prompt {shard} {id}"),
            Some(Place::File(shard, id, name)) => format!("file {shard} {id} {}", name.display()),
        };
        assert_eq!(shown, expected, "{path}");
    }

    #[test]
    fn a_path_is_told_by_its_names() {
        check(2, "", "store");
        check(2, "69", "shard 69");
        check(2, "69/wf", "prompt 69 wf");
        check(2, "69/wf/1.0.0.json", "file 69 wf 1.0.0.json");
        check(2, "69/.tmp", "nobody's");
        check(2, "69/.tmp/x", "nobody's");
        check(2, ".trash/69", "nobody's");
        check(2, ".index.json", "nobody's");
        check(2, "zz", "nobody's");
        check(0, "", "store");
        check(0, "wf", "prompt (flat) wf");
        check(0, "wf/1.0.0.json", "file (flat) wf 1.0.0.json");
        check(0, ".tmp/x", "nobody's");
    }
}
