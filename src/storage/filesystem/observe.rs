//! The state of the storage as numbers, looked up when somebody asks.

use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::metrics::{Registry, Rejections, Samples};
use crate::storage::Performance;
use crate::storage::liveness::ActorState;

use super::FileSystemStorage;
use super::actors::{ChildId, Shared};
use super::disk::FullCause;
use super::liveness::SUPERVISOR;
use super::runtime::atomic::Ordering;
use super::runtime::spawn_blocking;

/// How long somebody who asks waits for the disk to say how much room there is. What it said before is shown then.
const DISK_PATIENCE: Duration = Duration::from_millis(250);

/// All shards together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ShardTotals {
    /// Shards with a directory.
    pub count: u64,
    /// They serve writes.
    pub up: u64,
    /// They do not, and come back by themselves.
    pub down: u64,
    /// They failed too often, and are tried again later.
    pub resting: u64,
    /// The disk does not answer their writes.
    pub hanging: u64,
    /// They write no more until the daemon is started again.
    pub refusing: u64,
    /// They did not answer when they were asked last.
    pub silent: u64,
    /// Writes that wait or are being made.
    pub queue_depth: u64,
    /// The most that wait for one shard.
    pub deepest_queue: u64,
    /// Writes that are being made.
    pub in_flight: u64,
    /// How long the oldest work in flight has been going on.
    pub oldest_work: Option<Duration>,
    /// Restarts since the start.
    pub restarts: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Writes since the start.
    pub writes: u64,
}

impl Shared {
    /// Adds up the shards.
    pub(super) fn shard_totals(&self) -> ShardTotals {
        let mut totals = ShardTotals::default();
        for shard in self.shards.all() {
            let (state, depth) = (&shard.state, shard.queue_depth() as u64);
            let is_up = shard.is_up();
            let rests = !is_up && state.rests.load(Ordering::Relaxed);
            totals.count += 1;
            totals.up += u64::from(is_up);
            totals.resting += u64::from(rests);
            totals.down += u64::from(!is_up && !rests);
            totals.hanging += u64::from(shard.hangs(self.write_timeout()).is_some());
            totals.refusing += u64::from(shard.disk.refusal().is_some());
            totals.silent += u64::from(self.is_silent(&ChildId::Shard(shard.id.clone()).to_string()));
            totals.queue_depth += depth;
            totals.deepest_queue = totals.deepest_queue.max(depth);
            totals.in_flight += state.in_flight.load(Ordering::Relaxed) as u64;
            totals.oldest_work = totals.oldest_work.max(shard.work_age());
            totals.restarts += state.restarts.load(Ordering::Relaxed);
            totals.commits += state.commits.load(Ordering::Relaxed);
            totals.writes += state.writes.load(Ordering::Relaxed);
        }
        totals
    }

    /// Returns the name and the state of every child that is no shard.
    pub(super) fn other_children(&self) -> Vec<(String, ActorState)> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others
            .iter()
            .map(|(child, state)| {
                let name = child.to_string();
                let silent = self.is_silent(&name);
                (
                    name,
                    ActorState {
                        silent,
                        ..state.clone()
                    },
                )
            })
            .collect()
    }
}

impl FileSystemStorage {
    /// Gives everything that is measured here a name in a registry, and returns the limits that were run into.
    pub fn register_metrics(&self, registry: &mut Registry) -> Rejections {
        self.shared.metrics.register(registry);
        registry.register_collector(Box::new(StorageCollector(Arc::downgrade(&self.shared))));
        self.shared.metrics.rejections.clone()
    }

    /// Asks the disk how much room there is. One call at a time: on a disk that hangs they would pile up.
    pub(super) async fn look_at_disk(&self) {
        let shared = Arc::clone(&self.shared);
        if shared.metrics.looks_at_disk.swap(true, Ordering::AcqRel) {
            return;
        }
        let look = spawn_blocking(move || {
            if let Ok(space) = shared.disk.space() {
                shared.saw_space(space);
            }
            shared.metrics.looks_at_disk.store(false, Ordering::Release);
        });
        // Late or not: what is known is shown.
        let _late = tokio::time::timeout(DISK_PATIENCE, look).await;
    }

    pub(super) fn judge_performance(&self, slow_read: f64, slow_write: f64) -> Performance {
        let space = *self.shared.space.lock().unwrap_or_else(PoisonError::into_inner);
        Performance {
            disk: space
                .filter(|space| space.total > 0)
                .map(|space| (space.free, space.total)),
            ..self.shared.metrics.performance(slow_read, slow_write)
        }
    }
}

/// Looks at a storage when it is asked. Does not keep it open.
#[derive(Debug)]
struct StorageCollector(Weak<Shared>);

impl Collector for StorageCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(shared) = self.0.upgrade() else {
            return Ok(());
        };
        let mut samples = Samples::new(encoder);
        shards(&shared, &mut samples)?;
        actors(&shared, &mut samples)?;
        content(&shared, &mut samples)?;
        disk(&shared, &mut samples)?;
        watching(&shared, &mut samples)?;
        scrubbing(&shared, &mut samples)
    }
}

fn shards(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let totals = shared.shard_totals();
    samples.gauges(
        "promptd_shards",
        "Shards by state; one that hangs, refuses or is silent is up as well",
        "state",
        [
            ("up", totals.up),
            ("down", totals.down),
            ("resting", totals.resting),
            ("hanging", totals.hanging),
            ("refusing", totals.refusing),
            ("silent", totals.silent),
        ],
    )?;
    samples.gauge(
        "promptd_write_queue_depth",
        "Writes that wait for their shard or are being made",
        totals.queue_depth,
    )?;
    samples.gauge(
        "promptd_write_queue_depth_deepest",
        "The most that wait for one shard; the limit of each is max_queue_depth",
        totals.deepest_queue,
    )?;
    samples.gauge(
        "promptd_commit_oldest_age_seconds",
        "How long the oldest work of a shard has been going on; 0 when none is",
        totals.oldest_work.unwrap_or_default().as_secs_f64(),
    )
}

fn actors(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let (totals, others) = (shared.shard_totals(), shared.other_children());
    let restarts = others
        .iter()
        .map(|(name, status)| (name.as_str(), status.restarts));
    samples.counters(
        "promptd_actor_restarts",
        "How often actors of the storage were started again",
        "actor",
        restarts.chain([("shard", totals.restarts)]),
    )?;
    let up = others
        .iter()
        .map(|(name, status)| (name.as_str(), u64::from(status.up)));
    samples.gauges(
        "promptd_actor_up",
        "Whether an actor of the storage runs; promptd_shards has the shards",
        "actor",
        up,
    )?;
    let silent = others
        .iter()
        .map(|(name, state)| (name.as_str(), u64::from(state.silent)));
    let above = u64::from(shared.is_silent(SUPERVISOR));
    samples.gauges(
        "promptd_actor_silent",
        "Whether an actor of the storage did not answer when the watchdog asked it last; promptd_shards has the shards",
        "actor",
        silent.chain([("supervisor", above)]),
    )
}

fn content(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let (prompts, versions) = shared.catalog.totals();
    samples.gauge("promptd_prompts", "Prompts with versions", prompts)?;
    samples.gauge("promptd_versions", "Versions, without the trash", versions)?;
    let listed: usize = shared
        .catalog
        .parts()
        .iter()
        .map(|part| part.problems().len())
        .sum();
    let known = shared
        .problems
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len();
    samples.gauge(
        "promptd_store_problems",
        "What lies in the store and is not served",
        (listed + known) as u64,
    )?;
    if let Some((entries, bytes, _)) = shared.cache.size() {
        samples.gauge("promptd_cache_entries", "Versions in the cache", entries)?;
        samples.gauge("promptd_cache_bytes", "Bytes in the cache", bytes)?;
    }
    samples.gauge(
        "promptd_index_lag_seconds",
        "For how long the oldest change has not been in .index.json; 0 when all are",
        shared.metrics.index_lag().unwrap_or_default().as_secs_f64(),
    )
}

fn disk(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let space = *shared.space.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(space) = space.filter(|space| space.total > 0) {
        samples.gauge(
            "promptd_disk_free_bytes",
            "Bytes that the daemon may still write on the file system of the store",
            space.free,
        )?;
        samples.gauge(
            "promptd_disk_size_bytes",
            "Size of the file system of the store",
            space.total,
        )?;
    }
    samples.gauge(
        "promptd_disk_read_only",
        "Whether the file system of the store is read-only",
        u64::from(shared.is_read_only()),
    )?;
    let cause = shared.room.full().map(|full| full.cause);
    samples.gauges(
        "promptd_storage_full",
        "Whether nothing new is stored for want of room, by cause",
        "cause",
        [
            ("reserve", u64::from(cause == Some(FullCause::Reserve))),
            ("disk", u64::from(cause == Some(FullCause::Disk))),
        ],
    )
}

fn watching(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let status = shared
        .watch_status
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let modes = ["inotify", "scan", "off"].map(|mode| (mode, u64::from(status.mode == mode)));
    samples.gauges(
        "promptd_watch_mode",
        "How changes made outside are noticed",
        "mode",
        modes,
    )?;
    samples.counter("promptd_watch_events", "Events of inotify", status.events)?;
    samples.counter(
        "promptd_watch_overflows",
        "How often events were lost, so that everything was looked at",
        status.overflows,
    )?;
    samples.counter(
        "promptd_watch_rescans",
        "How often everything was looked at",
        status.rescans,
    )?;
    samples.gauge(
        "promptd_watch_directories",
        "Directories watched",
        status.watches as u64,
    )?;
    samples.known_gauge(
        "promptd_watch_directories_limit",
        "What the kernel allows this user, all programs together (fs.inotify.max_user_watches)",
        status.max_user_watches,
    )?;
    let delay = shared.metrics.watch_delay().unwrap_or_default();
    samples.gauge(
        "promptd_watch_oldest_event_age_seconds",
        "How long the oldest event has waited to be looked at; 0 when none does",
        delay.as_secs_f64(),
    )
}

fn scrubbing(shared: &Shared, samples: &mut Samples<'_>) -> Result<(), fmt::Error> {
    let scrub = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
    let (damaged, edited) = scrub.found();
    let (versions, bytes) = scrub.read_so_far();
    samples.gauges(
        "promptd_scrub_findings",
        "Versions and files of test results that are not as they were written",
        "kind",
        [("damaged", damaged), ("edited", edited)],
    )?;
    samples.counter(
        "promptd_scrub_versions_read",
        "Versions that the scrubber read",
        versions,
    )?;
    samples.counter("promptd_scrub_read_bytes", "Bytes that the scrubber read", bytes)?;
    samples.known_gauge(
        "promptd_scrub_last_cycle_timestamp_seconds",
        "When the scrubber had last read everything, in seconds since 1970",
        scrub.last_cycle().map(|at| at.instant().as_second()),
    )
}
