//! More changes than anybody can follow one by one.

use promptd::model::Version;

use super::world::World;
use crate::harness::{by_hand, faults_are_full};

/// Drops so many files into so many new prompts, one right after the other.
fn drop_files(world: &World, prompts: usize, versions: u64) {
    for n in 0..prompts {
        let name = format!("flood_{n}");
        let dir = world.dir(&name);
        std::fs::create_dir_all(&dir).unwrap();
        for patch in 0..versions {
            let version = Version::release(1, 0, patch);
            let file = dir.join(format!("{version}.json"));
            std::fs::write(file, by_hand(&name, &version, &format!("Text {patch}."))).unwrap();
        }
    }
}

/// Drops a flood of files, one more into each of the new directories, and removes all of them again.
async fn flood(world: &mut World, events: &str) {
    let (prompts, versions) = if faults_are_full() { (100, 1000) } else { (60, 20) };
    if faults_are_full() {
        // So many names are listed by a slow build while the machine is busy with writing them.
        world.slack = 30;
    }
    drop_files(world, prompts, versions);
    let what = format!("{} files dropped at once, {events}", prompts as u64 * versions);
    world.settle(&what, |_| false).await;
    // Directories that were made while events were lost are watched.
    let version = Version::release(2, 0, 0);
    for n in 0..prompts {
        let name = format!("flood_{n}");
        let file = world.dir(&name).join("2.0.0.json");
        std::fs::write(file, by_hand(&name, &version, "Afterwards.")).unwrap();
    }
    let what = format!("a file into each of the {prompts} new directories, {events}");
    world.settle(&what, |_| false).await;
    for n in 0..prompts {
        std::fs::remove_dir_all(world.dir(&format!("flood_{n}"))).unwrap();
    }
    let what = format!("all of them removed again, {events}");
    world.settle(&what, |_| false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_files_is_seen_to_the_last_one_though_events_are_lost() {
    // The queue of the daemon is made so small that events are lost for certain.
    let mut world = World::begin(&[("WATCH__MAX_EVENTS", "16")]).await;
    flood(&mut world, "events lost").await;
    let status = world.status().await;
    assert!(
        status["storage"]["watch"]["overflows"].as_u64() > Some(0),
        "{status}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_files_is_seen_to_the_last_one_with_the_queue_as_it_is_shipped() {
    let mut world = World::begin(&[]).await;
    flood(&mut world, "queue as shipped").await;
    world.end().await;
}
