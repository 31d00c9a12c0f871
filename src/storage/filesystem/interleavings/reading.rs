//! What readers see while writers are answered and actors die.

use std::sync::Mutex as Plain;

use shuttle_tokio::spawn;

use super::*;

/// What was acknowledged, in the order in which it was.
type Acknowledged = Arc<Plain<Vec<(Version, String)>>>;

async fn write(world: Arc<World>, acknowledged: Acknowledged, name: &'static str) {
    for n in 0..2 {
        let text = format!("{name}{n}");
        if let Ok(version) = world.put("p", &text).await {
            acknowledged.lock().unwrap().push((version, text));
        }
    }
}

async fn read(world: Arc<World>, acknowledged: Acknowledged) {
    for _ in 0..3 {
        let known = acknowledged.lock().unwrap().clone();
        let entry = world.storage.prompt(&id("p"));
        for (version, text) in known {
            assert!(
                entry.as_ref().is_some_and(|entry| entry.has(&version)),
                "{version} has vanished"
            );
            assert_eq!(world.text("p", &version).await.unwrap(), text);
        }
        shuttle::future::yield_now().await;
    }
}

async fn writers_readers_and_a_kill() {
    let world = World::new(|_| {});
    let acknowledged = Acknowledged::default();
    let tasks = [
        spawn(write(Arc::clone(&world), Arc::clone(&acknowledged), "a")),
        spawn(write(Arc::clone(&world), Arc::clone(&acknowledged), "b")),
        spawn(read(Arc::clone(&world), Arc::clone(&acknowledged))),
    ];
    let killed = Arc::clone(&world);
    spawn(async move { killed.kill() }).await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    read(Arc::clone(&world), Arc::clone(&acknowledged)).await;
    let mut numbers: Vec<_> = acknowledged
        .lock()
        .unwrap()
        .iter()
        .map(|(version, _)| version.clone())
        .collect();
    let count = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "a number was given out twice");
    world.storage.close().await;
}

#[test]
fn what_was_acknowledged_is_seen_by_everybody_and_never_vanishes() {
    check("writers, readers, a kill", 160, writers_readers_and_a_kill);
}

async fn own_writes() {
    let world = World::new(|options| options.use_cache = false);
    for text in ["a", "b"] {
        let version = world.put("p", text).await.unwrap();
        assert!(
            world.storage.prompt(&id("p")).unwrap().has(&version),
            "{version} is not listed"
        );
        assert_eq!(world.text("p", &version).await.unwrap(), text);
    }
    world.storage.close().await;
}

#[test]
fn a_writer_reads_what_it_wrote() {
    check("own writes", 80, own_writes);
}
