//! What is seen outside while a shard comes and goes.

use shuttle_tokio::spawn;

use super::*;
use work::Look;

fn write_by_hand(world: &World, number: &str, text: &str) {
    let mut document = document("p", text);
    document.version = version(number);
    let path = world.path("p", &format!("{number}.json"));
    #[expect(clippy::disallowed_methods, reason = "somebody else writes")]
    std::fs::write(path, serde_json::to_vec(&document).unwrap()).unwrap();
}

async fn a_hint_meets_a_kill() {
    let world = World::new(|_| {});
    world.put_surely("p", "first").await;
    let (killed, hinted) = (Arc::clone(&world), Arc::clone(&world));
    let killer = spawn(async move { killed.kill() });
    let watcher = spawn(async move {
        write_by_hand(&hinted, "3.0.0", "by hand");
        hinted.shard.look(Look::file(id("p"), "3.0.0.json".into()));
    });
    killer.await.unwrap();
    watcher.await.unwrap();
    world.settle().await;
    assert_eq!(world.text("p", &version("3.0.0")).await.unwrap(), "by hand");
    world.storage.close().await;
}

#[test]
fn a_hint_is_not_lost_however_it_meets_a_restart() {
    check("a hint and a kill", 240, a_hint_meets_a_kill);
}

async fn a_hint_meets_two_kills() {
    let world = World::new(|_| {});
    world.put_surely("p", "first").await;
    let (killed, hinted) = (Arc::clone(&world), Arc::clone(&world));
    let killer = spawn(async move {
        killed.kill();
        killed.put_surely(neighbour(), "between").await;
        killed.kill();
    });
    let watcher = spawn(async move {
        for number in ["3.0.0", "3.0.1"] {
            write_by_hand(&hinted, number, number);
            hinted
                .shard
                .look(Look::file(id("p"), format!("{number}.json").into()));
        }
    });
    killer.await.unwrap();
    watcher.await.unwrap();
    world.settle().await;
    for number in ["3.0.0", "3.0.1"] {
        assert_eq!(world.text("p", &version(number)).await.unwrap(), number);
    }
    world.storage.close().await;
}

#[test]
fn hints_are_not_lost_when_the_successor_dies_as_well() {
    check("hints and two kills", 160, a_hint_meets_two_kills);
}
