//! `promptctl doctor` on installations that are broken in one way each.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Host, eventually, id};

/// Returns what the doctor finds, and whether it says that something is broken. The store is that of the host.
fn doctor(host: &Host, environment: &[(&str, &str)]) -> (Vec<Value>, i32) {
    let store = host.store().display().to_string();
    let mut all = vec![
        ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__STORAGE_DIR", store.as_str()),
        ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__MIN_FREE_BYTES", "0"),
    ];
    all.extend(environment);
    let output = host.ctl_with(&["doctor", "--json"], "", &all);
    let said: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(said["broken"] == true, output.code == 1, "{output:?}");
    (said["findings"].as_array().unwrap().clone(), output.code)
}

/// Checks that there is one finding in an area at a level that says something.
#[track_caller]
fn check(findings: &[Value], area: &str, level: &str, says: &str) {
    let found = findings.iter().any(|finding| {
        finding["area"] == area && finding["level"] == level && finding.to_string().contains(says)
    });
    assert!(found, "no {level} of {area} says {says:?}: {findings:#?}");
}

#[tokio::test]
async fn an_installation_that_works_has_no_problem() {
    let host = Host::new();
    let daemon = host.start().await;
    let new = NewVersion::of_text("Say hello.");
    daemon.client().create_version(&id("greet"), &new).await.unwrap();
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    check(&findings, "socket", "ok", "somebody listens");
    check(&findings, "daemon", "ok", "answers");
    check(&findings, "shards", "ok", "all 1 take writes");
    check(&findings, "backup", "warning", "no backup is known");
    host.ctl(&["backup"]).success();
    check(&doctor(&host, &[]).0, "backup", "ok", "the newest is");
    let shown = host.ctl(&["doctor"]).stdout;
    assert!(shown.contains("as it should be"), "{shown}");
    assert!(daemon.stop().success());
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 1, "a daemon that does not run is a problem");
    check(&findings, "socket", "problem", "there is no socket");
    check(&findings, "backup", "ok", "the newest is");
}

#[tokio::test]
async fn a_killed_daemon_leaves_a_stale_socket_and_a_lock_that_does_no_harm() {
    let host = Host::new();
    host.start().await.kill();
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 1);
    check(&findings, "socket", "problem", "nobody listens on it");
    check(&findings, "lock", "ok", "free");
}

#[tokio::test]
async fn a_daemon_that_listens_elsewhere_is_found_by_its_lock() {
    let host = Host::new();
    let daemon = host.start().await;
    let elsewhere = host.path().join("elsewhere.sock").display().to_string();
    let (findings, code) = doctor(&host, &[("PROMPTD_SOCKET", &elsewhere)]);
    assert_eq!(code, 1);
    check(&findings, "socket", "problem", "elsewhere.sock");
    check(&findings, "lock", "problem", &format!("process {}", daemon.pid()));
}

#[tokio::test]
async fn a_configuration_with_a_mistake_is_named_with_its_line() {
    let host = Host::new();
    let file = host.path().join("promptd.yaml");
    std::fs::write(&file, "daemon:\n  limits:\n    max_conections: 3\n").unwrap();
    let file = file.display().to_string();
    let (findings, code) = doctor(&host, &[("PROMPTD_CONFIG", &file)]);
    assert_eq!(code, 1);
    check(&findings, "configuration", "problem", "promptd.yaml:3");
}

#[tokio::test]
async fn what_is_no_socket_and_what_is_no_store_is_said() {
    let host = Host::new();
    std::fs::write(host.socket(), "precious").unwrap();
    std::fs::write(host.store(), "precious").unwrap();
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 1);
    check(&findings, "socket", "problem", "is no socket");
    check(&findings, "store", "problem", "is no directory");
}

#[tokio::test]
async fn somebody_who_listens_and_is_not_promptd_is_a_problem() {
    let host = Host::new();
    let listener = UnixListener::bind(host.socket()).unwrap();
    // Takes the connections, and ends them without a word.
    let other = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept());
        }
    });
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 1);
    check(&findings, "daemon", "problem", "does not answer as promptd does");
    drop(other);
}

#[tokio::test]
async fn a_store_that_everybody_may_read_is_a_warning() {
    let host = Host::new();
    let daemon = host.start().await;
    std::fs::set_permissions(host.store(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    check(&findings, "store", "warning", "chmod o-rwx");
    let strict = host.ctl(&["doctor", "--strict"]);
    assert_eq!(strict.code, 1, "{strict:?}");
    drop(daemon);
}

#[tokio::test]
async fn damage_that_the_scrubber_found_is_explained() {
    let mut host = Host::new();
    let daemon = host.start().await;
    for n in 0..3 {
        let new = NewVersion::of_text(format!("Say {n}."));
        daemon.client().create_version(&id("greet"), &new).await.unwrap();
    }
    assert!(daemon.stop().success());
    let path = host.version_file("greet", "1.0.1");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__SCRUB__FIRST_PAUSE_SECONDS";
    host.environment.push((key.into(), "0".into()));
    let daemon = host.start().await;
    let client = daemon.client();
    eventually("it is found", async || {
        client.status_json().await.unwrap()["storage"]["scrub"]["found"] == 1
    })
    .await;
    let (findings, code) = doctor(&host, &[]);
    assert_eq!(code, 1);
    check(&findings, "data", "problem", "greet@1.0.1");
}
