//! The daemon under a service manager: what it says when, the socket that it is given, reloading.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Daemon, Host, Manager, eventually, id};

fn configure(host: &mut Host, text: &str) {
    let file = host.path().join("promptd.yaml");
    std::fs::write(&file, text).unwrap();
    if host.arguments.is_empty() {
        host.arguments = vec!["--config".into(), file.display().to_string()];
    }
}

async fn status(daemon: &Daemon) -> Value {
    daemon.client().status_json().await.unwrap()
}

async fn longest_page(daemon: &Daemon) -> u64 {
    let api = daemon.client().openapi().await.unwrap();
    let parameters = api["paths"]["/v1/prompts"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit");
    limit.unwrap()["schema"]["maximum"].as_u64().unwrap()
}

#[tokio::test]
async fn the_manager_hears_of_the_start_of_a_reload_and_of_the_stop() {
    let mut host = Host::new();
    configure(&mut host, "");
    let manager = Manager::of(&mut host);
    let daemon = host.spawn();
    let ready = manager.hear("READY=1");
    assert!(ready.contains("STATUS=serving"), "{ready}");
    daemon.client().health().await.unwrap();
    daemon.signal("HUP");
    let reloading = manager.hear("RELOADING=1");
    assert!(
        reloading.contains("\nMONOTONIC_USEC="),
        "in the same message: {reloading}"
    );
    manager.hear("READY=1");
    assert!(daemon.stop().success());
    manager.hear("STOPPING=1");
}

#[tokio::test]
async fn without_a_journal_the_log_is_text_on_standard_error() {
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        println!("this host has a journal: not tested");
        return;
    }
    let mut host = Host::new();
    configure(&mut host, "daemon: {logging: {format: journal}}");
    let daemon = host.start().await;
    assert!(daemon.stop().success());
    let log = std::fs::read_to_string(host.log()).unwrap();
    assert!(log.contains("the journal cannot be reached"), "{log}");
    assert!(log.contains("event=stopped"), "{log}");
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let mut host = Host::new();
    let manager = Manager::of(&mut host);
    std::fs::write(host.store(), "precious").unwrap();
    let (status, _) = host.run_to_end();
    assert_eq!(status.code(), Some(73));
    let said = manager.hear("STATUS=");
    assert!(said.contains("store"), "{said}");
}

#[tokio::test]
async fn a_reload_changes_what_it_can_and_names_the_rest() {
    let mut host = Host::new();
    configure(&mut host, "");
    let manager = Manager::of(&mut host);
    let daemon = host.start().await;
    manager.hear("READY=1");
    assert_eq!(longest_page(&daemon).await, 1_000);
    configure(
        &mut host,
        "daemon:\n  limits: {max_page_items: 50, max_connections: 17, max_requests_in_flight: 19, max_connections_per_peer: 11, \
         max_requests_in_flight_per_peer: 13, max_bytes_in_flight: 2MiB}\n  \
         socket_mode: \"0600\"\noptimizer: {storage: {config: {watch: {mode: scan}}}}\n",
    );
    daemon.signal("HUP");
    let said = manager.hear("READY=1");
    assert!(
        said.contains("restart promptd to use the new daemon.socket_mode"),
        "{said}"
    );
    let now = status(&daemon).await;
    assert_eq!(now["http"]["max_connections"], 17);
    assert_eq!(now["http"]["max_requests_in_flight"], 19);
    assert_eq!(now["http"]["max_connections_per_peer"], 11);
    assert_eq!(now["http"]["max_requests_in_flight_per_peer"], 13);
    assert_eq!(now["http"]["max_bytes_in_flight"], 2 << 20);
    assert_eq!(longest_page(&daemon).await, 50);
    eventually("the store is scanned", async || {
        status(&daemon).await["storage"]["watch"]["mode"] == "scan"
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_is_refused_changes_nothing_and_says_so() {
    let mut host = Host::new();
    configure(&mut host, "daemon: {limits: {max_connections: 17}}");
    let manager = Manager::of(&mut host);
    let daemon = host.start().await;
    manager.hear("READY=1");
    configure(&mut host, "daemon: {limits: {max_connections: many}}");
    daemon.signal("HUP");
    manager.hear("RELOADING=1");
    let said = manager.hear("READY=1");
    assert!(said.contains("the new configuration is refused"), "{said}");
    assert!(said.contains("max_connections"), "{said}");
    assert_eq!(status(&daemon).await["http"]["max_connections"], 17);
    configure(&mut host, "daemon: {limits: {max_connections: 18}}");
    daemon.signal("HUP");
    manager.hear("RELOADING=1");
    let said = manager.hear("READY=1");
    assert!(said.contains("STATUS=serving\n"), "{said}");
    assert_eq!(status(&daemon).await["http"]["max_connections"], 18);
}

#[tokio::test]
async fn a_socket_that_is_passed_outlives_the_daemon_and_keeps_requests_for_the_next() {
    let mut host = Host::new();
    let manager = Manager::of(&mut host);
    let listener = UnixListener::bind(host.socket()).unwrap();
    let daemon = host.spawn_with_socket(&listener, "control", "$$");
    daemon.ready().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    manager.hear("READY=1");
    assert!(daemon.stop().success());
    assert!(host.socket().exists(), "it is not the daemon's to remove");
    // Asked while nobody is there.
    let client = promptd::client::Client::new(host.socket());
    let waiting = tokio::spawn(async move { client.prompt(&id("greet")).await.unwrap().version_count });
    let again = host.spawn_with_socket(&listener, "control", "$$");
    assert_eq!(waiting.await.unwrap(), 1);
    again.kill();
    assert!(host.socket().exists());
}

#[tokio::test]
async fn sockets_that_are_meant_for_others_are_left_alone() {
    let elsewhere = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(elsewhere.path().join("other.sock")).unwrap();
    for (name, process) in [("metrics", "$$"), ("control", "1")] {
        let host = Host::new();
        let daemon = host.spawn_with_socket(&listener, name, process);
        daemon.ready().await;
        assert!(daemon.stop().success());
        assert!(!host.socket().exists(), "its own socket goes with it");
    }
    assert!(elsewhere.path().join("other.sock").exists());
}

#[tokio::test]
async fn the_watchdog_is_fed_while_work_gets_done_and_not_while_the_process_stands_still() {
    let mut host = Host::new();
    host.environment.push(("WATCHDOG_USEC".into(), "600000".into()));
    let manager = Manager::of(&mut host);
    let daemon = host.start().await;
    for _ in 0..3 {
        manager.hear("WATCHDOG=1");
    }
    daemon.signal("STOP");
    while manager.hear_within(Duration::from_secs(2)).is_some() {}
    daemon.signal("CONT");
    manager.hear("WATCHDOG=1");
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_watchdog_of_another_process_is_not_fed() {
    let mut host = Host::new();
    host.environment.push(("WATCHDOG_USEC".into(), "150000".into()));
    host.environment.push(("WATCHDOG_PID".into(), "1".into()));
    let manager = Manager::of(&mut host);
    let _daemon = host.start().await;
    manager.hear("READY=1");
    while let Some(message) = manager.hear_within(Duration::from_millis(600)) {
        assert!(!message.contains("WATCHDOG"), "{message}");
    }
}

/// Begins a request and never ends it; returns when the daemon works on it.
async fn begin_request(host: &Host, daemon: &Daemon) -> UnixStream {
    let mut stream = UnixStream::connect(host.socket()).unwrap();
    let head =
        "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // The question itself is one of them.
    eventually("it is worked on", async || {
        status(daemon).await["http"]["requests_in_flight"] == 2
    })
    .await;
    stream
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_a_second_signal_ends_it_at_once() {
    let mut host = Host::new();
    let manager = Manager::of(&mut host);
    let daemon = host.start().await;
    let _stuck = begin_request(&host, &daemon).await;
    daemon.signal("TERM");
    manager.hear("STOPPING=1");
    assert_eq!(daemon.stop().code(), Some(128 + 15));
}

#[tokio::test]
async fn a_request_that_never_ends_holds_up_a_stop_no_longer_than_configured() {
    let mut host = Host::new();
    let limit = "PROMPTD__DAEMON__LIMITS__DRAIN_TIMEOUT_MS";
    host.environment.push((limit.into(), "100".into()));
    let daemon = host.start().await;
    let _stuck = begin_request(&host, &daemon).await;
    assert!(daemon.stop().success());
}
