//! Clients that say nothing, speak slowly, or do not listen: each ends, is counted, and costs bounded memory.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, PATIENCE, eventually, id};

/// Versions of the prompt with a large history, and the size of each in bytes.
const VERSIONS: usize = 20;
const VERSION_BYTES: usize = 90_000;

/// A daemon that loses patience soon.
async fn hurried(host: &mut Host) -> Daemon {
    for key in ["HEADER", "BODY", "IDLE"] {
        host.set(&format!("LIMITS__{key}_TIMEOUT_MS"), "300");
    }
    host.start().await
}

fn connect(host: &Host) -> UnixStream {
    let stream = UnixStream::connect(host.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends this and then nothing, and returns what comes until the daemon closes the connection.
fn send_and_listen(host: &Host, sent: &str) -> String {
    let mut stream = connect(host);
    stream.write_all(sent.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn each_kind_of_silence_ends_the_connection_and_is_counted_under_its_key() {
    let mut host = Host::new();
    let daemon = hurried(&mut host).await;
    let head =
        "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n";
    let unfinished_body = format!("{head}\r\n{{");
    for (sent, key, begins) in [
        ("", "idle_timeout_ms", ""),
        (
            "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
            "idle_timeout_ms",
            "HTTP/1.1 200",
        ),
        (head, "header_timeout_ms", ""),
        (&unfinished_body, "body_timeout_ms", "HTTP/1.1 408"),
    ] {
        let before = daemon.rejected(key).await;
        let answer = send_and_listen(&host, sent);
        assert!(answer.starts_with(begins), "{key}: {answer}");
        assert!(daemon.rejected(key).await > before, "{key} after {sent:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_in_has_no_more_time_than_one_that_stops() {
    let mut host = Host::new();
    let daemon = hurried(&mut host).await;
    let mut stream = connect(&host);
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let dripping = tokio::task::spawn_blocking(move || {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut byte = [0];
        // Each round waits for an answer that does not come, and then says a little more.
        (0..2_000).any(|_| stream.write_all(b"x: y\r\n").is_err() || matches!(stream.read(&mut byte), Ok(0)))
    });
    assert!(dripping.await.unwrap(), "it was never closed");
    assert!(daemon.rejected("header_timeout_ms").await >= 1.0);
}

/// Makes a prompt with a large history.
async fn fill(daemon: &Daemon) {
    let client = daemon.client();
    for n in 0..VERSIONS {
        let text = format!("{n} {}", "word ".repeat(VERSION_BYTES / 5));
        client
            .create_version(&id("large"), &NewVersion::of_text(text))
            .await
            .unwrap();
    }
}

/// Asks for the whole history.
fn ask_for_history(host: &Host) -> UnixStream {
    let mut stream = connect(host);
    let request = "GET /v1/prompts/large/versions?documents=true&limit=200 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads the first line of an answer.
fn first_line(stream: &mut UnixStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn readers_that_take_nothing_hold_bounded_memory_starve_no_other_process_and_are_closed() {
    const MAX_BYTES: f64 = (8 << 20) as f64;
    let mut host = Host::new();
    host.set("LIMITS__MAX_BYTES_IN_FLIGHT", "8MiB");
    host.set("LIMITS__IDLE_TIMEOUT_MS", "10000");
    let daemon = host.start().await;
    fill(&daemon).await;
    let memory = "process_resident_memory_bytes";
    let before = daemon.metric(memory).await;
    let mut readers: Vec<UnixStream> = (0..40).map(|_| ask_for_history(&host)).collect();
    let lines: Vec<String> = readers.iter_mut().map(first_line).collect();
    let count = |status: &str| lines.iter().filter(|line| line.contains(status)).count();
    // Each answer has nearly 2 MB: some are on their way, and the others are told to come again.
    assert!(count(" 200 ") >= 2, "{lines:?}");
    assert_eq!(count(" 200 ") + count(" 503 "), lines.len(), "{lines:?}");
    assert!(count(" 503 ") >= 30, "{lines:?}");
    let held = daemon.metric("promptd_http_bytes_in_flight").await;
    assert!((1.0..=MAX_BYTES).contains(&held), "{held}");
    assert!(daemon.rejected("max_bytes_in_flight").await >= 30.0);
    let grown = daemon.metric(memory).await - before;
    assert!(
        grown < 200e6,
        "{grown} bytes for 40 answers of which few are held"
    );
    // Another process of this user gets the same history.
    let theirs = host.ctl(&["export", "-", "--prompt", "large"]).success();
    assert!(theirs.len() > VERSIONS * VERSION_BYTES, "{} bytes", theirs.len());
    eventually("those who take nothing are closed", async || {
        daemon.metric("promptd_http_bytes_in_flight").await == 0.0
    })
    .await;
    assert!(daemon.rejected("idle_timeout_ms").await >= 2.0);
    drop(readers);
}

#[tokio::test]
async fn a_reader_that_is_slow_but_reads_gets_its_whole_answer() {
    let mut host = Host::new();
    host.set("LIMITS__IDLE_TIMEOUT_MS", "5000");
    let daemon = host.start().await;
    fill(&daemon).await;
    let mut stream = ask_for_history(&host);
    let (mut taken, mut bytes) = (Vec::new(), vec![0; 128 << 10]);
    // What is taken makes room for more; that is all that the daemon asks for.
    while !taken.ends_with(b"\"next_cursor\":null}") {
        let length = stream.read(&mut bytes).unwrap();
        assert!(length > 0, "closed after {} bytes", taken.len());
        taken.extend_from_slice(&bytes[..length]);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(taken.len() > VERSIONS * VERSION_BYTES);
    assert_eq!(daemon.rejected("idle_timeout_ms").await, 0.0);
}
