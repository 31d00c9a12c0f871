//! The end of a storage, with writers in the middle of it.

use shuttle_tokio::spawn;

use super::*;

/// Closes under two writers; what was acknowledged is on disk, and whoever is too late is told so at once.
async fn close_under_writers(kills: bool) {
    let world = World::new(|_| {});
    world.put_surely("p", "first").await;
    let writers = ["p", neighbour()].map(|prompt| {
        let world = Arc::clone(&world);
        spawn(async move { (prompt, world.put(prompt, "text").await) })
    });
    let killed = Arc::clone(&world);
    let killer = spawn(async move {
        if kills {
            killed.kill_at_work().await;
        }
    });
    world.storage.close().await;
    let late = world.put("p", "late").await;
    assert_eq!(late.unwrap_err().code(), "unavailable");
    killer.await.unwrap();
    for writer in writers {
        let (prompt, put) = writer.await.unwrap();
        match put {
            Ok(version) => assert!(
                world.path(prompt, &format!("{version}.json")).exists(),
                "{version}"
            ),
            Err(error) => assert!(["interrupted", "unavailable"].contains(&error.code()), "{error}"),
        }
    }
}

#[test]
fn closing_serves_or_refuses_every_writer_and_leaves_none_waiting() {
    check("closing under writers", 240, async || {
        close_under_writers(false).await;
    });
}

#[test]
fn closing_leaves_nobody_waiting_for_an_actor_that_was_killed() {
    check("closing after a kill", 240, async || {
        close_under_writers(true).await;
    });
}
