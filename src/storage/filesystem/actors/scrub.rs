//! Reading the whole store slowly, so that damage is found before somebody needs what is damaged.
//!
//! The janitor calls [`Scrub::step`] once a second with what may be read. Nothing goes through the cache, and nothing is
//! changed. Where it is, is forgotten with the process: a start begins at a random shard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::log_events::LogEvent;
use crate::model::{Integrity, PromptId, Timestamp, Version};
use crate::storage::filesystem::ExternalEdit;
use crate::storage::filesystem::disk::{ReadFailure, read_version};
use crate::storage::filesystem::work::Look;

use super::child::Shared;
use super::shard_handle::ShardHandle;

/// The most findings that are remembered one by one; `verify` lists all.
const MAX_FINDINGS: usize = 1_000;
/// How many findings are looked at again in one go.
const MAX_RECHECKS: usize = 64;
/// The cost of a version beyond its bytes: opening a small file is work, too.
const COST_PER_VERSION: u64 = 1 << 10;

/// A version that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    kind: &'static str,
    message: String,
    found_at: Timestamp,
}

/// What an operator sees of the scrubber.
#[derive(Debug, Default)]
pub(crate) struct ScrubStatus {
    enabled: bool,
    /// Whether versions that were changed outside are served: then they are no damage.
    serves_edits: bool,
    findings: BTreeMap<(PromptId, Version), Finding>,
    last_finding: Option<(PromptId, Version)>,
    /// The shard it is in, how many are done, how many there are; nothing while it rests.
    position: Option<(String, usize, usize)>,
    versions_read: u64,
    bytes_read: u64,
    last_cycle: Option<Value>,
    last_cycle_at: Option<Timestamp>,
}

/// Where the scrubber is.
#[derive(Debug)]
pub(super) struct Scrub {
    rests_until: Instant,
    shards: VecDeque<Arc<ShardHandle>>,
    all: usize,
    current: Option<Arc<ShardHandle>>,
    prompts: VecDeque<PromptId>,
    versions: VecDeque<(PromptId, Version)>,
    began: Instant,
    versions_in_cycle: u64,
    /// What a large version took beyond its second.
    debt: u64,
}

impl ScrubStatus {
    /// Returns the part of the status.
    pub(crate) fn describe(&self) -> Value {
        let last = self
            .last_finding
            .as_ref()
            .and_then(|key| self.findings.get_key_value(key));
        json!({
            "enabled": self.enabled,
            "found": self.damage().count(),
            "edited": self.findings.len() - self.damage().count(),
            "last_finding": last.map(|((id, version), finding)| json!({
                "prompt_id": id, "version": version, "kind": finding.kind, "message": finding.message,
                "found_at": finding.found_at,
            })),
            "position": self.position.as_ref().map(|(shard, done, all)| json!({
                "shard": shard, "shards_done": done, "shards": all,
            })),
            "versions_read": self.versions_read,
            "bytes_read": self.bytes_read,
            "last_cycle": self.last_cycle,
        })
    }

    /// Returns how many versions are damaged, and how many were edited and are served all the same.
    pub(crate) fn found(&self) -> (u64, u64) {
        let damaged = self.damage().count();
        (damaged as u64, (self.findings.len() - damaged) as u64)
    }

    /// Returns how many versions and bytes were read so far.
    pub(crate) const fn read_so_far(&self) -> (u64, u64) {
        (self.versions_read, self.bytes_read)
    }

    /// Returns when everything was last read once.
    pub(crate) const fn last_cycle(&self) -> Option<&Timestamp> {
        self.last_cycle_at.as_ref()
    }

    /// Returns what to say of what was found; `None` when all is well.
    pub(crate) fn concern(&self) -> Option<String> {
        let is_last = |key: &&(PromptId, Version)| self.last_finding.as_ref() == Some(*key);
        let (id, version) = self.damage().find(is_last).or_else(|| self.damage().last())?;
        let count = self.damage().count();
        Some(format!(
            "{count} versions are not as they were written, such as {id}@{version}: run 'promptctl verify'"
        ))
    }

    /// Returns what was found and is damage.
    fn damage(&self) -> impl Iterator<Item = &(PromptId, Version)> {
        let damaged = self
            .findings
            .iter()
            .filter(|(_, finding)| !self.is_note(finding.kind));
        damaged.map(|(key, _)| key)
    }

    fn is_note(&self, kind: &str) -> bool {
        self.serves_edits && kind == "edited"
    }

    /// Notes what a version turned out to be; tells the log once of each finding.
    fn note(&mut self, id: &PromptId, version: &Version, found: Option<(&'static str, String)>) {
        let key = (id.clone(), version.clone());
        let Some((kind, message)) = found else {
            self.findings.remove(&key);
            return;
        };
        let is_known = self.findings.get(&key).is_some_and(|known| known.kind == kind);
        if is_known || self.findings.len() >= MAX_FINDINGS {
            return;
        }
        if self.is_note(kind) {
            tracing::info!(event = %LogEvent::EditedOutside, prompt_id = %id, %version, "the scrubber found a version that was changed outside promptd: it is served");
        } else {
            tracing::warn!(event = %LogEvent::DamageFound, prompt_id = %id, %version, kind, detail = message, "the scrubber found a version that is not as it was written");
        }
        let found_at = Timestamp::now();
        let finding = Finding {
            kind,
            message,
            found_at,
        };
        self.findings.insert(key.clone(), finding);
        self.last_finding = Some(key);
    }
}

impl Scrub {
    /// Makes a scrubber that begins after a pause.
    pub(super) fn new(shared: &Shared) -> Self {
        let now = Instant::now();
        let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
        status.enabled = shared.options.scrub.enabled;
        status.serves_edits = shared.options.on_external_edit == ExternalEdit::Serve;
        Self {
            rests_until: now + shared.options.scrub.first_pause,
            shards: VecDeque::new(),
            all: 0,
            current: None,
            prompts: VecDeque::new(),
            versions: VecDeque::new(),
            began: now,
            versions_in_cycle: 0,
            debt: 0,
        }
    }

    /// Reads what may be read in a second. Blocking.
    pub(super) fn step(&mut self, shared: &Shared) {
        if Instant::now() < self.rests_until {
            return;
        }
        let budget = shared.options.scrub.bytes_per_second;
        if self.debt >= budget {
            self.debt -= budget;
            return;
        }
        let mut left = budget - std::mem::take(&mut self.debt);
        while left > 0 && !shared.is_stopping() {
            let Some((id, version)) = self.next(shared) else {
                return self.end_cycle(shared);
            };
            let bytes = self.look_at(shared, &id, &version);
            let cost = bytes + COST_PER_VERSION;
            self.debt = cost.saturating_sub(left);
            left = left.saturating_sub(cost);
        }
    }

    /// Looks again at what was found: it may be mended, or gone. Blocking.
    pub(super) fn recheck(shared: &Shared) {
        let found: Vec<(PromptId, Version)> = {
            let status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.findings.keys().take(MAX_RECHECKS).cloned().collect()
        };
        for (id, version) in found {
            let (judged, _) = judge(shared, &id, &version);
            let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.note(&id, &version, judged);
        }
    }

    /// Returns the next version; `None` at the end of a cycle.
    fn next(&mut self, shared: &Shared) -> Option<(PromptId, Version)> {
        if self.all == 0 {
            self.begin_cycle(shared);
        }
        loop {
            if let Some(next) = self.versions.pop_front() {
                return Some(next);
            }
            if let (Some(id), Some(shard)) = (self.prompts.pop_front(), &self.current) {
                let entry = shard.catalog.entry(&id);
                let versions = entry.map(|entry| entry.versions.clone()).unwrap_or_default();
                self.versions = versions
                    .into_iter()
                    .map(|version| (id.clone(), version))
                    .collect();
                continue;
            }
            let shard = self.shards.pop_front()?;
            self.prompts = shard.catalog.ids().into();
            let done = self.all - self.shards.len() - 1;
            let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.position = Some((shard.id.to_string(), done, self.all));
            drop(status);
            self.current = Some(shard);
        }
    }

    fn begin_cycle(&mut self, shared: &Shared) {
        let mut shards: VecDeque<_> = shared.shards.all().into();
        if !shards.is_empty() {
            // Otherwise a daemon that is often started anew would only ever read the first shards.
            let offset = uuid::Uuid::new_v4().as_u128() % shards.len() as u128;
            shards.rotate_left(usize::try_from(offset).unwrap_or(0));
        }
        self.all = shards.len();
        self.shards = shards;
        self.began = Instant::now();
        self.versions_in_cycle = 0;
    }

    fn end_cycle(&mut self, shared: &Shared) {
        self.all = 0;
        self.current = None;
        self.rests_until = Instant::now() + shared.options.scrub.pause;
        let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
        status.position = None;
        let now = Timestamp::now();
        status.last_cycle_at = Some(now.clone());
        status.last_cycle = Some(json!({
            "finished_at": now,
            "seconds": self.began.elapsed().as_secs(),
            "versions": self.versions_in_cycle,
        }));
    }

    /// Reads one version and notes what it is; returns its size.
    fn look_at(&mut self, shared: &Shared, id: &PromptId, version: &Version) -> u64 {
        let (mut judged, bytes) = judge(shared, id, version);
        if judged.is_some() {
            // Somebody may be writing it by hand just now. What is still so at a second look is reported.
            std::thread::yield_now();
            judged = judge(shared, id, version).0;
        }
        let is_corrupt = judged
            .as_ref()
            .is_some_and(|(kind, _)| *kind == "corrupt-version");
        if is_corrupt && let Some(shard) = &self.current {
            shard.look(Look::file(id.clone(), format!("{version}.json").into()));
        }
        self.versions_in_cycle += 1;
        let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
        status.versions_read += 1;
        status.bytes_read += bytes;
        status.note(id, version, judged);
        bytes
    }
}

/// Reads a version and tells what is wrong with it, and how long it is.
fn judge(shared: &Shared, id: &PromptId, version: &Version) -> (Option<(&'static str, String)>, u64) {
    let max_bytes = shared.options.disk.max_file_bytes;
    match read_version(&*shared.disk, shared.layout, id, version, max_bytes) {
        Ok((stored, stamp)) if stored.integrity == Integrity::Edited => {
            let message = "its checksum does not match: changed outside promptd, or by the disk".to_owned();
            (Some(("edited", message)), stamp.size)
        }
        Ok((_, stamp)) => (None, stamp.size),
        // Deleted meanwhile, or the system is short of something: both say nothing about the version.
        Err(ReadFailure::Absent | ReadFailure::Exhausted(_)) => (None, 0),
        Err(ReadFailure::Corrupt(reason)) => (Some(("corrupt-version", reason)), 0),
        Err(ReadFailure::Refused(reason)) => (Some(("unreadable", reason)), 0),
    }
}

/// The time between two looks at what was found.
pub(super) const RECHECK: Duration = Duration::from_secs(10);
