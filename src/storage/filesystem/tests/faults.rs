//! Every call that a change makes fails once, in every way: the caller is told the truth, the daemon goes on, and what is
//! on disk afterwards is either the state before or the state after.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::faulty_disk::{Call, Failure, Fault, FaultyDisk};
use super::*;

/// One change, run on a store that [`prepare`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    PutNew,
    PutNext,
    PutGroup,
    Delete,
    DeleteLabelled,
    DeleteAll,
    Restore,
    PurgeTrashed,
    Purge,
    SetLabel,
    RemoveLabel,
    AddEvidence,
}

const CHANGES: [Change; 12] = [
    Change::PutNew,
    Change::PutNext,
    Change::PutGroup,
    Change::Delete,
    Change::DeleteLabelled,
    Change::DeleteAll,
    Change::Restore,
    Change::PurgeTrashed,
    Change::Purge,
    Change::SetLabel,
    Change::RemoveLabel,
    Change::AddEvidence,
];

/// What a prompt is, for comparing: versions with their texts and test results, trash, labels.
pub(super) type Picture = BTreeMap<String, (BTreeMap<String, String>, Vec<String>, BTreeMap<String, String>)>;

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

/// `p` has 1.0.0 to 1.0.3, of which 1.0.1 lies in the trash and 1.0.2 carries a label; 1.0.0 and 1.0.1 have a test result.
pub(super) async fn prepare(storage: &FileSystemStorage) {
    for text in ["zero", "one", "two", "three"] {
        put(storage, "p", text).await.unwrap();
    }
    for number in ["1.0.0", "1.0.1"] {
        add_evidence(storage, number, "a").await.unwrap();
    }
    let author = Author::daemon();
    storage
        .delete(&id("p"), &[version("1.0.1")], false, &author)
        .await
        .unwrap();
    set_label(storage, "production", "1.0.2").await.unwrap();
}

async fn set_label(storage: &FileSystemStorage, name: &str, number: &str) -> Result<(), StorageError> {
    let request = SetLabel {
        label: label(name),
        version: version(number),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id("p"), request).await.map(drop)
}

async fn add_evidence(
    storage: &FileSystemStorage,
    number: &str,
    execution: &str,
) -> Result<(), StorageError> {
    storage
        .add_evidence(&id("p"), &version(number), &measured(execution))
        .await
        .map(drop)
}

pub(super) async fn run(storage: &Arc<FileSystemStorage>, change: Change) -> Vec<Result<(), StorageError>> {
    let author = Author::daemon();
    let p = id("p");
    let one = match change {
        Change::PutNew => put(storage, &neighbour(1), "new").await.map(drop),
        Change::PutNext => put(storage, "p", "four").await.map(drop),
        Change::PutGroup => return put_group(storage).await,
        Change::Delete => storage
            .delete(&p, &[version("1.0.0"), version("1.0.3")], false, &author)
            .await
            .map(drop),
        Change::DeleteLabelled => storage
            .delete(&p, &[version("1.0.2")], true, &author)
            .await
            .map(drop),
        Change::DeleteAll => storage.delete(&p, &[], true, &author).await.map(drop),
        Change::Restore => storage.restore(&p, &version("1.0.1"), &author).await,
        Change::PurgeTrashed => storage.purge_trashed(&p, &version("1.0.1")).await,
        Change::Purge => storage.purge(&p, true).await,
        Change::SetLabel => set_label(storage, "staging", "1.0.3").await,
        Change::AddEvidence => add_evidence(storage, "1.0.0", "b").await,
        Change::RemoveLabel => {
            storage
                .remove_label(&p, &label("production"), None, &author)
                .await
        }
    };
    vec![one]
}

/// Three puts on three prompts of one shard. The first alone is in flight while the others gather.
async fn put_group(storage: &Arc<FileSystemStorage>) -> Vec<Result<(), StorageError>> {
    let puts = (1..=3).map(|n| {
        let storage = Arc::clone(storage);
        tokio::spawn(async move { put(&storage, &neighbour(n), "grouped").await.map(drop) })
    });
    let mut answers = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        answers.push(put.await.unwrap());
    }
    answers
}

pub(super) async fn picture(storage: &FileSystemStorage) -> Picture {
    let mut picture = Picture::new();
    let mut names = vec!["p".to_owned()];
    names.extend((1..=3).map(neighbour));
    for name in names {
        let Some(entry) = storage.prompt(&id(&name)) else {
            continue;
        };
        let mut texts = BTreeMap::new();
        for number in &entry.versions {
            let text = text_of(storage, &name, &number.to_string()).await;
            let mut text = text.unwrap_or_else(|e| panic!("{name}@{number}: {e}"));
            for result in storage.evidence(&id(&name), number).await.unwrap() {
                text.push_str(&format!(", measured by {}", result.execution_id));
            }
            texts.insert(number.to_string(), text);
        }
        let trash = entry.trash.iter().map(ToString::to_string).collect();
        let labels = entry
            .labels
            .iter()
            .map(|(label, target)| (label.to_string(), target.version.to_string()))
            .collect();
        picture.insert(name, (texts, trash, labels));
    }
    picture
}

/// The states that a change may leave behind: before, after, and for a group any subset of it.
async fn allowed_pictures(change: Change) -> Vec<Picture> {
    let store = Store::quiet();
    let storage = store.open().await;
    prepare(&storage).await;
    let before = picture(&storage).await;
    let answers = run(&storage, change).await;
    assert!(answers.iter().all(Result::is_ok), "{change:?}: {answers:?}");
    let after = picture(&storage).await;
    storage.close().await;
    let mut allowed = vec![before.clone(), after.clone()];
    let partial = |remove: &[&str], labels: bool| {
        let mut partial = before.clone();
        let (texts, trash, targets) = partial.get_mut("p").unwrap();
        for number in remove {
            texts.remove(*number);
            trash.push((*number).to_owned());
        }
        trash.sort();
        if labels {
            targets.clear();
        }
        partial
    };
    match change {
        // A cut-off group keeps any of its members.
        Change::PutGroup => {
            for members in 0..8_usize {
                let mut some = before.clone();
                for n in (1..=3).filter(|n| members & (1 << (n - 1)) != 0) {
                    let name = neighbour(n);
                    some.insert(name.clone(), after[&name].clone());
                }
                allowed.push(some);
            }
        }
        // A cut-off deletion of several versions has deleted some, and took the labels off first.
        Change::Delete => allowed.extend([partial(&["1.0.0"], false), partial(&["1.0.3"], false)]),
        Change::DeleteLabelled => allowed.push(partial(&[], true)),
        Change::DeleteAll => {
            let all = ["1.0.0", "1.0.2", "1.0.3"];
            for members in 0..8_usize {
                let some: Vec<&str> = (0..3)
                    .filter(|n| members & (1 << n) != 0)
                    .map(|n| all[n])
                    .collect();
                allowed.push(partial(&some, true));
            }
        }
        // A cut-off purge has emptied the trash first.
        Change::Purge => {
            let mut partial = before.clone();
            partial.get_mut("p").unwrap().1.clear();
            allowed.push(partial);
        }
        _ => {}
    }
    allowed
}

/// The codes that a caller may get when a call failed so.
fn allowed_codes(call: Call, failure: Failure) -> &'static [&'static str] {
    let errno = match failure {
        Failure::Errno(errno) | Failure::Short(errno) => errno,
        Failure::Panic | Failure::Hang | Failure::Slow(_) => return &["interrupted"],
    };
    match (call, errno) {
        // The system does not say these of looking; should it, they mean what they say.
        (Call::Read | Call::Stat | Call::List | Call::Space, _) => {
            &["interrupted", "unavailable", "storage-full", "read-only-storage"]
        }
        // What no write depends on may fail unnoticed; what is not understood ends in recovery.
        (Call::SyncDir | Call::SyncAll, _) => &["interrupted"],
        (_, Errno::NOSPC | Errno::DQUOT) => &["storage-full", "interrupted"],
        (_, Errno::ROFS) => &["read-only-storage", "interrupted"],
        (_, Errno::MFILE) => &["unavailable", "interrupted"],
        _ => &["interrupted", "unavailable"],
    }
}

/// Runs a change with its nth call failing. Returns `false` when the change made fewer calls.
async fn check_one(change: Change, nth: usize, failure: Failure, allowed: &[Picture]) -> bool {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    prepare(&storage).await;
    let shard = storage.shared.layout.shard_of(&id("p"));
    disk.arm(Fault::new(&[], nth, failure));
    let answers = run(&storage, change).await;
    let Some((call, path)) = disk.disarm() else {
        assert!(answers.iter().all(Result::is_ok), "{change:?} {nth}: {answers:?}");
        storage.close().await;
        return false;
    };
    let what = format!("{change:?}, call {nth} {call:?} {} {failure:?}", path.display());
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(
            allowed_codes(call, failure).contains(&error.code()),
            "{what}: {} {error}",
            error.code()
        );
    }
    check_never_synced_again(&disk, call, &path, &what);
    // Other shards never noticed; this one goes on.
    put(&storage, STRANGER, "elsewhere").await.unwrap();
    let shard = storage.shared.shard(&shard);
    eventually("the shard is up", async || shard.is_up()).await;
    check_same_after_reopening(&store, storage, change, &answers, allowed, &what).await;
    true
}

/// A file whose fsync failed is neither synced nor named again.
pub(super) fn check_never_synced_again(disk: &FaultyDisk, call: Call, path: &Path, what: &str) {
    if call != Call::SyncFile {
        return;
    }
    let journal = disk.journal();
    let failed = journal
        .iter()
        .position(|entry| *entry == (Call::SyncFile, path.to_owned()))
        .unwrap();
    for (later, other) in &journal[failed + 1..] {
        let again = matches!(
            later,
            Call::SyncFile | Call::RenameNew | Call::RenameOver | Call::Link
        );
        assert!(
            !(again && other == path),
            "{what}: {later:?} after a failed fsync"
        );
    }
}

async fn check_same_after_reopening(
    store: &Store,
    storage: Arc<FileSystemStorage>,
    change: Change,
    answers: &[Result<(), StorageError>],
    allowed: &[Picture],
    what: &str,
) {
    let live = picture(&storage).await;
    assert!(allowed.contains(&live), "{what}: {live:#?}");
    if answers.iter().all(Result::is_ok) {
        assert_eq!(live, allowed[1], "{what}: acknowledged");
    }
    // Only 'interrupted' leaves open what was done.
    if let [Err(error)] = answers
        && error.code() != "interrupted"
    {
        assert_eq!(live, allowed[0], "{what}: refused with {error}");
    }
    let number = put(&storage, "p", "afterwards").await;
    let number = number.unwrap_or_else(|e| panic!("{what}: then {e}"));
    if !(change == Change::Purge && number == version("1.0.0")) {
        assert!(number > version("1.0.3"), "{what}: {number} was used before");
    }
    let before = picture(&storage).await;
    storage.close().await;
    drop(storage);
    let again = store.open().await;
    assert_eq!(picture(&again).await, before, "{what}: after reopening");
    let report = again.verify(&crate::storage::Progress::default()).await.unwrap();
    // A parent may have been forgotten on purpose; a note in the trash may be lost or left over.
    let problems = report
        .problems
        .iter()
        .filter(|problem| problem.severity == crate::storage::Severity::Problem);
    assert_eq!(
        problems.collect::<Vec<_>>(),
        Vec::<&crate::storage::Problem>::new(),
        "{what}"
    );
    again.close().await;
}

async fn check_every_call(failure: Failure) {
    for change in CHANGES {
        let allowed = allowed_pictures(change).await;
        let mut nth = 1;
        while check_one(change, nth, failure, &allowed).await {
            nth += 1;
            assert!(nth < 200, "{change:?} never ends");
        }
        assert!(nth > 5, "{change:?} makes calls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_io_error_at_any_call_leaves_the_state_before_or_after() {
    check_every_call(Failure::Errno(Errno::IO)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_at_any_call_leaves_the_state_before_or_after() {
    check_every_call(Failure::Short(Errno::NOSPC)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_at_any_call_leaves_the_state_before_or_after() {
    check_every_call(Failure::Errno(Errno::ROFS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_open_files_at_any_call_leave_the_state_before_or_after() {
    check_every_call(Failure::Errno(Errno::MFILE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_quota_and_a_short_write_leave_the_state_before_or_after() {
    // Both take the same ways as a full disk and an I/O error: only the long form goes through them call by call.
    if super::crash::is_full() {
        check_every_call(Failure::Errno(Errno::DQUOT)).await;
        check_every_call(Failure::Short(Errno::IO)).await;
    }
    let allowed = allowed_pictures(Change::PutNew).await;
    for nth in 1..30 {
        check_one(Change::PutNew, nth, Failure::Errno(Errno::DQUOT), &allowed).await;
        check_one(Change::PutNew, nth, Failure::Short(Errno::IO), &allowed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_any_call_leaves_the_state_before_or_after() {
    check_every_call(Failure::Panic).await;
}
