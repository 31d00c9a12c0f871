//! Files and directories that the daemon may not read, under a user whom modes bind: told, left alone, and all else served.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Daemon, Host, id, prompt_dir};

/// Prompts in shards of their own: one for each kind of damage, and one that has none.
const PROMPTS: [&str; 6] = ["version", "manifest", "trash", "prompt", "shard", "sound"];

async fn write(daemon: &Daemon, prompt: &str, text: &str) -> Result<(), String> {
    let made = daemon
        .client()
        .create_version(&id(prompt), &NewVersion::of_text(text))
        .await;
    made.map(drop).map_err(|error| error.to_string())
}

async fn plant() -> Option<(Host, Daemon)> {
    let host = Host::of_nobody()?;
    let daemon = host.start().await;
    for prompt in PROMPTS {
        for text in ["Say one.", "Say two."] {
            write(&daemon, prompt, text).await.unwrap();
        }
    }
    host.ctl(&["label", "manifest@1.0.0", "production"]).success();
    host.ctl(&["rm", "trash@1.0.1", "--yes"]).success();
    Some((host, daemon))
}

/// What becomes unreadable, relative to the store.
fn places() -> Vec<PathBuf> {
    let dir = prompt_dir;
    let shard_of = |prompt: &str| dir(prompt).parent().unwrap().to_owned();
    vec![
        dir("version").join("1.0.0.json"),
        dir("manifest").join(".manifest.json"),
        Path::new(".trash")
            .join(shard_of("trash"))
            .join("trash@1.0.1.json"),
        dir("prompt"),
        shard_of("shard"),
    ]
}

fn set_modes(host: &Host, places: &[PathBuf], mode: Option<u32>) {
    for place in places {
        let path = host.store().join(place);
        let usual = if path.is_dir() { 0o750 } else { 0o640 };
        std::fs::set_permissions(path, Permissions::from_mode(mode.unwrap_or(usual))).unwrap();
    }
}

/// Every finding of a verification: kind and path.
fn findings(host: &Host) -> Vec<(String, PathBuf)> {
    let output = host.ctl(&["verify", "--json"]);
    let report: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let problems = report["problems"]
        .as_array()
        .unwrap_or_else(|| panic!("{report}"));
    problems
        .iter()
        .map(|problem| {
            let text = |key: &str| problem[key].as_str().unwrap().to_owned();
            (text("kind"), PathBuf::from(text("path")))
        })
        .collect()
}

/// Each place is told, and nothing else; what can be read is served, what can be written is written.
async fn check_told_and_served(host: &Host, daemon: &Daemon, places: &[PathBuf], text: &str) {
    let found = findings(host);
    for place in places {
        assert!(
            found.contains(&("unreadable".to_owned(), place.clone())),
            "{place:?} is not told of in {found:#?}"
        );
    }
    assert_eq!(found.len(), places.len(), "{found:#?}");
    let get = |reference: &str| host.ctl(&["get", reference]);
    for reference in ["version@1.0.1", "manifest@1.0.0", "trash@1.0.0", "sound@1.0.0"] {
        let said = get(reference).success();
        assert!(said.starts_with("Say "), "{reference}: {said}");
    }
    write(daemon, "sound", text).await.unwrap();
    write(daemon, "version", text).await.unwrap();
    for prompt in ["prompt", "shard"] {
        let refused = write(daemon, prompt, text).await.unwrap_err();
        assert!(!refused.is_empty(), "its numbers are not known");
    }
    let restored = host.ctl(&["restore", "trash@1.0.1"]);
    assert_ne!(restored.code, 0, "{restored:?}");
    let moved = host.ctl(&["label", "manifest@1.0.1", "production"]);
    assert_ne!(
        moved.code, 0,
        "a manifest that cannot be read is not replaced: {moved:?}"
    );
}

/// Everything is there again as soon as it can be read.
async fn check_whole(host: &Host, daemon: &Daemon) {
    for prompt in PROMPTS {
        let said = host.ctl(&["get", &format!("{prompt}@1.0.0")]).success();
        assert_eq!(said.trim_end(), "Say one.", "{prompt}");
    }
    host.ctl(&["restore", "trash@1.0.1"]).success();
    let labelled = host.ctl(&["get", "manifest@production"]).success();
    assert_eq!(labelled.trim_end(), "Say one.");
    for prompt in ["prompt", "shard"] {
        write(daemon, prompt, "Say more.").await.unwrap();
        let said = host.ctl(&["get", &format!("{prompt}@1.0.2")]).success();
        assert_eq!(said.trim_end(), "Say more.", "no number is given out twice");
    }
}

#[tokio::test]
async fn what_may_not_be_read_at_a_start_is_told_and_all_else_is_served() {
    let Some((host, daemon)) = plant().await else {
        return;
    };
    assert!(daemon.stop().success());
    let places = places();
    set_modes(&host, &places, Some(0));
    let daemon = host.spawn();
    crate::harness::eventually("answers", async || daemon.client().status().await.is_ok()).await;
    check_told_and_served(&host, &daemon, &places, "Say three.").await;
    assert!(daemon.stop().success());
    set_modes(&host, &places, None);
    let daemon = host.start().await;
    check_whole(&host, &daemon).await;
    eprintln!(
        "covered: damage: {} places of mode 0000 before a start, as another user than root",
        places.len()
    );
}

#[tokio::test]
async fn what_may_not_be_read_any_more_is_told_and_all_else_is_served() {
    let Some((host, daemon)) = plant().await else {
        return;
    };
    let places = places();
    set_modes(&host, &places, Some(0));
    check_told_and_served(&host, &daemon, &places, "Say three.").await;
    set_modes(&host, &places, None);
    host.ctl(&["job", "submit", "rebuild_index", "--wait"]).success();
    check_whole(&host, &daemon).await;
    eprintln!(
        "covered: damage: {} places of mode 0000 while running, as another user than root",
        places.len()
    );
}

#[tokio::test]
async fn an_index_that_may_not_be_read_is_written_anew_and_metadata_that_may_not_be_read_refuse_a_start() {
    let Some((host, daemon)) = plant().await else {
        return;
    };
    let index = vec![PathBuf::from(".index.json")];
    // Whoever verifies waits until the index is written.
    assert_eq!(findings(&host), []);
    set_modes(&host, &index, Some(0));
    let found = findings(&host);
    assert_eq!(found, [("corrupt-index".to_owned(), index[0].clone())]);
    assert!(daemon.stop().success());
    let daemon = host.start().await;
    assert_eq!(findings(&host), []);
    assert!(daemon.stop().success());
    for file in [".metadata.json", ".lock"] {
        let place = vec![PathBuf::from(file)];
        set_modes(&host, &place, Some(0));
        let (status, said) = host.run_to_end();
        assert_eq!(status.code(), Some(73), "{said}");
        assert!(
            said.contains(file) && said.contains("Permission denied"),
            "{said}"
        );
        set_modes(&host, &place, None);
    }
    let daemon = host.start().await;
    check_whole(&host, &daemon).await;
}
