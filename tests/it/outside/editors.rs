//! Files saved by editors.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::world::{PROMPTS, World, prompt};
use crate::harness::faults_are_full;

/// Saves a file as an editor does.
fn save(way: &str, file: &Path, bytes: &[u8]) {
    let dir = file.parent().unwrap();
    match way {
        "vim" => {
            // It looks whether it may make files here, moves the old one away, and writes a new one.
            let probe = dir.join("4913");
            std::fs::write(&probe, "").unwrap();
            std::fs::remove_file(&probe).unwrap();
            let backup = file.with_extension("json~");
            std::fs::rename(file, &backup).unwrap();
            std::fs::write(file, bytes).unwrap();
            std::fs::remove_file(&backup).unwrap();
        }
        "in place" => {
            // As Visual Studio Code does: the file is emptied, then written piece by piece.
            let mut open = std::fs::File::create(file).unwrap();
            for piece in bytes.chunks(64) {
                open.write_all(piece).unwrap();
            }
        }
        "rename" => {
            let beside = dir.join(".goutputstream-4XZ7Q1");
            std::fs::write(&beside, bytes).unwrap();
            std::fs::rename(&beside, file).unwrap();
        }
        _ => panic!("no such way"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_saved_by_editors_are_served_as_they_are() {
    let mut world = World::begin(&[]).await;
    for (round, way) in ["vim", "in place", "rename"].into_iter().enumerate() {
        for n in 0..PROMPTS {
            let file = world.dir(&prompt(n)).join("1.0.1.json");
            let before = std::fs::read_to_string(&file).unwrap();
            let after = before.replace("Version", &format!("Version {round} of"));
            assert_ne!(before, after);
            save(way, &file, after.as_bytes());
        }
        world
            .settle(&format!("saved by an editor, {way}"), |_| false)
            .await;
    }
    for n in 0..PROMPTS {
        let file = world.dir(&prompt(n)).join("1.0.2.json");
        let sed = Command::new("sed")
            .args(["-i", "s/Version/Variant/"])
            .arg(file)
            .status();
        assert!(sed.unwrap().success());
    }
    world.settle("sed -i", |_| false).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_of_many_quick_saves_is_served() {
    let mut world = World::begin(&[]).await;
    let client = world.daemon.client();
    let latest = promptd::model::VersionSelector::Exact(crate::harness::version("1.0.1"));
    let saves = if faults_are_full() { 300 } else { 60 };
    for save_number in 0..saves {
        let file = world.dir(&prompt(save_number % 3)).join("1.0.1.json");
        let before = std::fs::read_to_string(&file).unwrap();
        // Of equal length, in place, and read at once: neither size nor inode tells the next save from this one.
        let at = before
            .find("Version")
            .unwrap_or_else(|| before.find("Revisio").unwrap());
        let word = if before[at..].starts_with("Version") {
            "Revisio"
        } else {
            "Version"
        };
        let mut open = std::fs::File::options().write(true).open(&file).unwrap();
        open.write_all(format!("{}{word}{}", &before[..at], &before[at + 7..]).as_bytes())
            .unwrap();
        drop(open);
        let _any = client
            .version(&crate::harness::id(&prompt(save_number % 3)), &latest)
            .await;
    }
    world
        .settle(&format!("{saves} quick saves in place, read between"), |_| false)
        .await;
    world.end().await;
}
