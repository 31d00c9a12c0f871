//! The whole storage, with its actors and its threads, over the disk in memory: many clients in several shards at once.
//!
//! What the others of these tests leave out is here: shards that write at the same time, commits that form by themselves,
//! answers that go their way through actors.

use super::daemon::{Daemon, Log};
use super::memory_disk::Moment;
use super::oracle::{Op, Oracle, Picture};
use super::scenarios::put as put_op;
use super::suite::cut_off_all;
use super::survivors::{Random, posix};
use super::world::World;
use super::*;
use crate::storage::filesystem::disk::list_shards;

/// The power fails after one call in so many: what clients do is tried after every call elsewhere.
const EVERY: usize = 8;
/// After one of these in so many, a state is opened by the whole storage.
const WHOLE_EVERY: usize = 4;

async fn open_over(memory: &MemoryDisk) -> (Store, Arc<FileSystemStorage>) {
    let store = Store::quiet();
    memory.sync_all().unwrap();
    // The lock is taken on a real directory; everything else is in memory.
    let mut opened = open_store(store.dir.path(), store.options.shard_depth).unwrap();
    opened.shards = list_shards(memory, LAYOUT).unwrap().0;
    let disk = Arc::new(memory.clone());
    let storage = FileSystemStorage::open_with(opened, disk, store.options.clone()).await;
    (store, storage.unwrap())
}

/// Asks the storage for something and tells the log when the answer is there.
async fn ask(storage: &FileSystemStorage, log: &Log, op: Op) {
    let author = Author::daemon();
    let of = id(op.id());
    log.note(|oracle| oracle.begin(&op));
    let answer = match &op {
        Op::Put { id, text } => storage.put(&of, next(id, text)).await.map(drop),
        Op::Delete { versions, .. } => {
            let versions: Vec<_> = versions.iter().map(|number| version(number)).collect();
            storage.delete(&of, &versions, true, &author).await.map(drop)
        }
        Op::Restore { version: number, .. } => storage.restore(&of, &version(number), &author).await,
        Op::Purge { .. } => storage.purge(&of, true).await,
        other => panic!("no client asks for {other:?}"),
    };
    answer.unwrap_or_else(|error| panic!("{op:?}: {error}"));
    log.note(|oracle| oracle.acknowledge(&op));
}

/// What one client does to its own prompt.
fn wishes(prompt: &str, client: usize) -> Vec<Op> {
    let of = prompt.to_owned();
    let delete = Op::Delete {
        id: of.clone(),
        versions: vec!["1.0.0".into()],
    };
    let restore = Op::Restore {
        id: of.clone(),
        version: "1.0.0".into(),
    };
    let mut wishes = vec![put_op(prompt, "one"), put_op(prompt, "two"), delete];
    match client % 3 {
        0 => wishes.extend([restore, put_op(prompt, "three")]),
        1 => wishes.extend([Op::Purge { id: of }, put_op(prompt, "anew")]),
        _ => wishes.push(put_op(prompt, "three")),
    }
    wishes
}

/// Lets clients work at the same time; returns every state of the disk, and what was promised in each.
async fn work() -> (Vec<Moment>, Vec<Oracle>) {
    let memory = MemoryDisk::new(World::new());
    drop(Daemon::open(Arc::new(memory.clone())).unwrap());
    let (_store, storage) = open_over(&memory).await;
    let log = Arc::new(Log::new(&memory));
    memory.record();
    let prompts = (0..3)
        .map(neighbour)
        .chain(["p", STRANGER, "a third"].map(|name| name.replace(' ', "-")));
    let clients = prompts.enumerate().map(|(client, prompt)| {
        let (storage, log) = (Arc::clone(&storage), Arc::clone(&log));
        tokio::spawn(async move {
            for op in wishes(&prompt, client) {
                ask(&storage, &log, op).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let found = (memory.moments(), log.oracles());
    storage.close().await;
    found
}

/// Opens a state with the whole storage: every prompt is as promised, nothing is damaged, the next number is new.
async fn check_whole(world: World, oracle: &Oracle) {
    let memory = MemoryDisk::new(world);
    let (_store, storage) = open_over(&memory).await;
    for prompt in oracle.ids() {
        let mut found = Picture::default();
        if let Some(entry) = storage.prompt(&id(prompt)) {
            for number in &entry.versions {
                let text = text_of(&storage, prompt, &number.to_string()).await.unwrap();
                found.versions.insert(number.clone(), text);
            }
            found
                .trash
                .extend(entry.trash.iter().map(|number| (number.clone(), String::new())));
        }
        let allowed = oracle.allowed(prompt).into_iter().map(|mut picture| {
            picture.trash.values_mut().for_each(String::clear);
            picture
        });
        let allowed: Vec<_> = allowed.collect();
        assert!(
            allowed.contains(&found),
            "{prompt}: {found:?}, allowed {allowed:?}"
        );
        let promised = oracle.promised(prompt);
        let number = put(&storage, prompt, "afterwards").await.unwrap();
        let is_purged = oracle.may_be_purged(prompt) && found == Picture::default();
        assert!(
            is_purged || !promised.used.contains(&number),
            "{prompt}: {number} again"
        );
    }
    let report = storage
        .verify(&crate::storage::Progress::default())
        .await
        .unwrap();
    let problems = report
        .problems
        .iter()
        .filter(|problem| problem.kind != "missing-parent");
    assert_eq!(problems.count(), 0, "{:?}", report.problems);
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_failure_while_many_clients_write_in_several_shards_breaks_no_promise() {
    let rounds = if is_full() { 8 } else { 1 };
    let (mut total, mut opened) = (0, 0);
    for round in 0..rounds {
        let (moments, oracles) = work().await;
        // Another call is the first in each round.
        let offset = usize::try_from(round).unwrap() % EVERY;
        let moments: Vec<_> = moments.into_iter().skip(offset).step_by(EVERY).collect();
        let (states, marks) = (moments.clone(), oracles.clone());
        let budget = Budget {
            per_instant: 4,
            ..Budget::SHORT
        };
        let enumerated =
            tokio::task::spawn_blocking(move || cut_off_all("clients", &states, &marks, plain, budget));
        let covered = enumerated.await.unwrap();
        assert_eq!(covered.violations, BTreeMap::new());
        total += covered.states;
        let mut random = Random(round);
        for moment in moments.iter().step_by(WHOLE_EVERY) {
            let mut worlds = posix(&moment.world, 8, round).worlds;
            let world = worlds.swap_remove(random.below(worlds.len()));
            check_whole(world, &oracles[moment.mark]).await;
            opened += 1;
        }
    }
    eprintln!(
        "covered: power failures: {total} states while six clients write in three shards, {opened} of them opened with every actor"
    );
}
