//! The directory of the store itself: missing, replaced, moved, closed to the daemon; before a start and while it runs.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, eventually, id};

/// Puts something in the place of the store.
type Make = fn(&Path);

async fn write(daemon: &Daemon, text: &str) -> Result<(), String> {
    let made = daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text(text))
        .await;
    made.map(drop).map_err(|error| error.to_string())
}

/// A store with one version, and its daemon.
async fn begin(host: &Host) -> Daemon {
    let daemon = host.start().await;
    write(&daemon, "Say hello.").await.unwrap();
    daemon
}

fn says_hello(host: &Host) {
    assert_eq!(
        host.ctl(&["get", "greet@1.0.0"]).success().trim_end(),
        "Say hello."
    );
}

/// A version that may not be read is served from memory, unless the watcher looked meanwhile and could not read it either;
/// then the reason is told.
fn says_hello_or_why_not(host: &Host) {
    let read = host.ctl(&["get", "greet@1.0.0"]);
    if read.code == 0 {
        assert_eq!(read.stdout.trim_end(), "Say hello.");
    } else {
        assert_eq!(read.code, 75, "{read:?}");
        assert!(read.stderr.contains("Permission denied"), "{read:?}");
    }
}

fn mkfifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[tokio::test]
async fn a_store_that_is_missing_is_made_and_one_behind_a_symlink_is_used() {
    let host = Host::new();
    let daemon = begin(&host).await;
    assert!(daemon.stop().success());
    let moved = host.path().join("moved");
    std::fs::rename(host.store(), &moved).unwrap();
    let daemon = host.start().await;
    assert_eq!(host.ctl(&["list", "--json"]).success(), "", "a new store");
    assert!(daemon.stop().success());
    std::fs::remove_dir_all(host.store()).unwrap();
    symlink(&moved, host.store()).unwrap();
    let _daemon = host.start().await;
    says_hello(&host);
}

#[tokio::test]
async fn what_is_no_directory_in_the_place_of_the_store_refuses_the_start_and_is_left_alone() {
    let makes: [Make; 4] = [
        |path| std::fs::write(path, "precious").unwrap(),
        |path| symlink("nowhere", path).unwrap(),
        |path| symlink(path.file_name().unwrap(), path).unwrap(),
        mkfifo,
    ];
    for make in makes {
        let host = Host::new();
        make(&host.store());
        let before = std::fs::symlink_metadata(host.store()).unwrap();
        let (status, said) = host.run_to_end();
        assert_eq!(status.code(), Some(73), "{said}");
        assert!(said.contains("cannot use the store"), "{said}");
        assert!(
            said.contains("no directory") || said.contains("symbolic links"),
            "{said}"
        );
        let after = std::fs::symlink_metadata(host.store()).unwrap();
        assert_eq!(
            (after.file_type(), after.len()),
            (before.file_type(), before.len())
        );
    }
    eprintln!("covered: damage: 4 kinds at the directory of the store, before a start");
}

/// The store is not where its path leads: reads go on, nothing is written anywhere, health says why.
async fn check_displaced(host: &Host, daemon: &Daemon) {
    says_hello(host);
    let refused = write(daemon, "Say it elsewhere.").await.unwrap_err();
    assert!(refused.contains("moved or replaced"), "{refused}");
    let job = host.ctl(&["verify"]);
    assert!(job.code != 0, "a job cannot be written down: {job:?}");
    let sick = daemon.client().health().await;
    assert!(sick.is_ok(), "it runs: {sick:?}");
    let ready = format!("{:?}", daemon.client().readiness().await);
    assert!(ready.contains("moved or replaced"), "{ready}");
}

#[tokio::test]
async fn a_store_that_is_moved_or_replaced_while_it_is_served_is_read_and_not_written_until_it_is_back() {
    let makes: [(&str, Make); 4] = [
        ("nothing", |_| {}),
        ("a file", |path| std::fs::write(path, "precious").unwrap()),
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("a symlink that leads nowhere", |path| {
            symlink("nowhere", path).unwrap();
        }),
    ];
    for (what, make) in makes {
        let host = Host::new();
        let daemon = begin(&host).await;
        let moved = host.path().join("moved");
        std::fs::rename(host.store(), &moved).unwrap();
        make(&host.store());
        check_displaced(&host, &daemon).await;
        match std::fs::symlink_metadata(host.store()) {
            Err(_) => {}
            Ok(found) if found.is_dir() => {
                std::fs::remove_dir(host.store()).expect("nothing was written into it");
            }
            Ok(_) => std::fs::remove_file(host.store()).unwrap(),
        }
        std::fs::rename(&moved, host.store()).unwrap();
        write(&daemon, "Say it again.")
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(host.version_file("greet", "1.0.1").exists());
        assert!(daemon.stop().success());
    }
    eprintln!("covered: damage: 4 kinds at the directory of the store, while it is served");
}

#[tokio::test]
async fn a_store_that_is_reached_through_a_symlink_from_now_on_is_still_the_same() {
    let host = Host::new();
    let daemon = begin(&host).await;
    let moved = host.path().join("moved");
    std::fs::rename(host.store(), &moved).unwrap();
    symlink(&moved, host.store()).unwrap();
    write(&daemon, "Say it again.").await.unwrap();
    assert!(host.version_file("greet", "1.0.1").exists());
    drop(daemon);
}

#[tokio::test]
async fn a_store_that_is_removed_while_it_is_served_takes_no_writes() {
    let host = Host::new();
    let daemon = begin(&host).await;
    std::fs::remove_dir_all(host.store()).unwrap();
    let refused = write(&daemon, "Say it to nobody.").await.unwrap_err();
    assert!(refused.contains("moved or replaced"), "{refused}");
    assert!(!host.store().exists());
    assert!(daemon.stop().success(), "and it stops as always");
}

#[tokio::test]
async fn a_store_of_mode_0000_refuses_the_start_and_while_it_is_served_the_writes() {
    let Some(host) = Host::of_nobody() else {
        return;
    };
    let set_mode = |mode| std::fs::set_permissions(host.store(), Permissions::from_mode(mode)).unwrap();
    let daemon = begin(&host).await;
    set_mode(0);
    let refused = write(&daemon, "Say it to nobody.").await.unwrap_err();
    assert!(
        refused.contains("Permission denied") || refused.contains("unavailable"),
        "{refused}"
    );
    says_hello_or_why_not(&host);
    set_mode(0o750);
    eventually("writes are taken again", async || {
        write(&daemon, "Say it again.").await.is_ok()
    })
    .await;
    assert!(host.version_file("greet", "1.0.1").exists());
    assert!(
        !host.version_file("greet", "1.0.2").exists(),
        "what was refused was not stored"
    );
    assert!(daemon.stop().success());
    set_mode(0);
    let (status, said) = host.run_to_end();
    assert_eq!(status.code(), Some(73), "{said}");
    assert!(
        said.contains("cannot use the store") && said.contains("Permission denied"),
        "{said}"
    );
    set_mode(0o750);
    let _daemon = host.start().await;
    says_hello(&host);
    eprintln!("covered: damage: the store itself of mode 0000, as another user than root");
}
