//! A store on a file system that is, or becomes, read-only.

use promptd::client::{Client, ClientError};
use promptd::versions::NewVersion;
use serde_json::{Value, json};

use crate::harness::{Daemon, Host, SmallDisk, by_hand, eventually, id, version};

async fn write(client: &Client, prompt: &str, text: &str) -> Result<(), ClientError> {
    let new = NewVersion::of_text(text);
    client.create_version(&id(prompt), &new).await.map(drop)
}

/// Returns a host whose store is a file system of its own; nothing where none can be mounted.
fn host_with_disk() -> Option<(Host, SmallDisk)> {
    let host = Host::new();
    let disk = SmallDisk::mount(&host.store(), "16m");
    if disk.is_none() {
        eprintln!("skipped: no file system can be mounted here");
    }
    Some((host, disk?))
}

/// Waits until the daemon answers and says that the store is read-only.
async fn says_read_only(daemon: &Daemon) {
    let client = daemon.client();
    eventually(&format!("read-only; {}", daemon.read_log()), async || {
        let status = client.status_json().await;
        status.is_ok_and(|status| status["degraded"].to_string().contains("read-only file system"))
    })
    .await;
}

/// Everything that reads works, and nothing else.
async fn check_only_reads(host: &Host, daemon: &Daemon) {
    let client = daemon.client();
    assert!(host.ctl(&["get", "greet@1.0.0"]).success().contains("Say hello."));
    for prompt in ["greet", "new"] {
        let refused = write(&client, prompt, "More.").await.unwrap_err();
        assert_eq!(refused.code(), Some("read-only-storage"), "{refused}");
    }
    let refused = host.ctl(&["rm", "greet@1.0.0", "--yes"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("read-only"),
        "{refused:?}"
    );
    says_read_only(daemon).await;
    let verified = host.ctl(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let made = host.ctl(&["backup", "daily", "--json"]);
    let made: Value = serde_json::from_str(&made.success()).unwrap();
    assert_eq!(made["problems"], json!([]));
    assert_eq!(made["versions"], 2);
    assert_eq!(host.ctl(&["backup", "verify", "daily"]).code, 0);
}

#[tokio::test]
async fn verify_and_backups_work_after_the_disk_became_read_only_under_the_daemon() {
    let host = Host::new();
    let Some(disk) = SmallDisk::mount_ext4(&host.store(), &host.path().join("image")) else {
        eprintln!("skipped: no ext4 can be made and mounted here");
        return;
    };
    let daemon = host.start().await;
    for text in ["Say hello.", "Say hello again."] {
        write(&daemon.client(), "greet", text).await.unwrap();
    }
    disk.fail();
    check_only_reads(&host, &daemon).await;
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_daemon_starts_on_a_read_only_file_system_and_only_reads_until_it_is_writable() {
    let Some((host, disk)) = host_with_disk() else {
        return;
    };
    let daemon = host.start().await;
    for text in ["Say hello.", "Say hello again."] {
        write(&daemon.client(), "greet", text).await.unwrap();
    }
    assert!(daemon.stop().success());
    disk.set_read_only(true);
    let daemon = host.spawn();
    says_read_only(&daemon).await;
    check_only_reads(&host, &daemon).await;
    let (second, said) = host.run_to_end();
    assert!(!second.success() && said.contains("another promptd"), "{said}");
    disk.set_read_only(false);
    let client = daemon.client();
    eventually("a write", async || {
        write(&client, "greet", "And more.").await.is_ok()
    })
    .await;
    let verified = host.ctl(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_store_that_promptd_never_opened_is_served_from_a_read_only_file_system() {
    let Some((host, disk)) = host_with_disk() else {
        return;
    };
    let file = host.version_file("greet", "1.0.0");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, by_hand("greet", &version("1.0.0"), "Say hello.")).unwrap();
    disk.set_read_only(true);
    let daemon = host.spawn();
    says_read_only(&daemon).await;
    assert!(host.ctl(&["get", "greet@1.0.0"]).success().contains("Say hello."));
    let verified = host.ctl(&["verify"]);
    let problems: Vec<&str> = verified
        .stdout
        .lines()
        .filter(|line| line.starts_with("problem"))
        .collect();
    assert_eq!(problems.len(), 1, "{verified:?}");
    assert!(
        problems[0].contains("missing-metadata"),
        "it cannot be written: {verified:?}"
    );
    assert!(daemon.stop().success());
}
