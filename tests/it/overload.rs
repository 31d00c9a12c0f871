//! More is asked of the daemon than it can do.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::{Daemon, Host, User, eventually};

/// What the daemon may take beyond what it had before a storm: the bytes of bodies and answers, and what connections and
/// requests of a debug build need.
const MAX_GROWTH: u64 = 256 << 20;

/// A client that keeps its connection.
fn connect(host: &Host) -> UnixStream {
    let stream = UnixStream::connect(host.socket()).unwrap();
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    stream
}

/// Asks for something small and returns the whole answer.
fn ask(stream: &mut UnixStream) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut bytes = [0; 4_096];
    while !answer.ends_with(b"}") {
        match stream.read(&mut bytes)? {
            0 => break,
            length => answer.extend_from_slice(&bytes[..length]),
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// Opens connections until one is refused, and returns those that are served and what the refused one was told.
fn occupy(host: &Host) -> (Vec<UnixStream>, String) {
    let mut served = Vec::new();
    loop {
        let mut stream = connect(host);
        let answer = ask(&mut stream).unwrap();
        if !answer.starts_with("HTTP/1.1 200") {
            return (served, answer);
        }
        served.push(stream);
    }
}

#[tokio::test]
async fn one_process_with_all_its_connections_keeps_no_other_process_out() {
    let mut host = Host::new();
    host.set("LIMITS__MAX_CONNECTIONS", "32");
    let _daemon = host.start().await;
    let (mut greedy, refused) = occupy(&host);
    assert!((8..=18).contains(&greedy.len()), "{}", greedy.len());
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    for part in [
        "\"busy\"",
        "max_connections_per_peer",
        "your process has",
        "retry-after: 1",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    // Programs of the same user, each a process of its own.
    for _ in 0..5 {
        host.ctl(&["list"]).success();
    }
    let metrics = host.ctl(&["metrics"]).success();
    let refusals = "promptd_rejected_total{key=\"daemon.limits.max_connections_per_peer\"} 1";
    assert!(metrics.contains(refusals), "{metrics}");
    // Those that are open are served on, and one that is given back is given out again.
    for stream in &mut greedy {
        assert!(ask(stream).unwrap().starts_with("HTTP/1.1 200"));
    }
    greedy.truncate(2);
    eventually("connections that were closed are free", async || {
        ask(&mut connect(&host)).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    })
    .await;
}

#[tokio::test]
async fn one_user_with_all_their_connections_keeps_no_other_user_out() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("LIMITS__MAX_CONNECTIONS", "32");
    host.set("LIMITS__MAX_CONNECTIONS_PER_PEER", "4");
    let _daemon = host.start().await;
    let (greedy, refused) = occupy(&host);
    assert!(greedy.len() <= 4, "{}", greedy.len());
    assert!(refused.contains("max_connections_per_peer"), "{refused}");
    host.ctl_as(User::new(61_001, 61_001), &["list"]).success();
}

#[tokio::test]
async fn an_author_with_many_jobs_does_not_fill_the_queue_and_others_start_before_their_last() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("LIMITS__MAX_JOBS_QUEUED", "8");
    host.set("LIMITS__MAX_JOBS_QUEUED_PER_AUTHOR", "3");
    let daemon = host.start().await;
    let client = daemon.client();
    for n in 0..200 {
        let new = promptd::versions::NewVersion::of_text(format!("Say {n}."));
        let id = crate::harness::id(&format!("many_{n}"));
        client.create_version(&id, &new).await.unwrap();
    }
    // Faster than they can be done.
    let (mut accepted, mut refused) = (Vec::new(), None);
    while refused.is_none() && accepted.len() < 500 {
        match client.submit_job("verify", serde_json::Map::new()).await {
            Ok(job) => accepted.push(job.job_id),
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.expect("the queue of one author is never full");
    assert_eq!(refused.code(), Some("busy"));
    assert!(
        refused.to_string().contains("max_jobs_queued_per_author"),
        "{refused}"
    );
    assert!(daemon.rejected("max_jobs_queued_per_author").await >= 1.0);
    let theirs = host.ctl_as(User::new(61_001, 61_001), &["verify", "--json"]);
    assert!([0, 1].contains(&theirs.code), "{theirs:?}");
}

fn client_row<'r>(report: &'r Value, who: &str) -> &'r Value {
    let rows = report["clients"].as_array().unwrap();
    rows.iter().find(|row| row["who"] == who).unwrap()
}

async fn is_idle(daemon: &Daemon) -> bool {
    daemon.metric("promptd_http_requests_in_flight").await <= 1.0
        && daemon.metric("promptd_http_bytes_in_flight").await == 0.0
        && daemon.metric("promptd_write_queue_depth").await == 0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_loses_nothing_starves_nobody_and_is_over_when_it_ends() {
    let mut host = Host::new();
    host.set("LIMITS__MAX_CONNECTIONS", "64");
    let daemon = host.start().await;
    let arguments = [
        "bench",
        "--overload",
        "10",
        "--clients",
        "4",
        "--seconds",
        "2",
        "--json",
    ];
    let told = host.ctl(&arguments).success();
    println!("{told}");
    let report: Value = serde_json::from_str(&told).unwrap();
    // Nothing that was acknowledged is lost, and that was not nothing.
    assert_eq!(report["lost"], 0, "{report}");
    assert!(report["acknowledged"].as_u64().unwrap() > 10, "{report}");
    // It was a storm: far more was sent than served, and what was refused was told so.
    let (greedy, crowd) = (client_row(&report, "greedy"), client_row(&report, "crowd"));
    assert!(greedy["refused"].as_u64().unwrap() > 0, "{report}");
    assert!(crowd["served"].as_u64().unwrap() > 0, "{report}");
    // The polite client was served all the time.
    let polite = client_row(&report, "polite");
    assert_eq!(polite["refused"], 0, "{report}");
    assert!(polite["served"].as_u64().unwrap() >= 2, "{report}");
    // Memory is bounded.
    let memory = |when: &str| report["memory_bytes"][when].as_u64().unwrap();
    assert!(memory("highest") < memory("before") + MAX_GROWTH, "{report}");
    // Afterwards the next request is served, and nothing is left.
    assert_eq!(report["first_refusal_after"], Value::Null, "{report}");
    eventually("nothing is left of the storm", async || is_idle(&daemon).await).await;
    assert_eq!(
        daemon.client().status().await.unwrap().prompts,
        0,
        "it purges what it wrote"
    );
}
