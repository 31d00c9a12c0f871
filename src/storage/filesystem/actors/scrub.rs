//! Reading the whole store slowly, versions and their test results, so that damage is found before somebody needs what is
//! damaged.
//!
//! The janitor calls [`Scrub::step`] once a second with what may be read. Nothing goes through the cache, and nothing is
//! changed. Where it is, is forgotten with the process: a start begins at a random shard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::model::{Integrity, PromptId, Timestamp, Version};
use crate::storage::filesystem::ExternalEdit;
use crate::storage::filesystem::disk::{
    EntryKind, ReadFailure, evidence_of_file_name, read_evidence, read_version,
};
use crate::storage::filesystem::work::Look;

use super::child::Shared;
use super::shard_handle::ShardHandle;

/// The most findings that are remembered one by one; `verify` lists all.
const MAX_FINDINGS: usize = 1_000;
/// How many findings are looked at again in one go.
const MAX_RECHECKS: usize = 64;
/// The cost of a file beyond its bytes: opening a small one is work, too.
const COST_PER_FILE: u64 = 1 << 10;

/// One file that is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    id: PromptId,
    version: Version,
    part: Part,
}

/// What a file holds of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Document,
    /// Its test results.
    Evidence,
}

/// A file that is not as it was written.
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
    findings: BTreeMap<Item, Finding>,
    last_finding: Option<Item>,
    /// The shard it is in, how many are done, how many there are; nothing while it rests.
    position: Option<(String, usize, usize)>,
    versions_read: u64,
    evidence_read: u64,
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
    items: VecDeque<Item>,
    began: Instant,
    versions_in_cycle: u64,
    evidence_in_cycle: u64,
    /// What a large file took beyond its second.
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
            "last_finding": last.map(|(item, finding)| json!({
                "prompt_id": item.id, "version": item.version, "kind": finding.kind, "message": finding.message,
                "found_at": finding.found_at,
            })),
            "position": self.position.as_ref().map(|(shard, done, all)| json!({
                "shard": shard, "shards_done": done, "shards": all,
            })),
            "versions_read": self.versions_read,
            "evidence_read": self.evidence_read,
            "bytes_read": self.bytes_read,
            "last_cycle": self.last_cycle,
        })
    }

    /// Returns how many files are damaged, and how many versions were edited and are served all the same.
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
        let is_last = |item: &&Item| self.last_finding.as_ref() == Some(*item);
        let item = self.damage().find(is_last).or_else(|| self.damage().last())?;
        let count = self.damage().count();
        Some(format!(
            "{count} files are not as they were written, such as {} {}@{}: run 'promptctl verify'",
            item.part.words(),
            item.id,
            item.version
        ))
    }

    /// Returns what was found and is damage.
    fn damage(&self) -> impl Iterator<Item = &Item> {
        let damaged = self
            .findings
            .iter()
            .filter(|(_, finding)| !self.is_note(finding.kind));
        damaged.map(|(item, _)| item)
    }

    fn is_note(&self, kind: &str) -> bool {
        self.serves_edits && kind == "edited"
    }

    /// Notes what a file turned out to be; tells the log once of each finding.
    fn note(&mut self, item: &Item, found: Option<(&'static str, String)>) {
        let Some((kind, message)) = found else {
            self.findings.remove(item);
            return;
        };
        let is_known = self.findings.get(item).is_some_and(|known| known.kind == kind);
        if is_known || self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let Item { id, version, part } = item;
        if self.is_note(kind) {
            tracing::info!(prompt_id = %id, %version, "the scrubber found a version that was changed outside promptd: it is served");
        } else {
            let what = part.words();
            tracing::warn!(prompt_id = %id, %version, what, kind, message, "the scrubber found a file that is not as it was written");
        }
        let found_at = Timestamp::now();
        let finding = Finding {
            kind,
            message,
            found_at,
        };
        self.findings.insert(item.clone(), finding);
        self.last_finding = Some(item.clone());
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
            items: VecDeque::new(),
            began: now,
            versions_in_cycle: 0,
            evidence_in_cycle: 0,
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
            let Some(item) = self.next(shared) else {
                return self.end_cycle(shared);
            };
            let bytes = self.look_at(shared, &item);
            let cost = bytes + COST_PER_FILE;
            self.debt = cost.saturating_sub(left);
            left = left.saturating_sub(cost);
        }
    }

    /// Looks again at what was found: it may be mended, or gone. Blocking.
    pub(super) fn recheck(shared: &Shared) {
        let found: Vec<Item> = {
            let status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.findings.keys().take(MAX_RECHECKS).cloned().collect()
        };
        for item in found {
            let (judged, _) = judge(shared, &item);
            let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
            status.note(&item, judged);
        }
    }

    /// Returns the next file; `None` at the end of a cycle.
    fn next(&mut self, shared: &Shared) -> Option<Item> {
        if self.all == 0 {
            self.begin_cycle(shared);
        }
        loop {
            if let Some(next) = self.items.pop_front() {
                return Some(next);
            }
            if let (Some(id), Some(shard)) = (self.prompts.pop_front(), &self.current) {
                let entry = shard.catalog.entry(&id);
                let versions = entry.map(|entry| entry.versions.clone()).unwrap_or_default();
                let documents = versions.into_iter().map(|version| (version, Part::Document));
                let evidence = evidence_of(shared, &id).into_iter();
                let evidence = evidence.map(|version| (version, Part::Evidence));
                let item = |(version, part)| Item {
                    id: id.clone(),
                    version,
                    part,
                };
                self.items = documents.chain(evidence).map(item).collect();
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
        (self.versions_in_cycle, self.evidence_in_cycle) = (0, 0);
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
            "evidence": self.evidence_in_cycle,
        }));
    }

    /// Reads one file and notes what it is; returns its size.
    fn look_at(&mut self, shared: &Shared, item: &Item) -> u64 {
        let (mut judged, bytes) = judge(shared, item);
        if judged.is_some() {
            // Somebody may be writing it by hand just now. What is still so at a second look is reported.
            std::thread::yield_now();
            judged = judge(shared, item).0;
        }
        let is_corrupt = judged
            .as_ref()
            .is_some_and(|(kind, _)| *kind == "corrupt-version");
        if is_corrupt && let Some(shard) = &self.current {
            shard.look(Look::file(
                item.id.clone(),
                format!("{}.json", item.version).into(),
            ));
        }
        let mut status = shared.scrub.lock().unwrap_or_else(PoisonError::into_inner);
        match item.part {
            Part::Document => {
                self.versions_in_cycle += 1;
                status.versions_read += 1;
            }
            Part::Evidence => {
                self.evidence_in_cycle += 1;
                status.evidence_read += 1;
            }
        }
        status.bytes_read += bytes;
        status.note(item, judged);
        bytes
    }
}

impl Part {
    /// What stands before the name of the version.
    const fn words(self) -> &'static str {
        match self {
            Self::Document => "version",
            Self::Evidence => "the test results of",
        }
    }
}

/// Returns the versions of a prompt that have a file of test results, also those in the trash and those that are nowhere.
/// Whatever else has such a name is told by `verify`.
fn evidence_of(shared: &Shared, id: &PromptId) -> Vec<Version> {
    // A directory that is gone or cannot be listed says nothing about its files.
    let names = shared
        .disk
        .list(&shared.layout.prompt_dir(id))
        .unwrap_or_default();
    let files = names.into_iter().filter(|(_, kind)| *kind == EntryKind::File);
    files
        .filter_map(|(name, _)| evidence_of_file_name(&name))
        .collect()
}

/// Reads a file and tells what is wrong with it, and how long it is.
fn judge(shared: &Shared, item: &Item) -> (Option<(&'static str, String)>, u64) {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let Item { id, version, part } = item;
    let max_bytes = shared.options.disk.max_file_bytes;
    let (corrupt, failure) = match part {
        Part::Document => match read_version(disk, layout, id, version, max_bytes) {
            Ok((stored, stamp)) if stored.integrity == Integrity::Edited => {
                let message =
                    "its checksum does not match: changed outside promptd, or by the disk".to_owned();
                return (Some(("edited", message)), stamp.size);
            }
            Ok((_, stamp)) => return (None, stamp.size),
            Err(failure) => ("corrupt-version", failure),
        },
        Part::Evidence => match read_evidence(disk, layout, id, version) {
            Ok(found) => return (None, found.map_or(0, |(_, stamp)| stamp.size)),
            Err(failure) => ("corrupt-evidence", failure),
        },
    };
    match failure {
        // Deleted meanwhile, or the system is short of something: both say nothing about the file.
        ReadFailure::Absent | ReadFailure::Exhausted(_) => (None, 0),
        ReadFailure::Corrupt(reason) => (Some((corrupt, reason)), 0),
        ReadFailure::Refused(reason) => (Some(("unreadable", reason)), 0),
    }
}

/// The time between two looks at what was found.
pub(super) const RECHECK: Duration = Duration::from_secs(10);
