//! The scrubber of the real daemon: what rots is found before somebody reads it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Host, eventually, id};

/// Returns what `/readyz` says.
fn readyz(host: &Host) -> Value {
    let mut stream = UnixStream::connect(host.socket()).unwrap();
    let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_flipped_byte_is_found_said_once_and_forgotten_when_it_is_mended_and_an_edit_is_a_note() {
    let mut host = Host::new();
    let daemon = host.start().await;
    for prompt in ["rotten", "edited"] {
        for n in 0..3 {
            let new = NewVersion::of_text(format!("Say {n}."));
            daemon.client().create_version(&id(prompt), &new).await.unwrap();
        }
    }
    assert!(daemon.stop().success());
    let path = host.version_file("rotten", "1.0.1");
    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let edited = host.version_file("edited", "1.0.1");
    let text = std::fs::read_to_string(&edited).unwrap();
    std::fs::write(&edited, text.replace("Say 1.", "Say one.")).unwrap();

    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__SCRUB__FIRST_PAUSE_SECONDS";
    host.environment.push((key.into(), "0".into()));
    let daemon = host.start().await;
    let client = daemon.client();
    let status = async || client.status_json().await.unwrap();
    eventually("both are found", async || {
        let scrub = status().await["storage"]["scrub"].clone();
        scrub["found"] == 1 && scrub["edited"] == 1
    })
    .await;
    let degraded = status().await;
    assert_eq!(degraded["status"], "degraded", "{degraded}");
    let concerns = readyz(&host)["concerns"].to_string();
    assert!(concerns.contains("rotten@1.0.1"), "{concerns}");
    assert!(!concerns.contains("edited@"), "{concerns}");

    std::fs::write(&path, good).unwrap();
    eventually("it is mended", async || {
        status().await["storage"]["scrub"]["found"] == 0
    })
    .await;
    eventually("all is well", async || status().await["status"] == "ok").await;
    let concerns = readyz(&host)["concerns"].clone();
    assert!(concerns.as_array().is_none_or(Vec::is_empty), "{concerns}");
    assert_eq!(
        status().await["storage"]["scrub"]["edited"],
        1,
        "a note, and nothing is wrong"
    );
    assert!(host.ctl(&["get", "rotten@1.0.1"]).success().contains("Say 1."));
    assert!(host.ctl(&["get", "edited@1.0.1"]).success().contains("Say one."));
    let log = daemon.read_log();
    let lines = |prompt: &str| {
        let said = |line: &&str| line.contains("the scrubber found") && line.contains(prompt);
        log.lines().filter(said).count()
    };
    assert_eq!((lines("rotten"), lines("edited")), (1, 1), "{log}");
    assert!(daemon.stop().success());
}
