//! The places in a shard's queue.

use shuttle::current::{me, set_label_for_task};
use shuttle_tokio::spawn;

use super::*;

/// Marks a client whose deadline passes.
#[derive(Debug, Clone, Copy)]
struct Impatient;

fn depth(world: &World, depth: usize) {
    assert!(world.shard.queue_depth() <= depth);
}

/// Work that lost its actor gives its places back when it ends, and that is all there is to wait for.
async fn all_come_back(world: &World) {
    while world.shard.queue_depth() > 0 {
        shuttle::future::yield_now().await;
    }
    world.put_surely("p", "last").await;
    world.storage.close().await;
    assert_eq!(world.shard.queue_depth(), 0);
}

async fn puts_while_actors_die() {
    let world = World::new(|options| options.max_queue_depth = 2);
    let clients: Vec<_> = ["p", neighbour(), "p"]
        .into_iter()
        .map(|prompt| {
            let world = Arc::clone(&world);
            spawn(async move {
                let put = world.put(prompt, "text").await.map_err(|error| error.code());
                depth(&world, 2);
                assert!(matches!(put, Ok(_) | Err("busy" | "interrupted")), "{put:?}");
            })
        })
        .collect();
    let killed = Arc::clone(&world);
    spawn(async move { killed.kill() }).await.unwrap();
    for client in clients {
        client.await.unwrap();
    }
    all_come_back(&world).await;
}

#[test]
fn every_place_in_the_queue_comes_back_though_the_actor_is_killed() {
    check("places after a kill", 160, puts_while_actors_die);
}

async fn two_clients_in_two_places() {
    let world = World::new(|options| options.max_queue_depth = 2);
    let clients = ["p", neighbour()].map(|prompt| {
        let world = Arc::clone(&world);
        spawn(async move {
            let put = world.put(prompt, "text").await.map_err(|error| error.code());
            assert!(matches!(put, Ok(_) | Err("interrupted")), "{put:?}");
        })
    });
    world.kill();
    for client in clients {
        client.await.unwrap();
    }
    all_come_back(&world).await;
}

#[test]
fn nobody_is_told_busy_as_long_as_there_is_a_place() {
    check("as many clients as places", 160, two_clients_in_two_places);
}

async fn one_after_another() {
    let world = World::new(|options| options.max_queue_depth = 1);
    for text in ["a", "b", "c"] {
        world.put("p", text).await.unwrap();
    }
    all_come_back(&world).await;
}

#[test]
fn whoever_is_answered_finds_its_place_free_again() {
    check("one place, one client", 80, one_after_another);
}

async fn clients_that_go() {
    let world = World::new(|options| options.max_queue_depth = 2);
    let clients = ["p", "p"].map(|prompt| {
        let world = Arc::clone(&world);
        spawn(async move { drop(world.put(prompt, "text").await) })
    });
    clients.iter().for_each(shuttle_tokio::task::JoinHandle::abort);
    for client in clients {
        let _gone = client.await;
    }
    all_come_back(&world).await;
}

#[test]
fn the_place_of_a_client_that_went_away_comes_back() {
    check("clients that go away", 160, clients_that_go);
}

async fn clients_that_wait_no_more() {
    let world = World::new(|options| options.max_queue_depth = 2);
    let clients = ["p", "p"].map(|prompt| {
        let world = Arc::clone(&world);
        spawn(async move {
            set_label_for_task(me(), Impatient);
            let put = world.put(prompt, "text").await.map_err(|error| error.code());
            assert!(
                matches!(put, Ok(_) | Err("interrupted" | "unavailable")),
                "{put:?}"
            );
        })
    });
    shuttle_tokio::time::trigger_timeouts(|labels| labels.get::<Impatient>().is_some());
    for client in clients {
        client.await.unwrap();
    }
    all_come_back(&world).await;
}

#[test]
fn the_place_of_a_client_whose_deadline_passed_comes_back() {
    check("deadlines that pass", 160, clients_that_wait_no_more);
}
