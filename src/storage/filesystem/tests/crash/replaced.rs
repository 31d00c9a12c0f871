//! Directories that another program put in the place of those that were there: their names are not durable, and what is
//! acknowledged in them must be.

use super::daemon::{Daemon, Log};
use super::memory_disk::MemoryDisk;
use super::oracle::{Op, Picture};
use super::scenarios::put as put_op;
use super::survivors::{ordered, posix};
use super::world::World;
use super::*;
use crate::storage::filesystem::disk::EntryKind;

/// Survivors that are tried after each operation.
const SURVIVORS: usize = 256;

/// What another program put in the place of what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    /// The directory of the prompt.
    Prompt,
    /// That of its shard.
    Shard,
    /// The trash.
    Trash,
    /// That of the shard in it.
    TrashOfShard,
}

impl Replaced {
    fn dir(self) -> PathBuf {
        let shard = LAYOUT.shard_of(&id("p"));
        match self {
            Self::Prompt => LAYOUT.prompt_dir(&id("p")),
            Self::Shard => LAYOUT.shard_dir(&shard),
            Self::Trash => PathBuf::from(".trash"),
            Self::TrashOfShard => LAYOUT.trash_dir(&shard),
        }
    }
}

/// Makes a copy whose files are durable, and none of its names.
fn copy_tree(disk: &MemoryDisk, from: &Path, to: &Path) {
    disk.make_dir(to).unwrap();
    for (name, kind) in disk.list(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        if kind == EntryKind::Dir {
            copy_tree(disk, &from, &to);
        } else {
            let bytes = disk.read(&from, 1 << 20).unwrap().bytes;
            let mut file = disk.create_new(&to).unwrap();
            file.write_all(&bytes).unwrap();
            file.sync().unwrap();
        }
    }
}

/// Puts a copy of a directory in its place.
fn replace(disk: &MemoryDisk, dir: &Path) {
    copy_tree(disk, dir, Path::new(".copy"));
    disk.rename_new(dir, Path::new(".aside")).unwrap();
    disk.rename_new(Path::new(".copy"), dir).unwrap();
}

/// Tells whether what was acknowledged is there.
type Holds = fn(&Picture) -> bool;

/// Each operation, and what must be there when it was acknowledged.
fn operations() -> Vec<(Op, Holds)> {
    let of = || "p".to_owned();
    vec![
        (put_op("p", "third"), |found| {
            has(&found.versions, "1.0.3", "third")
        }),
        (
            Op::Delete {
                id: of(),
                versions: vec!["1.0.0".into()],
            },
            |found| has(&found.trash, "1.0.0", "zero"),
        ),
        (
            Op::Restore {
                id: of(),
                version: "1.0.1".into(),
            },
            |found| has(&found.versions, "1.0.1", "one"),
        ),
        (
            Op::SetLabel {
                id: of(),
                label: "production".into(),
                version: "1.0.2".into(),
            },
            |found| found.labels.get("production") == Some(&version("1.0.2")),
        ),
        (Op::TakeIn { id: of() }, |found| {
            has(&found.versions, "1.5.0", "kept")
        }),
    ]
}

fn has(versions: &BTreeMap<Version, String>, number: &str, text: &str) -> bool {
    versions.get(&version(number)).is_some_and(|found| found == text)
}

/// Lets the power fail as soon as an operation was acknowledged, in whose middle or before which a directory was replaced.
/// The first of what is wrong with what is left.
fn check(replaced: Replaced, op: &Op, holds: Holds, looks: bool) -> Result<usize, String> {
    let memory = MemoryDisk::new(World::new());
    let log = Log::new(&memory);
    let mut daemon = Daemon::open(Arc::new(memory.clone())).unwrap().0;
    let delete = Op::Delete {
        id: "p".into(),
        versions: vec!["1.0.1".into()],
    };
    for op in [
        put_op("p", "zero"),
        put_op("p", "one"),
        put_op("p", "two"),
        delete,
    ] {
        log.note(|oracle| oracle.begin(&op));
        assert!(daemon.serve(&log, std::slice::from_ref(&op)).remove(0).is_ok());
    }
    // What was there is durable; what the other program does is not.
    memory.sync_all().unwrap();
    replace(&memory, &replaced.dir());
    if looks {
        daemon.look("p");
    }
    log.note(|oracle| oracle.begin(op));
    memory.record();
    let answer = daemon.serve(&log, std::slice::from_ref(op)).remove(0);
    answer.map_err(|error| format!("refused: {error}"))?;
    let last = memory.moments().pop().unwrap();
    let survivors = posix(&last.world, SURVIVORS, 1).worlds.into_iter();
    let mut tried = 0;
    for world in survivors.chain(ordered(&last.world)) {
        tried += 1;
        let (found, _) = Daemon::open(Arc::new(MemoryDisk::new(world)))?;
        // The other program synced no name: what it copied may be gone. What was acknowledged may not.
        let picture = found.readable("p");
        if !holds(&picture) {
            return Err(format!("found {picture:?}"));
        }
    }
    Ok(tried)
}

#[test]
fn what_is_acknowledged_in_a_directory_that_somebody_put_there_survives_a_power_failure() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for replaced in [
        Replaced::Prompt,
        Replaced::Shard,
        Replaced::Trash,
        Replaced::TrashOfShard,
    ] {
        for (op, holds) in operations() {
            for looks in [true, false] {
                match check(replaced, &op, holds, looks) {
                    Ok(states) => tried += states,
                    Err(why) => wrong.push(format!("{replaced:?}, looked: {looks}, {op:?}: {why}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("covered: power failures: {tried} states after directories were replaced by other programs");
}
