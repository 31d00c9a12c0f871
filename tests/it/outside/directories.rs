//! Directories that come, go, move and are replaced.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use promptd::model::Version;

use super::disk::{copy, scan, scan_shard};
use super::world::{Acknowledged, PROMPTS, World, prompt};
use crate::harness::{by_hand, faults_are_full};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_directory_that_is_replaced_takes_the_writes_that_come_after() {
    let mut world = World::begin(&[]).await;
    for round in 0..3 {
        for n in 0..PROMPTS / 2 {
            let (shard, copied) = (world.shard(&prompt(n)), world.host.path().join("copied"));
            let aside = world.host.path().join(format!("aside_{round}_{n}"));
            copy(&shard, &copied);
            std::fs::rename(&shard, &aside).unwrap();
            std::fs::rename(&copied, &shard).unwrap();
        }
        let swapped = Instant::now();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        // What was sent before may lie in a directory that is aside now.
        let aside: Vec<_> = (0..PROMPTS / 2)
            .map(|n| {
                let store = world.host.path().join(format!("aside_{round}_{n}"));
                (prompt(n), scan_shard(&store))
            })
            .collect();
        let is_aside = |write: &Acknowledged| {
            write.sent < swapped
                && aside.iter().any(|(_, content)| {
                    let versions = content.get(&write.prompt);
                    versions.and_then(|versions| versions.get(&write.version)) == Some(&write.text)
                })
        };
        world
            .settle("shard directories replaced by copies", is_aside)
            .await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompt_directories_that_move_away_and_back_are_followed() {
    let mut world = World::begin(&[]).await;
    for round in 0..3 {
        for n in 0..PROMPTS {
            let (dir, away) = (world.dir(&prompt(n)), world.host.path().join("away"));
            std::fs::rename(&dir, &away).unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(round * 3)).await;
            // A client may have made the prompt anew meanwhile; then the two are brought together.
            if std::fs::rename(&away, &dir).is_err() {
                for entry in std::fs::read_dir(&away).unwrap().map(Result::unwrap) {
                    let target = dir.join(entry.file_name());
                    if !target.exists() {
                        std::fs::rename(entry.path(), target).unwrap();
                    }
                }
                std::fs::remove_dir_all(&away).unwrap();
            }
        }
        world
            .settle("prompt directories moved away and back", |_| false)
            .await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_written_right_after_its_directory_is_seen() {
    let mut world = World::begin(&[]).await;
    let dirs = if faults_are_full() { 1000 } else { 100 };
    for n in 0..dirs {
        let name = format!("quick_{n}");
        let dir = world.dir(&name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("1.0.0.json"), by_hand(&name, &Version::FIRST, "Quick.")).unwrap();
    }
    world
        .settle(&format!("{dirs} directories, each with a file at once"), |_| {
            false
        })
        .await;
    assert!(scan(&world.store()).len() >= dirs);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_file_system_keeps_in_its_root_is_passed_over() {
    let mut world = World::begin(&[]).await;
    let lost = world.store().join("lost+found");
    std::fs::create_dir(&lost).unwrap();
    std::fs::set_permissions(&lost, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(lost.join("#12345"), "x").unwrap();
    world.settle("lost+found", |_| false).await;
    world.end().await;
}
