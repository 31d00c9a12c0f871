//! Single actors that are killed, stopped and made to panic at random while many clients write.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::storage::filesystem::actors::{ChildId, panic_in};

/// Clients that write at the same time.
const CLIENTS: usize = 64;
/// Prompts they write to; several share one.
const PROMPTS: usize = 24;

/// The way in which an actor ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Stop,
    Panic,
}

/// How many actors are ended.
fn ends() -> usize {
    if std::env::var_os("PROMPTD_FAULTS").is_some_and(|form| form == "full") {
        1000
    } else {
        60
    }
}

/// Chance that can be had again.
fn seed() -> u64 {
    let given = std::env::var("PROMPTD_ACTOR_SEED").ok();
    let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::from(since_1970.unwrap().subsec_nanos()) | 1
    });
    eprintln!("PROMPTD_ACTOR_SEED={seed} makes the same choices again");
    seed
}

/// Returns the next of many numbers that look random (xorshift).
fn next_of(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap()
}

async fn write(
    storage: Arc<FileSystemStorage>,
    number: usize,
    stop: Arc<AtomicBool>,
) -> Vec<(String, Version, String)> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (prompt, text) = (
            format!("prompt{}", (number + n) % PROMPTS),
            format!("client {number} text {n}"),
        );
        match put(&storage, &prompt, &text).await {
            Ok(version) => acknowledged.push((prompt, version, text)),
            Err(error) => assert!(
                ["interrupted", "unavailable", "busy"].contains(&error.code()),
                "{error}"
            ),
        }
        tokio::task::yield_now().await;
    }
    acknowledged
}

/// Ends one actor after another, of every kind, in every way. Returns how many of each kind.
async fn end_actors(storage: &FileSystemStorage, dice: &mut u64) -> BTreeMap<&'static str, usize> {
    let mut ended = BTreeMap::new();
    for _ in 0..ends() {
        let children: Vec<(ChildId, ractor::ActorCell)> = {
            let children = storage.shared.children.lock().unwrap();
            children
                .iter()
                .map(|(child, cell)| (child.clone(), cell.clone()))
                .collect()
        };
        // As often one of the three that are alone as one of the many shards.
        let alone = next_of(dice, 2) == 0;
        let of_kind: Vec<_> = children
            .iter()
            .filter(|(child, _)| matches!(child, ChildId::Shard(_)) != alone)
            .collect();
        let (child, cell) = of_kind[next_of(dice, of_kind.len())];
        match [End::Kill, End::Stop, End::Panic][next_of(dice, 3)] {
            End::Kill => cell.kill(),
            End::Stop => cell.stop(None),
            End::Panic => panic_in(child, cell),
        }
        *ended
            .entry(if alone {
                "index, watcher or janitor"
            } else {
                "shard"
            })
            .or_default() += 1;
        tokio::time::sleep(Duration::from_millis(next_of(dice, 15) as u64)).await;
    }
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actors_that_end_at_random_under_many_clients_lose_nothing_and_come_back() {
    let mut dice = seed();
    let mut store = Store::new();
    store.options.restart = RestartPolicy {
        max_restarts: usize::MAX,
        window: Duration::from_secs(60),
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
    };
    let storage = store.open().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(write(Arc::clone(&storage), number, Arc::clone(&stop))))
        .collect();
    eventually("all shards are there", async || {
        storage.totals().0 as usize == PROMPTS
    })
    .await;
    let ended = end_actors(&storage, &mut dice).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for client in clients {
        for (prompt, version, text) in client.await.unwrap() {
            let twice = acknowledged.insert((prompt, version), text);
            assert_eq!(twice, None, "a number was given out twice");
        }
    }
    eventually("everything is back", async || storage.health() == Ok(())).await;
    for ((prompt, version), text) in &acknowledged {
        let found = text_of(&storage, prompt, &version.to_string()).await;
        assert_eq!(
            found.as_ref().ok(),
            Some(text),
            "{prompt}@{version} was acknowledged"
        );
    }
    // All of them work again: a change by hand is seen, the index is written.
    std::fs::write(
        store.path("prompt0", "9.0.0.json"),
        serde_json::to_vec(&document("prompt0", "9.0.0", "by hand")).unwrap(),
    )
    .unwrap();
    eventually("the watcher works", async || {
        text_of(&storage, "prompt0", "9.0.0").await.is_ok()
    })
    .await;
    let versions = storage.totals().1;
    storage.close().await;
    let index = std::fs::read_to_string(store.dir.path().join(".index.json")).unwrap();
    assert!(
        index.contains(&format!("\"total_versions\":{versions}")),
        "the index is behind"
    );
    let storage = store.open().await;
    assert_eq!(storage.totals().1, versions);
    storage.close().await;
    eprintln!(
        "covered: ends of actors: {ended:?} killed, stopped or made to panic under {CLIENTS} clients, {} acknowledged \
         versions all there",
        acknowledged.len()
    );
}
