//! Actors that are killed while the disk is in the middle of a call for them: the work goes on without its actor, and its
//! successor has to wait for it; and callers that hear of all that late.

use std::sync::atomic::Ordering;

use shuttle::current::{me, set_label_for_task};
use shuttle_tokio::spawn;

use super::*;

/// A store whose disk kills so many actors; none of them makes the shard rest.
fn ambushed(kills: usize) -> Arc<World> {
    let world = World::new(|options| options.restart.max_restarts = 100);
    world.disk.ambushes.store(kills, Ordering::Relaxed);
    world
}

/// Writes until every kill has met a call.
async fn meet_every_kill(world: &World, prompt: &str) {
    while world.disk.ambushes.load(Ordering::Relaxed) > 0 {
        let version = world.put_surely(prompt, "text").await;
        assert_eq!(world.text(prompt, &version).await.unwrap(), "text");
    }
}

async fn kills_within_calls() {
    let world = ambushed(3);
    let neighbouring = Arc::clone(&world);
    let neighbour = spawn(async move { meet_every_kill(&neighbouring, neighbour()).await });
    meet_every_kill(&world, "p").await;
    neighbour.await.unwrap();
    let last = world.put_surely("p", "last").await;
    assert_eq!(world.text("p", &last).await.unwrap(), "last");
    world.storage.close().await;
}

#[test]
fn the_work_of_an_actor_that_is_killed_within_a_call_ends_before_its_successor_begins() {
    check("kills within calls", 120, kills_within_calls);
}

async fn a_caller_that_is_late() {
    let world = ambushed(2);
    let calling = Arc::clone(&world);
    let late = spawn(async move {
        set_label_for_task(me(), stage::Late);
        calling.put_surely("p", "late").await
    });
    meet_every_kill(&world, neighbour()).await;
    let version = late.await.unwrap();
    assert_eq!(world.text("p", &version).await.unwrap(), "late");
    world.put_surely("p", "last").await;
    world.storage.close().await;
}

#[test]
fn a_caller_that_still_tells_a_dead_actor_does_not_hide_its_successor() {
    check("late callers", 120, a_caller_that_is_late);
}
