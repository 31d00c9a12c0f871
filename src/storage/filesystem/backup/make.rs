//! Making a backup.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::model::{PromptId, ShardId, Timestamp, Version};
use crate::storage::filesystem::actors::ShardHandle;
use crate::storage::filesystem::disk::{
    EntryKind, MAX_METADATA_BYTES, METADATA_FILE, belongs_to_trashed, list_shards, scan_shard_names,
};
use crate::storage::filesystem::work::{Quiet, WriteOp};
use crate::storage::{
    BackupCounts, BackupForm, BackupReport, BackupRequest, Problem, Progress, StorageError,
};

use super::gather::{Care, Gathered, Gatherer, NotGathered};
use super::inventory::{FileFacts, Inventory, MAX_FILES, MAX_PROBLEMS};
use super::list;
use super::member::INVENTORY_FILE;
use super::place::Place;
use super::sink::{Added, ArchiveSink, DirectorySink, Sink};
use super::source::{Source, Watch};
use super::stage::Stage;
use super::{PARTIAL, Work, check_cancelled, io_error, max_entry_bytes, millis_since};

/// How often a prompt is read while the store goes on before its shard is asked to stand still for it.
const MAX_BUSY_TRIES: usize = 4;
/// How often it is read then, while other programs change it.
const MAX_QUIET_TRIES: usize = 3;
/// How often a shard is asked that is busy or down.
const MAX_ASKS: u32 = 20;
/// The pause between these.
const ASK_PAUSE: Duration = Duration::from_millis(250);
/// The most snapshots of one second.
const MAX_COPIES: u32 = 1000;

/// A backup while it is made.
struct Making<'a> {
    work: &'a Work,
    progress: &'a Progress,
    gatherer: Arc<Mutex<Gatherer>>,
    sink: Box<dyn Sink>,
    inventory: Inventory,
    copied: u64,
    linked: u64,
}

/// Where a backup is made, and where it goes.
struct Target {
    place: Place,
    /// The directory that holds it and its unfinished form.
    dir: PathBuf,
    partial: PathBuf,
    stage: PathBuf,
}

/// Makes a backup. Blocking; one prompt is one step of progress. Whatever goes wrong, nothing of it is left.
pub(super) fn make(
    work: &Work,
    request: &BackupRequest,
    progress: &Progress,
) -> Result<BackupReport, StorageError> {
    let began = Instant::now();
    let place = Place::read(&work.root.path, request.target.as_deref())?;
    let target = prepare(work, place, &request.job)?;
    let made = fill(work, &target, progress).and_then(|(inventory, copied, linked)| {
        let path = publish(work, &target, &inventory, progress)?;
        Ok(BackupReport {
            full_path: work.root.path.join(&path).display().to_string(),
            path: path.display().to_string(),
            form: target.place.form,
            created_at: inventory.created_at,
            counts: inventory.counts,
            copied,
            linked,
            problems: inventory.problems,
            duration_ms: millis_since(began),
        })
    });
    for leftover in [&target.stage, &target.partial] {
        if let Err(e) = super::remove_all(&*work.root.disk, leftover) {
            tracing::warn!(path = %leftover.display(), error = %e, "what is left of a backup could not be removed: the next one does");
        }
    }
    made
}

/// Makes the directory that the backup goes into, and clears it of what a crash left.
fn prepare(work: &Work, place: Place, job: &str) -> Result<Target, StorageError> {
    let disk = &*work.root.disk;
    let dir = match place.form {
        BackupForm::Directory => place.path.clone(),
        BackupForm::Archive => place.path.parent().unwrap_or(Path::new("")).to_owned(),
    };
    ensure_dirs(work, &dir)?;
    if super::is_there(disk, &dir.join(INVENTORY_FILE))? {
        let shown = dir.display();
        return Err(StorageError::Backup(format!(
            "{shown} is a snapshot itself: name the directory that holds it, or another one"
        )));
    }
    if place.form == BackupForm::Archive && super::is_there(disk, &place.path)? {
        return Err(taken(&place.path));
    }
    let prefix = super::unfinished_prefix(PARTIAL, &work.store_id);
    super::remove_unfinished(disk, &dir, &prefix)?;
    let partial = dir.join(format!("{prefix}{job}"));
    Ok(Target {
        place,
        stage: dir.join(format!("{prefix}{job}.stage")),
        dir,
        partial,
    })
}

fn taken(path: &Path) -> StorageError {
    StorageError::Backup(format!(
        "{} is there already and is not replaced: choose another name",
        path.display()
    ))
}

fn ensure_dirs(work: &Work, dir: &Path) -> Result<(), StorageError> {
    let mut made = PathBuf::new();
    for name in dir {
        let parent = made.clone();
        made.push(name);
        let new = work.root.disk.make_dir(&made);
        if new.map_err(|e| io_error("making", &made, &e))? {
            let synced = work.root.disk.sync_dir(&parent);
            synced.map_err(|e| io_error("syncing", &parent, &e))?;
        }
    }
    Ok(())
}

/// Copies everything into the unfinished form and makes it durable.
fn fill(work: &Work, target: &Target, progress: &Progress) -> Result<(Inventory, u64, u64), StorageError> {
    let created_at = Timestamp::now();
    let (disk, partial) = (Arc::clone(&work.root.disk), &target.partial);
    let sink: io::Result<Box<dyn Sink>> = match target.place.form {
        BackupForm::Directory => {
            let base = list::base(&disk, &target.dir)?;
            DirectorySink::create(disk, partial, base).map(|sink| Box::new(sink) as Box<dyn Sink>)
        }
        BackupForm::Archive => {
            let seconds = u64::try_from(created_at.instant().as_second()).unwrap_or(0);
            ArchiveSink::create(&*disk, partial, seconds).map(|sink| Box::new(sink) as Box<dyn Sink>)
        }
    };
    let mut making = Making {
        work,
        progress,
        gatherer: Arc::new(Mutex::new(Gatherer {
            disk: Arc::clone(&work.shared.disk),
            layout: work.shared.layout,
            max_file_bytes: work.shared.options.disk.max_file_bytes,
            stage: Stage::new(
                Arc::clone(&work.root.disk),
                &target.stage,
                work.shared.options.backup_memory_bytes,
            ),
        })),
        sink: sink.map_err(|e| io_error("making", partial, &e))?,
        inventory: Inventory {
            store_id: work.store_id.clone(),
            shard_depth: work.shared.layout.depth,
            created_at,
            promptd_version: env!("CARGO_PKG_VERSION").to_owned(),
            counts: BackupCounts::default(),
            problems: Vec::new(),
            files: BTreeMap::new(),
        },
        copied: 0,
        linked: 0,
    };
    making.copy_store()?;
    let Making {
        sink,
        mut inventory,
        copied,
        linked,
        ..
    } = making;
    inventory.count();
    let rendered = inventory.render().map_err(StorageError::Backup)?;
    sink.finish(&rendered)
        .map_err(|e| io_error("finishing", partial, &e))?;
    Ok((inventory, copied, linked))
}

/// Reads everything back, and only then gives the backup its name.
fn publish(
    work: &Work,
    target: &Target,
    inventory: &Inventory,
    progress: &Progress,
) -> Result<PathBuf, StorageError> {
    let written = Source {
        disk: Arc::clone(&work.root.disk),
        path: target.partial.clone(),
        form: target.place.form,
        max_entry_bytes: max_entry_bytes(&work.shared),
    };
    let watch = Watch {
        progress,
        is_shown: false,
    };
    let read_back = written.examine_strictly(watch, &mut |_, _| Ok(()))?;
    if read_back.inventory != *inventory {
        return Err(written.damaged("its inventory is not what was written: look at the disk"));
    }
    check_cancelled(progress)?;
    let names: Box<dyn Iterator<Item = PathBuf>> = match target.place.form {
        BackupForm::Archive => Box::new(std::iter::once(target.place.path.clone())),
        BackupForm::Directory => Box::new(
            (0..MAX_COPIES).map(|copy| target.dir.join(list::snapshot_name(&inventory.created_at, copy))),
        ),
    };
    for path in names {
        match work.root.disk.rename_new(&target.partial, &path) {
            Ok(()) => {
                let synced = work.root.disk.sync_dir(&target.dir);
                synced.map_err(|e| io_error("syncing", &target.dir, &e))?;
                return Ok(path);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io_error("renaming to", &path, &e)),
        }
    }
    Err(taken(&target.place.path))
}

/// The numbers of each prompt that were seen in the trash.
type Trash = BTreeMap<PromptId, BTreeSet<Version>>;

impl Making<'_> {
    fn copy_store(&mut self) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.work.shared);
        self.work.runtime.block_on(shared.find_new_shards());
        self.copy_metadata()?;
        let listed = list_shards(&*shared.disk, shared.layout);
        let (_, problems) = listed.map_err(|e| io_error("listing", Path::new("."), &e))?;
        self.note(problems);
        let (prompts, _) = shared.catalog.totals();
        self.progress.set_total(prompts);
        for shard in shared.shards.all() {
            self.copy_shard(&shard)?;
        }
        Ok(())
    }

    fn copy_metadata(&mut self) -> Result<(), StorageError> {
        let path = Path::new(METADATA_FILE);
        let read = self.work.shared.disk.read(path, MAX_METADATA_BYTES);
        let bytes = read.map_err(|e| io_error("reading", path, &e))?.bytes;
        self.add(path, FileFacts::of(&bytes), &bytes)
    }

    fn copy_shard(&mut self, shard: &ShardHandle) -> Result<(), StorageError> {
        let trash = self.list_trash(&shard.id)?;
        let (disk, layout) = (Arc::clone(&self.work.shared.disk), self.work.shared.layout);
        let dir = layout.shard_dir(&shard.id);
        let listed = scan_shard_names(&*disk, layout, &shard.id);
        let (ids, problems) = listed.map_err(|e| io_error("listing", &dir, &e))?;
        self.note(problems);
        let mut ids: BTreeSet<PromptId> = ids.into_iter().collect();
        ids.extend(trash.keys().cloned());
        ids.extend(shard.catalog.ids());
        for id in ids {
            check_cancelled(self.progress)?;
            let listed = trash.get(&id).cloned().unwrap_or_default();
            let gathered = self.gather(shard, &id, &listed)?;
            self.copy_prompt(gathered)?;
            self.progress.advance(1);
        }
        Ok(())
    }

    fn list_trash(&mut self, shard: &ShardId) -> Result<Trash, StorageError> {
        let (disk, layout) = (&self.work.shared.disk, self.work.shared.layout);
        let dir = layout.trash_dir(shard);
        let listed = match disk.list(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|e| io_error("listing", &dir, &e))?,
        };
        let (mut trash, mut problems) = (Trash::new(), Vec::new());
        for (name, kind) in listed {
            match belongs_to_trashed(&name) {
                Some((id, version)) if kind == EntryKind::File && layout.shard_of(&id) == *shard => {
                    trash.entry(id).or_default().insert(version);
                }
                _ => problems.push(Problem::new(
                    &dir.join(name),
                    "foreign-name",
                    "not a file of the trash: not copied",
                )),
            }
        }
        self.note(problems);
        Ok(trash)
    }

    /// Reads a prompt as it was at one instant.
    fn gather(
        &self,
        shard: &ShardHandle,
        id: &PromptId,
        listed: &BTreeSet<Version>,
    ) -> Result<Gathered, StorageError> {
        for _ in 0..MAX_BUSY_TRIES {
            let gathered = lock(&self.gatherer).gather(id, &shard.catalog, listed, Care::Busy);
            match gathered {
                Ok(gathered) => return Ok(gathered),
                Err(NotGathered::Changed) => {}
                Err(NotGathered::Failed(error)) => return Err(error),
            }
        }
        self.gather_quietly(shard, id, listed)
    }

    /// Reads a prompt between two pieces of work of its shard.
    fn gather_quietly(
        &self,
        shard: &ShardHandle,
        id: &PromptId,
        listed: &BTreeSet<Version>,
    ) -> Result<Gathered, StorageError> {
        let timeout = self.work.shared.write_timeout();
        let mut asks = 0;
        loop {
            let (answer, answered) = mpsc::channel();
            let (gatherer, catalog) = (Arc::clone(&self.gatherer), Arc::clone(&shard.catalog));
            let (owned, listed) = (id.clone(), listed.clone());
            let quiet = Quiet::new(move || {
                let mut gatherer = lock(&gatherer);
                let mut cares = std::iter::repeat_n(Care::Quiet, MAX_QUIET_TRIES).chain([Care::AsItIs]);
                let gathered =
                    cares.find_map(|care| match gatherer.gather(&owned, &catalog, &listed, care) {
                        Err(NotGathered::Changed) => None,
                        other => Some(other),
                    });
                let _nobody_waits = answer.send(gathered.unwrap_or(Err(NotGathered::Changed)));
            });
            let asked = shard.write(id.clone(), WriteOp::Quiet(quiet), timeout);
            let asked = self.work.runtime.block_on(asked);
            // Also after a timeout: what has begun is waited for, what has not is dropped and hangs up.
            match (answered.recv(), asked) {
                (Ok(Ok(gathered)), _) => return Ok(gathered),
                (Ok(Err(NotGathered::Failed(error))), _) => return Err(error),
                (_, Err(error)) if asks >= MAX_ASKS => return Err(error),
                _ if asks >= MAX_ASKS => return Err(shard.down()),
                _ => {}
            }
            check_cancelled(self.progress)?;
            asks += 1;
            self.work.runtime.block_on(tokio::time::sleep(ASK_PAUSE));
        }
    }

    fn copy_prompt(&mut self, gathered: Gathered) -> Result<(), StorageError> {
        self.note(gathered.problems);
        let layout = self.work.shared.layout;
        let limit = max_entry_bytes(&self.work.shared);
        for (member, facts, staged) in gathered.files {
            let taken = lock(&self.gatherer).stage.take(staged, limit);
            let bytes = taken.map_err(|e| io_error("reading", Path::new("the stage of the backup"), &e))?;
            self.add(&member.path(layout), facts, &bytes)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, facts: FileFacts, bytes: &[u8]) -> Result<(), StorageError> {
        if self.inventory.files.len() >= MAX_FILES {
            return Err(StorageError::Backup(format!(
                "the store has more than {MAX_FILES} files: copy it while promptd is stopped (docs/operations.md)"
            )));
        }
        match self.sink.add(path, facts, bytes) {
            Ok(Added::Copied) => self.copied += 1,
            Ok(Added::Linked) => self.linked += 1,
            Err(e) => return Err(io_error("writing", path, &e)),
        }
        self.inventory.files.insert(path.display().to_string(), facts);
        Ok(())
    }

    fn note(&mut self, problems: Vec<Problem>) {
        let room = MAX_PROBLEMS.saturating_sub(self.inventory.problems.len());
        self.inventory.problems.extend(problems.into_iter().take(room));
    }
}

fn lock(gatherer: &Mutex<Gatherer>) -> std::sync::MutexGuard<'_, Gatherer> {
    gatherer.lock().unwrap_or_else(PoisonError::into_inner)
}
