//! Disks that take their time, or all of it: who waits, who does not, and what an operator sees.

use super::faulty_disk::{Call, Failure, Fault, FaultyDisk};
use super::*;

/// Longer than anything else in a test takes: a sync of a disk in trouble, until it is let go.
const SLOW: Duration = Duration::from_secs(60);

/// Lets every sync in the shard of `p` be slow or hang.
fn trouble(disk: &FaultyDisk, failure: Failure) {
    let fault = Fault::new(&[Call::SyncFile, Call::SyncDir], 1, failure).on("14");
    disk.arm(fault.times(usize::MAX));
}

/// Lets the disk go on when a test ends, also when it fails: the runtime waits for threads that hang.
struct Released(Arc<FaultyDisk>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.disarm();
        self.0.release();
    }
}

fn spawn_put(
    storage: &Arc<FileSystemStorage>,
    prompt: String,
) -> tokio::task::JoinHandle<Result<Version, StorageError>> {
    let storage = Arc::clone(storage);
    tokio::spawn(async move { put(&storage, &prompt, "slow").await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_holds_up_its_writers_alone_and_they_share_its_syncs() {
    let store = Store::quiet();
    let (storage, disk) = store.open_faulty().await;
    put(&storage, "p", "first").await.unwrap();
    let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
    let commits = shard.state.commits.load(Ordering::Relaxed);
    trouble(&disk, Failure::Slow(SLOW));
    let first = spawn_put(&storage, "p".into());
    eventually("the disk is slow", async || disk.hanging() == 1).await;
    let others: Vec<_> = (0..4).map(|n| spawn_put(&storage, neighbour(n))).collect();
    // Reads and other shards do not wait: they are done while the first write still is not.
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "first");
    put(&storage, STRANGER, "elsewhere").await.unwrap();
    eventually("the others wait", async || shard.queue_depth() == 5).await;
    assert!(!first.is_finished(), "the slow write is still under way");
    disk.release();
    assert_eq!(first.await.unwrap().unwrap(), version("1.0.1"));
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), version("1.0.0"));
    }
    // Who waited for the first went together.
    assert!(shard.state.commits.load(Ordering::Relaxed) - commits <= 3);
    assert_eq!(storage.health(), Ok(()));
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_beyond_its_deadline_is_interrupted_and_one_that_had_not_begun_never_begins() {
    let mut store = Store::quiet();
    store.options.write_timeout = Duration::from_millis(100);
    let (storage, disk) = store.open_faulty().await;
    put_in_the_end(&storage, "p", "first").await;
    trouble(&disk, Failure::Hang);
    let begun = spawn_put(&storage, "p".into());
    eventually("the disk hangs", async || disk.hanging() == 1).await;
    let waiting = spawn_put(&storage, neighbour(1));
    for late in [begun, waiting] {
        assert_eq!(late.await.unwrap().unwrap_err().code(), "interrupted");
    }
    disk.disarm();
    disk.release();
    eventually("the shard works again", async || {
        put(&storage, "p", "again").await.is_ok()
    })
    .await;
    let mut texts = Vec::new();
    for number in versions(&storage, "p") {
        texts.push(text_of(&storage, "p", &number).await.unwrap());
    }
    assert!(
        texts.contains(&"slow".to_owned()),
        "what had begun was finished: {texts:?}"
    );
    assert_eq!(versions(&storage, &neighbour(1)), [] as [&str; 0]);
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_in_one_shard_is_named_and_the_others_are_served() {
    let mut store = Store::quiet();
    store.options.write_timeout = Duration::from_millis(500);
    store.options.drain_timeout = Duration::from_millis(50);
    let (storage, disk) = store.open_faulty().await;
    let _released = Released(Arc::clone(&disk));
    put_in_the_end(&storage, "p", "first").await;
    trouble(&disk, Failure::Hang);
    for _ in 0..2 {
        let error = put(&storage, "p", "stuck").await.unwrap_err();
        assert_eq!(error.code(), "interrupted", "{error}");
    }
    for n in 0..3 {
        assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "first");
        put_in_the_end(&storage, STRANGER, &format!("text {n}")).await;
    }
    let complaint = storage.health().unwrap_err();
    assert!(
        complaint.contains("the disk does not answer: 14 (for "),
        "{complaint}"
    );
    let status = storage.status().await;
    let hanging = &status["shards"]["hanging"];
    assert_eq!(hanging[0]["shard"], "14", "{status}");
    assert!(hanging[0]["working_seconds"].is_u64(), "{status}");
    // A stop does not wait for ever.
    tokio::time::timeout(Duration::from_secs(30), storage.close())
        .await
        .unwrap();
    disk.disarm();
    disk.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_disk_answers_again_is_healthy_again() {
    let mut store = Store::quiet();
    store.options.write_timeout = Duration::from_millis(50);
    let (storage, disk) = store.open_faulty().await;
    put_in_the_end(&storage, "p", "first").await;
    trouble(&disk, Failure::Hang);
    put(&storage, "p", "stuck").await.unwrap_err();
    eventually("it is named", async || storage.health().is_err()).await;
    disk.disarm();
    disk.release();
    eventually("it is healthy", async || storage.health().is_ok()).await;
    let status = storage.status().await;
    assert_eq!(status["shards"]["hanging"], json!([]));
    storage.close().await;
}
