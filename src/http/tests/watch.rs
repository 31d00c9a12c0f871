//! The stream of changes over the API, on a storage in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tower::ServiceExt;

use super::fixture::{Call, Server};
use crate::access::{Policy, Principal, Role, Rule};
use crate::http::peer::Peer;
use crate::http::{HttpLimits, router};
use crate::metrics::Limit;
use crate::model::Author;
use crate::storage::memory::MemoryStorage;

/// Somebody who is neither root nor the user of the daemon.
const ANN: u32 = 1_001;

/// A stream that somebody reads, without a socket.
struct Reader {
    body: Body,
    buffer: BytesMut,
}

impl Reader {
    async fn open(server: &Server, uid: u32, path: &str) -> Self {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer {
            author: Author {
                name: "ann".into(),
                uid: Some(uid),
            },
            principal: Some(Principal { uid, gids: vec![uid] }),
            gid: Some(uid),
            pid: None,
        });
        let answer = router(server.state.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            body: answer.into_body(),
            buffer: BytesMut::new(),
        }
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Some(serde_json::from_slice(&self.buffer.split_to(end + 1)).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await;
            let piece = frame
                .expect("a line within a minute")?
                .unwrap()
                .into_data()
                .unwrap();
            self.buffer.extend_from_slice(&piece);
        }
    }

    async fn kind(&mut self) -> Option<String> {
        self.next()
            .await
            .map(|line| line["kind"].as_str().unwrap().to_owned())
    }
}

fn quick() -> HttpLimits {
    HttpLimits {
        watch_heartbeat_ms: 20,
        ..HttpLimits::default()
    }
}

/// What there is after a revision, without waiting for more.
async fn since(server: &Server, query: &str) -> Vec<Value> {
    let answer = server
        .get(&format!("/v1/watch?wait=0&{query}"))
        .await
        .check_status(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn revision_of(answer: &super::fixture::Answer) -> String {
    answer.header("promptd-revision").to_owned()
}

#[tokio::test]
async fn what_happened_after_a_revision_is_told_once_and_in_order() {
    let server = Server::start().await;
    let before = revision_of(&server.get("/v1/prompts").await);
    server.create("greet", "Hello.").await;
    let label = json!({"version": "1.0.0"});
    server
        .put("/v1/prompts/greet/labels/production", &label)
        .await
        .check_status(200);
    server.create("other", "Hi.").await;
    let lines = since(&server, &format!("since={before}")).await;
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    let expected = [
        "heartbeat",
        "version-created",
        "label-set",
        "version-created",
        "heartbeat",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(lines[0]["revision"], before);
    assert_eq!(
        (
            &lines[2]["prompt_id"],
            &lines[2]["label"],
            &lines[2]["version"],
            &lines[2]["origin"]
        ),
        (
            &json!("greet"),
            &json!("production"),
            &json!("1.0.0"),
            &json!("daemon")
        )
    );
    // From each line on, the rest and nothing else.
    for (place, line) in lines.iter().enumerate().take(4) {
        let at = line["revision"].as_str().unwrap();
        let rest = since(&server, &format!("since={at}")).await;
        assert_eq!(rest[1..], lines[place + 1..], "{at}");
    }
    for (filter, count) in [
        ("prompt=greet", 2),
        ("prefix=oth", 1),
        ("prefix=", 3),
        ("prompt=nobody", 0),
    ] {
        let lines = since(&server, &format!("since={before}&{filter}")).await;
        assert_eq!(lines.len(), count + 2, "{filter}");
        assert_eq!(lines.last().unwrap()["kind"], "heartbeat");
    }
}

#[tokio::test]
async fn what_is_not_known_any_more_is_gone_and_what_cannot_be_asked_is_refused() {
    let server = Server::over(Arc::new(MemoryStorage::new(1 << 20).with_events_kept(1)), quick()).await;
    let before = revision_of(&server.get("/v1/prompts").await);
    server.create("greet", "Hello.").await;
    let between = revision_of(&server.get("/v1/prompts").await);
    server.create("greet", "Hi.").await;
    let other = format!("{:016x}.1", 7);
    for gone in [&before, &other] {
        let answer = server.get(&format!("/v1/watch?since={gone}")).await;
        answer.check_problem(410, "gone").check_detail("relist");
    }
    assert_eq!(since(&server, &format!("since={between}")).await.len(), 3);
    for (query, detail) in [
        ("since=yesterday", "not a revision"),
        ("prompt=a&prefix=b", "not both"),
        ("wait=3601", "3600"),
        ("limit=1", "unknown field"),
    ] {
        let answer = server.get(&format!("/v1/watch?{query}")).await;
        answer.check_problem(400, "invalid-request").check_detail(detail);
    }
    let answer = server.get("/v1/watch?prompt=..").await;
    answer.check_problem(400, "invalid-prompt-id");
}

#[tokio::test]
async fn server_sent_events_carry_their_revision_and_go_on_from_the_last_one() {
    let server = Server::start().await;
    let before = revision_of(&server.get("/v1/prompts").await);
    server.create("greet", "Hello.").await;
    let ask = |last: Option<&str>| {
        let call = Call::new(Method::GET, &format!("/v1/watch?wait=0&since={before}"));
        let call = call.header("accept", "text/event-stream");
        match last {
            Some(last) => call.header("last-event-id", last),
            None => call,
        }
    };
    let answer = server.send(ask(None)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let events: Vec<&str> = text.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 3, "{text}");
    let fields: Vec<&str> = events[1].lines().collect();
    assert_eq!(fields[1], "event: version-created");
    let (id, data) = (fields[0].strip_prefix("id: "), fields[2].strip_prefix("data: "));
    let data: Value = serde_json::from_str(data.unwrap()).unwrap();
    assert_eq!(data["revision"], id.unwrap());
    let again = server.send(ask(id)).await;
    let text = String::from_utf8(again.body.to_vec()).unwrap();
    assert!(!text.contains("version-created"), "{text}");
    server
        .send(ask(Some("x")))
        .await
        .check_problem(400, "invalid-request");
}

#[tokio::test]
async fn a_stream_on_which_nothing_happens_says_that_it_is_there_and_is_no_request_in_flight() {
    let limits = HttpLimits {
        request_timeout_ms: 30,
        max_requests_in_flight: 1,
        ..quick()
    };
    let server = Server::with_limits(limits).await;
    let mut reader = Reader::open(&server, ANN, "/v1/watch").await;
    for _ in 0..5 {
        assert_eq!(reader.kind().await.as_deref(), Some("heartbeat"));
    }
    assert_eq!(server.state.in_flight().taken(), 0);
    server.create("greet", "Hello.").await;
    while reader.kind().await.as_deref() == Some("heartbeat") {}
    assert_eq!(server.state.streams().open(), 1);
    assert_eq!(server.state.streams().sent(), 1);
    drop(reader);
    while server.state.streams().open() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_rules_count_as_they_are_when_a_change_is_sent() {
    let server = Server::with_limits(quick()).await;
    let rule = |prefix: &str| Rule {
        uids: vec![ANN],
        gids: Vec::new(),
        role: Role::Read,
        prompts: Some(vec![prefix.to_owned()]),
        labels: None,
    };
    server
        .state
        .set_policy(Policy::new(Role::None, vec![rule("pay_")], 0));
    let mut reader = Reader::open(&server, ANN, "/v1/watch").await;
    let mut next = async || loop {
        let line = reader.next().await?;
        if line["kind"] != "heartbeat" {
            return Some(line);
        }
    };
    for id in ["tax_1", "pay_1"] {
        server.create(id, "Say it.").await;
    }
    assert_eq!(next().await.unwrap()["prompt_id"], "pay_1");
    server
        .state
        .set_policy(Policy::new(Role::None, vec![rule("tax_")], 0));
    for id in ["pay_2", "tax_2"] {
        server.create(id, "Say it.").await;
    }
    assert_eq!(next().await.unwrap()["prompt_id"], "tax_2");
    server.state.set_policy(Policy::new(Role::None, Vec::new(), 0));
    assert_eq!(next().await.unwrap()["kind"], "forbidden");
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn one_user_has_so_many_streams_and_all_users_together_so_many() {
    let limits = HttpLimits {
        max_watch_streams: 3,
        max_watch_streams_per_peer: 2,
        ..HttpLimits::default()
    };
    let server = Server::with_limits(limits).await;
    let own = rustix::process::getuid().as_raw();
    let first = Reader::open(&server, own, "/v1/watch").await;
    let _second = Reader::open(&server, own, "/v1/watch").await;
    let refused = server.get("/v1/watch").await;
    refused
        .check_problem(503, "busy")
        .check_detail("max_watch_streams_per_peer");
    assert_eq!(refused.header("retry-after"), "1");
    let _third = Reader::open(&server, own + 1, "/v1/watch").await;
    drop(first);
    while server.state.streams().open() > 2 {
        tokio::task::yield_now().await;
    }
    let _again = Reader::open(&server, own + 1, "/v1/watch").await;
    let refused = server.get("/v1/watch").await;
    refused
        .check_problem(503, "busy")
        .check_detail("(max_watch_streams)");
    let count = |limit| server.state.metrics().rejections.count(limit);
    assert_eq!(
        (count(Limit::WatchStreamsPerPeer), count(Limit::WatchStreams)),
        (1, 1)
    );
}

/// Two streams: one over a socket from which nothing is taken, and one that is read.
async fn stuck_and_reader(server: &Server) -> (UnixStream, Reader) {
    let mut stuck = UnixStream::connect(&server.path).await.unwrap();
    stuck
        .write_all(b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let reader = Reader::open(server, ANN, "/v1/watch").await;
    while server.state.streams().open() < 2 {
        tokio::task::yield_now().await;
    }
    (stuck, reader)
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_and_the_others_go_on() {
    let storage = Arc::new(MemoryStorage::new(1 << 20).with_events_kept(40));
    let server = Server::over(storage, HttpLimits::default()).await;
    let (_stuck, mut reader) = stuck_and_reader(&server).await;
    let (mut made, mut seen) = (0, 0);
    // More than the socket and its buffers hold.
    while server.state.streams().cut_off() == 0 {
        assert!(made < 20_000, "nobody is cut off");
        for _ in 0..10 {
            server
                .create(&format!("prompt_{}", made % 7), &format!("Text {made}."))
                .await;
            made += 1;
        }
        while seen < made {
            seen += usize::from(reader.kind().await.as_deref() == Some("version-created"));
        }
    }
    assert_eq!(server.state.streams().open(), 1);
    // Its connection is closed although it never takes its last line.
    while server.state.connections().taken() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.create("last", "Text.").await;
    assert_eq!(reader.next().await.unwrap()["prompt_id"], "last");
}

#[tokio::test]
async fn a_reader_that_was_too_slow_and_reads_again_is_told_so_in_the_last_line() {
    let storage = Arc::new(MemoryStorage::new(1 << 20).with_events_kept(2));
    let server = Server::over(storage, HttpLimits::default()).await;
    let mut reader = Reader::open(&server, ANN, "/v1/watch").await;
    for n in 0..20 {
        server.create("greet", &format!("Text {n}.")).await;
    }
    let mut last = reader.next().await.unwrap();
    while let Some(line) = reader.next().await {
        last = line;
    }
    assert_eq!(last["kind"], "gone");
    let at = last["revision"].as_str().unwrap();
    server
        .get(&format!("/v1/watch?since={at}"))
        .await
        .check_problem(410, "gone");
}

#[tokio::test]
async fn a_stop_ends_every_stream_with_a_word_and_waits_for_no_reader() {
    let server = Server::start().await;
    let (_stuck, mut reader) = stuck_and_reader(&server).await;
    let started = std::time::Instant::now();
    server.stop.send(()).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(15), server.task).await;
    assert!(
        stopped.is_ok(),
        "the drain takes 20 seconds at most, and this takes less: {:?}",
        started.elapsed()
    );
    assert_eq!(reader.kind().await.as_deref(), Some("heartbeat"));
    assert_eq!(reader.kind().await.as_deref(), Some("stopping"));
    assert_eq!(reader.kind().await, None);
}
