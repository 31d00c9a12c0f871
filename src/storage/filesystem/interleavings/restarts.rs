//! Actors that die one after another: there is one again, and never two; and no work meets the work before it.

use std::sync::atomic::Ordering;

use shuttle_tokio::spawn;

use super::*;

async fn kills_at_any_time() {
    let world = World::new(|_| {});
    let killers = [(), ()].map(|()| {
        let world = Arc::clone(&world);
        spawn(async move { world.kill() })
    });
    let writers = ["p", neighbour()].map(|prompt| {
        let world = Arc::clone(&world);
        spawn(async move { world.put_surely(prompt, "text").await })
    });
    for killer in killers {
        killer.await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(world.text("p", &version("1.0.0")).await.unwrap(), "text");
    world.storage.close().await;
}

#[test]
fn the_work_of_a_killed_actor_ends_before_its_successor_begins() {
    check("kills at any time", 240, kills_at_any_time);
}

async fn a_recovery_fails() {
    let world = World::new(|_| {});
    world.put_surely("p", "first").await;
    world.disk.failing_lists.store(2, Ordering::Relaxed);
    world.kill();
    let killed = Arc::clone(&world);
    let killer = spawn(async move { killed.kill() });
    let second = world.put_surely("p", "second").await;
    killer.await.unwrap();
    let third = world.put_surely("p", "third").await;
    assert!(version("1.0.0") < second && second < third, "{second} {third}");
    for (number, text) in [(second, "second"), (third, "third")] {
        assert_eq!(world.text("p", &number).await.unwrap(), text);
    }
    world.storage.close().await;
}

#[test]
fn a_shard_comes_back_though_its_recovery_fails_or_is_killed() {
    check("recoveries that fail", 160, a_recovery_fails);
}

async fn a_shard_that_rests() {
    let world = World::new(|options| options.restart.max_restarts = 1);
    for _ in 0..2 {
        loop {
            match world.put("p", "text").await {
                Ok(_) => break,
                Err(error) => assert!(["interrupted", "unavailable"].contains(&error.code()), "{error}"),
            }
            shuttle::future::yield_now().await;
        }
        world.kill();
    }
    while world.put("p", "text").await.is_err() {
        shuttle::future::yield_now().await;
    }
    world.storage.close().await;
}

#[test]
fn a_shard_that_rests_is_tried_again_and_serves() {
    check("a shard that rests", 100, a_shard_that_rests);
}
