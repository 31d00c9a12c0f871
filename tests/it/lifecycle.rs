//! Starting, stopping, being killed, starting again.

use std::os::unix::fs::PermissionsExt;

use promptd::model::VersionSelector;
use promptd::versions::NewVersion;
use rustix::fs::FlockOperation;

use crate::harness::{Host, eventually, id, version};

async fn text_of(client: &promptd::client::Client, prompt: &str, number: &str) -> String {
    let document = client
        .version(&id(prompt), &VersionSelector::Exact(version(number)))
        .await
        .unwrap();
    document.parse().unwrap().prompt.text
}

#[tokio::test]
async fn an_acknowledged_version_survives_kill_nine() {
    let host = Host::new();
    let daemon = host.start().await;
    let client = daemon.client();
    for n in 0..10 {
        client
            .create_version(&id("greet"), &NewVersion::of_text(format!("Greeting {n}.")))
            .await
            .unwrap();
    }
    daemon.kill();
    let again = host.start().await;
    assert_eq!(
        again.client().prompt(&id("greet")).await.unwrap().version_count,
        10
    );
    assert_eq!(text_of(&again.client(), "greet", "1.0.9").await, "Greeting 9.");
}

#[tokio::test]
async fn a_store_that_a_dying_process_still_holds_is_opened_when_it_lets_go() {
    let host = Host::new();
    std::fs::create_dir(host.store()).unwrap();
    let held = std::fs::File::open(host.store()).unwrap();
    rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
    let daemon = host.spawn();
    eventually("it waits for the store", async || {
        daemon.read_log().contains("about to end")
    })
    .await;
    drop(held);
    daemon.ready().await;
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_clean_stop_exits_zero_and_leaves_a_complete_index_and_no_socket() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    assert!(daemon.stop().success());
    let index = std::fs::read_to_string(host.store().join(".index.json")).unwrap();
    assert!(index.contains("\"greet\""), "{index}");
    assert!(!host.socket().exists());
}

#[tokio::test]
async fn a_socket_left_by_a_killed_daemon_is_replaced() {
    let host = Host::new();
    host.start().await.kill();
    assert!(host.socket().exists(), "the socket of a killed daemon stays");
    host.start().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_refused_and_the_first_goes_on() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut other = Host::new();
    other.arguments = vec!["--store".into(), host.store().display().to_string()];
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_promptd"));
    let output = command
        .arg("--store")
        .arg(host.store())
        .arg("--socket")
        .arg(other.socket())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains(&format!("pid {}", daemon.pid())), "{message}");
    daemon.client().health().await.unwrap();
}

#[tokio::test]
async fn a_socket_of_another_running_daemon_is_never_taken() {
    let host = Host::new();
    let daemon = host.start().await;
    let other = Host::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_promptd"));
    let output = command
        .arg("--store")
        .arg(other.store())
        .arg("--socket")
        .arg(host.socket())
        .output()
        .unwrap();
    assert!(!output.status.success());
    daemon.client().health().await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let host = Host::new();
    std::fs::create_dir_all(host.store()).unwrap();
    let metadata = host.store().join(".metadata.json");
    std::fs::write(&metadata, "{\"format_version\": 99}").unwrap();
    let (status, message) = host.run_to_end();
    assert!(!status.success());
    assert!(message.contains("format 99"), "{message}");
    assert_eq!(
        std::fs::read_to_string(&metadata).unwrap(),
        "{\"format_version\": 99}"
    );
}

#[tokio::test]
async fn files_in_the_store_are_closed_to_others() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&host.version_file("greet", "1.0.0")) & 0o007, 0);
    assert_eq!(
        mode(host.version_file("greet", "1.0.0").parent().unwrap()) & 0o007,
        0
    );
    assert_eq!(mode(&host.socket()) & 0o007, 0);
}

#[tokio::test]
async fn a_hangup_keeps_the_daemon_serving() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon.signal("HUP");
    let client = daemon.client();
    eventually("still serving", async || client.health().await.is_ok()).await;
    client
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    assert!(daemon.stop().success());
}
