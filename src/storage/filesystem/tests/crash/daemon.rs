//! A daemon without actors: the real work of its shards, one piece after the other, over a disk in memory.
//!
//! Opening, planning, writing, recovery and the catalog are the code that serves clients. What is left out is the actor,
//! which does nothing to files: it hands its work over one by one, publishes the effects and answers, as is done here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use super::memory_disk::MemoryDisk;
use super::oracle::{Op, Oracle, Picture};
use super::world::Content;
use super::*;
use crate::model::{ShardId, TestResult, TestStatus};
use crate::storage::feed::Feed;
use crate::storage::filesystem::cache::VersionCache;
use crate::storage::filesystem::catalog::{Catalog, ShardCatalog};
use crate::storage::filesystem::disk::{
    Run, ShardDisk, list_shards, read_evidence, read_version_at, recover_shard, settle_metadata, write_index,
};
use crate::storage::filesystem::work::{
    Effects, Look, WorkContext, WriteDone, WriteOp, look, put_all, write_one,
};
use crate::storage::{EvidenceLimits, Problem};

/// Tells one opening from the next, as a process id does.
static RUNS: AtomicU64 = AtomicU64::new(1);
/// Texts of version files that were read, by place and content.
static READ: Mutex<BTreeMap<(PathBuf, u64), String>> = Mutex::new(BTreeMap::new());

/// What recovery had to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    pub(crate) replayed: u64,
    pub(crate) discarded: u64,
    pub(crate) problems: Vec<Problem>,
}

struct Shard {
    disk: Arc<ShardDisk>,
    catalog: Arc<ShardCatalog>,
}

/// The promises of a daemon, one state after the other. Each has a number, by which the disk remembers them.
#[derive(Debug)]
pub(crate) struct Log {
    disk: MemoryDisk,
    oracles: Mutex<Vec<Oracle>>,
}

pub(crate) struct Daemon {
    disk: Arc<dyn Disk>,
    catalog: Catalog,
    cache: Arc<VersionCache>,
    run: Run,
    shards: BTreeMap<ShardId, Shard>,
}

impl Log {
    pub(crate) fn new(disk: &MemoryDisk) -> Self {
        Self {
            disk: disk.clone(),
            oracles: Mutex::new(vec![Oracle::default()]),
        }
    }

    /// Notes something at this very instant, as the disk sees it.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Oracle)) -> usize {
        let mut oracles = self.oracles.lock().unwrap();
        let mut oracle = oracles.last().unwrap().clone();
        note(&mut oracle);
        oracles.push(oracle);
        self.disk.set_mark(oracles.len() - 1);
        oracles.len() - 1
    }

    /// Notes something that will hold from an instant on which the disk knows better.
    pub(crate) fn note_for_later(&self, note: impl FnOnce(&mut Oracle)) -> usize {
        let mut oracles = self.oracles.lock().unwrap();
        let mut oracle = oracles.last().unwrap().clone();
        note(&mut oracle);
        oracles.push(oracle);
        oracles.len() - 1
    }

    pub(crate) fn oracles(&self) -> Vec<Oracle> {
        self.oracles.lock().unwrap().clone()
    }
}

impl Daemon {
    /// Opens a store as a start of the daemon does: what is there becomes durable, the metadata and the index are read,
    /// every shard recovers, the index is written.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<(Self, Recovery), String> {
        disk.sync_all().map_err(|e| e.to_string())?;
        settle_metadata(&*disk, Path::new("store"), ShardDepth::DEFAULT).map_err(|e| e.to_string())?;
        let (hints, source) = load_index(&*disk);
        if let disk::IndexSource::Damaged(reason) = source {
            return Err(format!("the index is damaged: {reason}"));
        }
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let mut daemon = Self {
            catalog: Catalog::new(Feed::new(100)),
            cache: Arc::new(VersionCache::new(
                true,
                1000,
                1 << 20,
                1 << 20,
                Default::default(),
            )),
            run: Run {
                id: Arc::from(format!("run{run}")),
                distrust: None,
            },
            shards: BTreeMap::new(),
            disk,
        };
        let mut recovery = Recovery::default();
        let (shards, problems) = list_shards(&*daemon.disk, LAYOUT).map_err(|e| e.to_string())?;
        recovery.problems.extend(problems);
        for id in shards {
            daemon.recover(&id, &hints, &mut recovery)?;
        }
        daemon.write_index()?;
        Ok((daemon, recovery))
    }

    fn recover(&mut self, id: &ShardId, hints: &IndexHints, recovery: &mut Recovery) -> Result<(), String> {
        let shard = self.shard(id);
        let found = recover_shard(&shard.disk, hints).map_err(|fault| format!("recovery: {fault:?}"))?;
        recovery.replayed += found.replayed;
        recovery.discarded += found.discarded;
        shard.catalog.replace(found.slots, found.problems, None);
        recovery.problems.extend(shard.catalog.problems());
        Ok(())
    }

    /// Looks at what changed in the shard of a prompt, as the shard does when the watcher says so.
    pub(crate) fn look(&mut self, prompt: &str) {
        let context = self.context(prompt);
        let mut effects = Effects::default();
        look(&context, Look::everything(), &mut effects).unwrap();
        assert_eq!(effects.must_recover, None);
        self.cache.remove_all(&effects.evicted);
        context.catalog.apply(effects.changes, &effects.intents);
    }

    fn context(&mut self, prompt: &str) -> WorkContext {
        let cache = Arc::clone(&self.cache);
        let shard = self.shard(&ShardDepth::DEFAULT.shard_of(&id(prompt)));
        WorkContext {
            disk: Arc::clone(&shard.disk),
            catalog: Arc::clone(&shard.catalog),
            cache,
            max_batch_bytes: 1 << 20,
            evidence_limits: EvidenceLimits::default(),
            metrics: Arc::default(),
            observer: None,
        }
    }

    fn shard(&mut self, id: &ShardId) -> &Shard {
        let limits = DiskLimits {
            max_file_bytes: 1 << 20,
            min_free_bytes: 0,
        };
        self.shards.entry(id.clone()).or_insert_with(|| {
            let (disk, run) = (Arc::clone(&self.disk), self.run.clone());
            Shard {
                disk: Arc::new(ShardDisk::new(disk, LAYOUT, id.clone(), limits, run)),
                catalog: self.catalog.shard(id),
            }
        })
    }

    pub(crate) fn write_index(&self) -> Result<(), String> {
        let slots: Vec<_> = self
            .catalog
            .parts()
            .iter()
            .flat_map(|part| part.slots())
            .collect();
        let written = write_index(&*self.disk, slots.iter(), jiff::Timestamp::now());
        written.map(drop).map_err(|fault| format!("index: {fault:?}"))
    }

    /// Does what clients ask for, as one piece of work of their shard, and tells the log what was promised when. What fails
    /// stays open: nobody was told that it is done. The log knows already that they are asked for.
    pub(crate) fn serve(&mut self, log: &Log, ops: &[Op]) -> Vec<Result<WriteDone, StorageError>> {
        let context = self.context(ops[0].id());
        let (disk, catalog) = (Arc::clone(&context.disk), Arc::clone(&context.catalog));
        let mut effects = Effects::default();
        let answers = if ops.len() > 1 {
            let requests = ops.iter().map(|op| match write_op(op) {
                WriteOp::Put(request) => (id(op.id()), *request),
                other => panic!("only puts go together: {other:?}"),
            });
            put_all(&context, requests.collect(), &mut effects)
        } else {
            vec![write_one(
                &context,
                &id(ops[0].id()),
                write_op(&ops[0]),
                &mut effects,
            )]
        };
        self.cache.remove_all(&effects.evicted);
        catalog.apply(effects.changes, &effects.intents);
        for (key, version) in effects.cached {
            self.cache.insert(key, version);
        }
        for (op, answer) in ops.iter().zip(&answers) {
            if answer.is_ok() {
                log.note(|oracle| oracle.acknowledge(op));
            }
        }
        if effects.must_recover.is_some() {
            let shard = disk.shard.clone();
            disk.sync_all().unwrap();
            self.cache.remove_where(|_| true);
            let again = self.recover(&shard, &IndexHints::default(), &mut Recovery::default());
            again.unwrap_or_else(|reason| panic!("{reason}"));
        }
        answers
    }

    /// What every prompt is, read with the code that serves readers.
    pub(crate) fn pictures(&self) -> Result<BTreeMap<String, Picture>, String> {
        let mut pictures = BTreeMap::new();
        for slot in self.catalog.parts().iter().flat_map(|part| part.slots()) {
            let mut picture = Picture::default();
            let of = &slot.entry.id;
            for number in &slot.entry.versions {
                let text = self.text(&LAYOUT.version_file(of, number), of, number)?;
                picture.versions.insert(number.clone(), text);
            }
            for number in &slot.entry.trash {
                let text = self.text(&LAYOUT.trash_file(of, number, 0), of, number)?;
                picture.trash.insert(number.clone(), text);
            }
            for number in slot.entry.versions.iter().chain(&slot.entry.trash) {
                let read = read_evidence(&*self.disk, LAYOUT, of, number);
                let read = read.map_err(|failure| format!("the results of {of}@{number}: {failure:?}"))?;
                if let Some((results, _)) = read {
                    let executions = results.into_iter().map(|result| result.execution_id);
                    picture.evidence.insert(number.clone(), executions.collect());
                }
            }
            for (label, target) in &slot.entry.labels {
                picture.labels.insert(label.to_string(), target.version.clone());
            }
            if picture != Picture::default() {
                pictures.insert(of.to_string(), picture);
            }
        }
        Ok(pictures)
    }

    /// What can be read of one prompt.
    pub(crate) fn readable(&self, prompt: &str) -> Picture {
        let of = id(prompt);
        let part = self.catalog.shard(&ShardDepth::DEFAULT.shard_of(&of));
        let mut picture = Picture::default();
        let Some(entry) = part.entry(&of) else {
            return picture;
        };
        let read = |path: PathBuf, number: &Version| {
            let text = self.text(&path, &of, number).ok();
            text.map(|text| (number.clone(), text))
        };
        let live = entry.versions.iter();
        picture
            .versions
            .extend(live.filter_map(|number| read(LAYOUT.version_file(&of, number), number)));
        let deleted = entry.trash.iter();
        picture
            .trash
            .extend(deleted.filter_map(|number| read(LAYOUT.trash_file(&of, number, 0), number)));
        let labels = entry.labels.iter();
        picture
            .labels
            .extend(labels.map(|(label, target)| (label.to_string(), target.version.clone())));
        picture
    }

    /// Reads a version with the code that serves readers, and says when it is not sealed. The same bytes under the same name are
    /// read only once by all tests together.
    fn text(&self, path: &Path, of: &PromptId, number: &Version) -> Result<String, String> {
        let content = self
            .disk
            .read(path, 1 << 20)
            .map_err(|e| format!("{of}@{number}: {e}"))?;
        let key = (path.to_owned(), Content::new(&content.bytes).hash);
        if let Some(text) = READ.lock().unwrap().get(&key) {
            return Ok(text.clone());
        }
        let found = read_version_at(&*self.disk, path, of, number, 1 << 20);
        let (stored, _) = found.map_err(|failure| format!("{of}@{number}: {failure:?}"))?;
        let text = by_hand::marked(&stored.document().unwrap().prompt.text, stored.integrity);
        READ.lock().unwrap().insert(key, text.clone());
        Ok(text)
    }

    /// The number that the next version of a prompt gets.
    pub(crate) fn next_number(&self, prompt: &str) -> Version {
        let part = self.catalog.shard(&ShardDepth::DEFAULT.shard_of(&id(prompt)));
        let entry = part.entry(&id(prompt));
        let used = entry.iter().flat_map(|entry| entry.used());
        crate::versions::numbering::next_version_after(used, Bump::Patch).unwrap()
    }
}

/// Test results of executions with these names.
pub(super) fn results(executions: &[String]) -> Vec<TestResult> {
    let result =
        |execution: &String| crate::model::test_result::tests::result(execution, TestStatus::Success, 1.0);
    executions.iter().map(result).collect()
}

fn write_op(op: &Op) -> WriteOp {
    let author = Author::daemon();
    match op {
        Op::Put { id, text } => WriteOp::Put(Box::new(next(id, text))),
        Op::Save { id, version, text } => {
            WriteOp::Put(Box::new(PutVersion::exact(document(id, version, text))))
        }
        Op::Delete { versions, .. } => WriteOp::Delete {
            versions: versions.iter().map(|number| version(number)).collect(),
            force: true,
            author,
        },
        Op::Restore { version: number, .. } => WriteOp::Restore(version(number)),
        Op::Forget { version: number, .. } => WriteOp::PurgeTrashed(vec![version(number)]),
        Op::Purge { .. } => WriteOp::Purge { force: true },
        Op::SetLabel {
            label,
            version: number,
            ..
        } => WriteOp::SetLabel(SetLabel {
            label: Label::new(label).unwrap(),
            version: version(number),
            expected: None,
            author,
        }),
        Op::RemoveLabel { label, .. } => WriteOp::RemoveLabel {
            label: Label::new(label).unwrap(),
            expected: None,
            author,
        },
        Op::AddEvidence {
            version: number,
            executions,
            ..
        } => WriteOp::AddEvidence {
            version: version(number),
            results: results(executions),
        },
        Op::TakeIn { id } => WriteOp::Adopt(Box::new(restoring::request(id))),
        Op::Seal { accepted, .. } => WriteOp::Seal(accepted.as_deref().map(version)),
        Op::MendManifest { .. } => WriteOp::MendManifest,
    }
}
