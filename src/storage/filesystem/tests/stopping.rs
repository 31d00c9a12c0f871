//! Stopping: what waits is served, what hangs is left, and nobody else opens the store before the last write ended.

use super::faulty_disk::{Call, Failure, Fault};
use super::*;

async fn opens(store: &Store) -> bool {
    let opened = FileSystemStorage::open(store.dir.path(), store.options.clone()).await;
    match opened {
        Ok(storage) => {
            storage.close().await;
            true
        }
        Err(OpenError::Locked { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_that_waits_is_served_before_the_store_is_closed() {
    let mut store = Store::quiet();
    store.options.use_index = true;
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    disk.arm(Fault::new(&[Call::SyncFile], 1, Failure::Hang).on("14"));
    let puts: Vec<_> = (0..50)
        .map(|n| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move { put(&storage, "p", &format!("text {n}")).await })
        })
        .collect();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    eventually("all wait", async || {
        shard.queue_depth() == 50 && disk.hanging() == 1
    })
    .await;
    let closing = Arc::clone(&storage);
    let closed = tokio::spawn(async move { closing.close().await });
    eventually("it stops", async || storage.shared.is_stopping()).await;
    disk.release();
    closed.await.unwrap();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    let index = std::fs::read_to_string(store.dir.path().join(".index.json")).unwrap();
    assert!(index.contains("\"total_versions\":51"), "{index}");
    let again = store.open().await;
    assert_eq!(versions(&again, "p").len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_neither_the_stop_nor_the_lock_is_given_away() {
    let mut store = Store::quiet();
    store.options.drain_timeout = Duration::from_millis(50);
    store.options.write_timeout = Duration::from_millis(100);
    let (storage, disk) = store.open_faulty().await;
    put_in_the_end(&storage, "p", "first").await;
    disk.arm(Fault::new(&[Call::SyncFile], 1, Failure::Hang));
    let hanging = Arc::clone(&storage);
    let stuck = tokio::spawn(async move { put(&hanging, "p", "stuck").await });
    eventually("the disk hangs", async || disk.hanging() == 1).await;
    let error = stuck.await.unwrap().unwrap_err();
    assert_eq!(
        error.code(),
        "interrupted",
        "who waits too long is told that nobody knows"
    );
    let started = std::time::Instant::now();
    storage.close().await;
    assert!(started.elapsed() < Duration::from_secs(10));
    // The write that hangs may still be done: two writers at once must not be.
    assert!(!opens(&store).await);
    disk.release();
    eventually("the last write ended", async || opens(&store).await).await;
    let again = store.open().await;
    assert!(versions(&again, "p").len() <= 2);
    let report = again.verify(&crate::storage::Progress::default()).await.unwrap();
    assert_eq!(report.problems, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_storage_ends_its_actors_and_gives_the_lock_back() {
    let store = Store::quiet();
    for n in 0..5 {
        let storage = store.open().await;
        assert_eq!(
            put(&storage, "p", "x").await.unwrap(),
            version(&format!("1.0.{n}"))
        );
        drop(storage);
        eventually("the lock is free", async || opens(&store).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_work_of_a_killed_actor_ends_before_its_successor_looks_at_the_disk() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    disk.arm(Fault::new(&[Call::SyncFile], 1, Failure::Hang).on("14"));
    let orphaned = Arc::clone(&storage);
    let orphan = tokio::spawn(async move { put(&orphaned, "p", "orphan").await });
    eventually("the disk hangs", async || disk.hanging() == 1).await;
    let actor = shard.actor.borrow().clone().unwrap();
    actor.kill();
    assert_eq!(orphan.await.unwrap().unwrap_err().code(), "interrupted");
    eventually("the shard is down", async || !shard.is_up()).await;
    let calls = disk.journal().len();
    // The successor is started after a millisecond; it must touch nothing as long as the orphan is at work.
    let waiting = Arc::clone(&storage);
    let next = tokio::spawn(async move { put(&waiting, "p", "next").await });
    let restarted = async || shard.state.restarts.load(Ordering::Relaxed) > 0;
    eventually("it is started again", restarted).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(disk.journal().len(), calls, "{:?}", disk.journal());
    assert!(!shard.is_up());
    disk.release();
    // What the orphan did is seen: its number is not given out again.
    assert_eq!(next.await.unwrap().unwrap(), version("1.0.2"));
    assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "orphan");
    assert_eq!(text_of(&storage, "p", "1.0.2").await.unwrap(), "next");
}

#[tokio::test]
async fn a_write_that_waits_for_a_shard_is_refused_at_once_when_the_storage_closes() {
    let mut store = Store::quiet();
    // The actor that is killed comes back in an hour, and the write would wait as long.
    store.options.restart.min_backoff = Duration::from_secs(3600);
    store.options.restart.max_backoff = Duration::from_secs(3600);
    store.options.write_timeout = Duration::from_secs(3600);
    let storage = store.open().await;
    put(&storage, "p", "a").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    shard.actor.borrow().clone().unwrap().kill();
    eventually("the shard is down", async || !shard.is_up()).await;
    let waiting = Arc::clone(&storage);
    let late = tokio::spawn(async move { put(&waiting, "p", "late").await });
    eventually("the write waits", async || shard.queue_depth() == 1).await;
    storage.close().await;
    let refused = tokio::time::timeout(Duration::from_secs(60), late).await;
    let refused = refused.expect("the write still waits").unwrap();
    assert_eq!(refused.unwrap_err().code(), "unavailable");
}
