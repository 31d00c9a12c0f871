//! Actors that end come back, and nothing acknowledged is lost.

use super::faulty_disk::{Call, Failure, Fault};
use super::*;
use crate::storage::filesystem::actors::ChildId;

async fn check_survives_the_end_of_an_actor(end: impl Fn(&ractor::ActorRef<ShardMessage>)) {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "first").await.unwrap();
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..20 {
                    match put(&storage, "p", &format!("client {client} text {n}")).await {
                        Ok(number) => acknowledged.push(number),
                        Err(error) => assert!(
                            ["interrupted", "unavailable", "busy"].contains(&error.code()),
                            "{error}"
                        ),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    for _ in 0..3 {
        eventually("the shard is up", async || shard.is_up()).await;
        let actor = shard.actor.borrow().clone();
        actor.iter().for_each(&end);
        eventually("the shard went down", async || {
            shard.actor.borrow().as_ref().map(|actor| actor.get_id())
                != actor.as_ref().map(|actor| actor.get_id())
        })
        .await;
    }
    let mut acknowledged = vec![version("1.0.0")];
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    for number in &acknowledged {
        assert!(
            storage.read(&id("p"), number).await.is_ok(),
            "{number} was acknowledged"
        );
    }
    let count = acknowledged.len();
    acknowledged.sort();
    acknowledged.dedup();
    assert_eq!(acknowledged.len(), count, "no number was given out twice");
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_a_shard_actor_loses_nothing_acknowledged_and_the_handle_stays_valid() {
    check_survives_the_end_of_an_actor(|actor| actor.kill()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_shard_actor_loses_nothing_acknowledged_and_the_handle_stays_valid() {
    check_survives_the_end_of_an_actor(|actor| drop(actor.cast(ShardMessage::Panic))).await;
}

fn child(storage: &FileSystemStorage, id: &ChildId) -> ractor::ActorCell {
    storage.shared.children.lock().unwrap()[id].clone()
}

/// Ends a child that is no shard, and waits until it is back.
async fn end_and_wait(storage: &FileSystemStorage, id: ChildId, end: fn(&ractor::ActorCell)) {
    let before = child(storage, &id);
    end(&before);
    eventually("it is back", async || {
        child(storage, &id).get_id() != before.get_id()
    })
    .await;
    let status = storage.status().await;
    let count = &status["actors"][id.to_string()]["restarts"];
    assert!(count.as_u64() > Some(0), "{status}");
}

async fn check_children_come_back(end: fn(&ractor::ActorCell)) {
    let store = Store::new();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    // The index is written again after its actor ended.
    end_and_wait(&storage, ChildId::Index, end).await;
    put(&storage, "p", "b").await.unwrap();
    eventually("the index is written", async || {
        let index = std::fs::read_to_string(store.dir.path().join(".index.json"));
        index.is_ok_and(|text| text.contains("\"total_versions\":2"))
    })
    .await;
    // What changes while the watcher is down, and after, is seen.
    let by_hand = |number: &str| serde_json::to_vec(&document("p", number, "by hand")).unwrap();
    let watcher = child(&storage, &ChildId::Watcher);
    end(&watcher);
    std::fs::write(store.path("p", "2.0.0.json"), by_hand("2.0.0")).unwrap();
    eventually("what changed meanwhile", async || {
        versions(&storage, "p").len() == 3
    })
    .await;
    std::fs::write(store.path("p", "2.0.1.json"), by_hand("2.0.1")).unwrap();
    eventually("what changed afterwards", async || {
        versions(&storage, "p").len() == 4
    })
    .await;
    // The janitor looks at the disk again.
    *storage.shared.space.lock().unwrap() = None;
    end_and_wait(&storage, ChildId::Janitor, end).await;
    eventually("the janitor works", async || {
        storage.shared.space.lock().unwrap().is_some()
    })
    .await;
    assert_eq!(storage.health(), Ok(()));
    storage.close().await;
    let index = std::fs::read_to_string(store.dir.path().join(".index.json")).unwrap();
    assert!(index.contains("\"total_versions\":4"), "{index}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn index_watcher_and_janitor_come_back_when_they_are_killed() {
    check_children_come_back(ractor::ActorCell::kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn index_watcher_and_janitor_come_back_when_they_end_by_themselves() {
    check_children_come_back(|cell| cell.stop(None)).await;
}

#[tokio::test]
async fn a_write_to_an_actor_that_is_dead_already_waits_for_its_successor() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    let actor = shard.actor.borrow().clone().unwrap();
    actor.kill();
    actor.wait(None).await.unwrap();
    // The supervisor has not run yet: the handle still holds the dead one.
    assert_eq!(put(&storage, "p", "b").await.unwrap(), version("1.0.1"));
}

#[tokio::test]
async fn what_is_seen_while_a_shard_is_down_is_looked_at_when_it_is_up() {
    let mut store = Store::quiet();
    store.options.restart.min_backoff = Duration::from_millis(50);
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "a").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    // The successor has read the directory of `p` and hangs at the next one when `p` changes.
    put(&storage, &neighbour(1), "a").await.unwrap();
    let last = format!("14/{}", neighbour(1).max("p".into()));
    disk.arm(Fault::new(&[Call::List], 1, Failure::Hang).on(&last));
    shard.actor.borrow().clone().unwrap().kill();
    eventually("the successor hangs", async || disk.hanging() == 1).await;
    let added = serde_json::to_vec(&document("p", "3.0.0", "by hand")).unwrap();
    std::fs::write(store.path("p", "3.0.0.json"), added).unwrap();
    shard.look(work::Look::file(id("p"), "3.0.0.json".into()));
    disk.release();
    eventually("it is seen", async || {
        versions(&storage, "p") == ["1.0.0", "3.0.0"]
    })
    .await;
}

#[tokio::test]
async fn a_restarted_shard_remembers_numbers_whose_files_were_removed_by_hand() {
    let store = Store::quiet();
    let storage = store.open().await;
    for text in ["a", "b", "c"] {
        put(&storage, "p", text).await.unwrap();
    }
    std::fs::remove_file(store.path("p", "1.0.2.json")).unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    shard.actor.borrow().clone().unwrap().kill();
    eventually("it was restarted", async || {
        shard.is_up() && shard.state.restarts.load(Ordering::Relaxed) > 0
    })
    .await;
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1"]);
    assert_eq!(put(&storage, "p", "d").await.unwrap(), version("1.0.3"));
}

#[tokio::test]
async fn a_restarted_shard_serves_nothing_from_the_cache_of_its_predecessor() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "before").await.unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "before");
    let path = store.path("p", "1.0.0.json");
    let edited = std::fs::read_to_string(&path)
        .unwrap()
        .replace("before", "behind");
    std::fs::write(&path, edited).unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    shard.actor.borrow().clone().unwrap().kill();
    eventually("it was restarted", async || {
        shard.is_up() && shard.state.restarts.load(Ordering::Relaxed) > 0
    })
    .await;
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "behind");
}
