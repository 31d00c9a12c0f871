//! Sizes, counts, deadlines and mistakes of the daemon itself.

use std::sync::Arc;

use async_trait::async_trait;
use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::fixture::{Call, Server};
use crate::http::HttpLimits;
use crate::metrics::Limit;
use crate::model::{Author, PromptId, Version};
use crate::storage::StorageError;
use crate::storage::interposed::{Interpose, Interposed};
use crate::storage::memory::MemoryStorage;

const CREATE: &str = "/v1/prompts/greet/versions";

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_it_is_not() {
    let body = json!({"prompt": {"text": "Say hello."}}).to_string();
    let limits = HttpLimits {
        max_body_bytes: body.len(),
        ..HttpLimits::default()
    };
    let server = Server::with_limits(limits).await;
    let post = |body: String| {
        Call::new(Method::POST, CREATE)
            .header("content-type", "application/json")
            .bytes(body)
    };
    server
        .send(post(format!("{body} ")))
        .await
        .check_problem(413, "payload-too-large")
        .check_detail("max_body_bytes");
    server.send(post(body)).await.check_status(201);
}

#[tokio::test]
async fn a_client_that_sends_far_too_much_still_gets_its_answer() {
    let server = Server::with_limits(HttpLimits {
        max_body_bytes: 100,
        ..HttpLimits::default()
    })
    .await;
    let huge = Call::new(Method::POST, CREATE)
        .header("content-type", "application/json")
        .bytes(vec![b' '; 8 << 20]);
    server.send(huge).await.check_problem(413, "payload-too-large");
}

#[tokio::test]
async fn a_body_without_a_declared_size_is_counted_as_it_comes() {
    let server = Server::with_limits(HttpLimits {
        max_body_bytes: 10,
        ..HttpLimits::default()
    })
    .await;
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    let head = "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
        .write_all(b"6\r\n{\"text\r\n6\r\n\":\"x\"}\r\n0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_version_too_large_for_the_storage_is_refused() {
    let server = Server::start().await;
    let body = json!({"prompt": {"text": "x", "context": {"large": "y".repeat(1 << 20)}}});
    server
        .post(CREATE, &body)
        .await
        .check_problem(413, "payload-too-large")
        .check_detail("max_file_bytes");
}

/// A server that has room for one connection, and the one that has it.
async fn one_connection() -> (Server, UnixStream) {
    let server = Server::with_limits(HttpLimits {
        max_connections: 1,
        ..HttpLimits::default()
    })
    .await;
    let mut first = UnixStream::connect(&server.path).await.unwrap();
    ask_on(&mut first).await;
    (server, first)
}

#[tokio::test]
async fn connections_over_the_limit_are_answered_with_busy_and_closed() {
    let (server, mut first) = one_connection().await;
    let refused = server.get("/healthz").await;
    refused.check_problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("connection"), "close");
    ask_on(&mut first).await;
    assert_eq!(server.state.metrics().rejections.count(Limit::Connections), 1);
}

#[tokio::test]
async fn a_client_over_the_limit_of_connections_gets_its_answer_although_it_sends_a_large_body() {
    let (server, _first) = one_connection().await;
    for _ in 0..10 {
        let large = Call::new(Method::POST, CREATE)
            .header("content-type", "application/json")
            .bytes(vec![b' '; 2 << 20]);
        let refused = server.send(large).await;
        refused.check_problem(503, "busy").check_detail("max_connections");
    }
}

/// Sends a request on a kept-alive connection and reads a bit of the answer.
async fn ask_on(stream: &mut UnixStream) {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        let byte = stream.read_u8().await.unwrap();
        answer.push(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// What goes wrong is named by the ids of prompts.
#[derive(Debug)]
struct Troubles;

#[async_trait]
impl Interpose for Troubles {
    fn before_lookup(&self, id: &PromptId) -> Result<(), StorageError> {
        assert_ne!(id.as_str(), "panic", "a mistake in the daemon");
        Ok(())
    }

    async fn before_label_history(&self, id: &PromptId) -> Result<(), StorageError> {
        match id.as_str() {
            "never" => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn before_read(&self, id: &PromptId, _version: &Version) -> Result<(), StorageError> {
        let path = "a/b".to_owned();
        let (free, reserve) = (1, 2);
        Err(match id.as_str() {
            "corrupt" => StorageError::Corrupt {
                path,
                reason: "torn".into(),
            },
            "edited" => StorageError::Edited { path },
            "full" => StorageError::Full { free, reserve },
            "readonly" => StorageError::ReadOnly,
            "down" => StorageError::Unavailable("shard 69 is down".into()),
            "cut" => StorageError::Interrupted("killed".into()),
            _ => return Ok(()),
        })
    }

    fn before_health(&self) -> Result<(), String> {
        Err("shard 69 is down".into())
    }
}

async fn troubled(limits: HttpLimits) -> Server {
    let storage = Interposed::new(MemoryStorage::new(1 << 20), Troubles);
    Server::over(Arc::new(storage), limits).await
}

#[tokio::test]
async fn every_trouble_of_the_storage_has_its_status_and_code() {
    let server = troubled(HttpLimits::default()).await;
    for (id, status, code) in [
        ("corrupt", 500, "corrupt-version"),
        ("edited", 409, "edited-version"),
        ("full", 507, "storage-full"),
        ("readonly", 503, "read-only-storage"),
        ("down", 503, "unavailable"),
        ("cut", 503, "interrupted"),
    ] {
        server
            .state
            .versions()
            .create(
                &PromptId::new(id).unwrap(),
                crate::versions::NewVersion::of_text("Say hello."),
                &Author::daemon(),
            )
            .await
            .unwrap();
        let answer = server.get(&format!("/v1/prompts/{id}/versions/1.0.0")).await;
        answer.check_problem(status, code);
        let retry = if code == "unavailable" { "1" } else { "" };
        assert_eq!(answer.header("retry-after"), retry, "{id}");
    }
    server
        .get("/readyz")
        .await
        .check_problem(503, "unavailable")
        .check_detail("shard 69");
    let status = server.get("/v1/status").await.check_status(200).json();
    assert_eq!(
        (&status["status"], &status["degraded"]),
        (&json!("degraded"), &json!("shard 69 is down"))
    );
    server.get("/healthz").await.check_status(200);
}

#[tokio::test]
async fn a_mistake_of_the_daemon_ends_one_request_only() {
    let server = troubled(HttpLimits::default()).await;
    server
        .get("/v1/prompts/panic")
        .await
        .check_problem(500, "internal-error");
    server.create("greet", "Hello.").await;
    server.get("/v1/prompts/greet").await.check_status(200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_frees_its_place() {
    let server = troubled(HttpLimits {
        request_timeout_ms: 30,
        max_requests_in_flight: 1,
        ..HttpLimits::default()
    })
    .await;
    server.create("never", "Hello.").await;
    for _ in 0..2 {
        let late = server.get("/v1/prompts/never/labels").await;
        late.check_problem(503, "unavailable")
            .check_detail("may or may not be done");
    }
    server.get("/v1/prompts/never").await.check_status(200);
}

#[tokio::test]
async fn requests_over_the_limit_are_answered_with_busy_and_health_still_is() {
    let server = Arc::new(
        troubled(HttpLimits {
            max_requests_in_flight: 1,
            ..HttpLimits::default()
        })
        .await,
    );
    server.create("never", "Hello.").await;
    let stuck = Arc::clone(&server);
    let stuck = tokio::spawn(async move { stuck.get("/v1/prompts/never/labels").await });
    while server.state.in_flight().taken() < server.state.in_flight().max() {
        tokio::task::yield_now().await;
    }
    let busy = server.get("/v1/prompts").await;
    busy.check_problem(503, "busy");
    assert_eq!(busy.header("retry-after"), "1");
    server.get("/healthz").await.check_status(200);
    assert_eq!(
        server.state.metrics().rejections.count(Limit::RequestsInFlight),
        1
    );
    stuck.abort();
}

#[tokio::test]
async fn a_process_over_its_share_of_requests_is_told_so_and_counted_under_the_key() {
    let limits = HttpLimits {
        max_requests_in_flight: 16,
        max_requests_in_flight_per_peer: 4,
        ..HttpLimits::default()
    };
    let server = Arc::new(troubled(limits).await);
    server.create("never", "Hello.").await;
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.get("/v1/prompts/never/labels").await })
        })
        .collect();
    while server.state.in_flight().taken() < 3 {
        tokio::task::yield_now().await;
    }
    let busy = server.get("/v1/prompts").await;
    busy.check_problem(503, "busy")
        .check_detail("max_requests_in_flight_per_peer");
    assert_eq!(busy.header("retry-after"), "1");
    let count = |limit| server.state.metrics().rejections.count(limit);
    assert_eq!(
        (
            count(Limit::RequestsInFlightPerPeer),
            count(Limit::RequestsInFlight)
        ),
        (1, 0)
    );
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn large_bodies_and_answers_take_room_and_give_it_back() {
    let server = Server::with_limits(HttpLimits {
        max_bytes_in_flight: 400 << 10,
        ..HttpLimits::default()
    })
    .await;
    let text = "word ".repeat(18_000);
    for n in 0..4 {
        server.create("large", &format!("{n} {text}")).await;
    }
    assert_eq!(server.state.bytes().taken(), 0);
    // All four have more than a process may hold of what is left; two have not.
    let documents = |limit: usize| format!("/v1/prompts/large/versions?documents=true&limit={limit}");
    let held = server
        .state
        .bytes()
        .try_take(crate::admission::Claimant::default(), 150 << 10);
    let refused = server.get(&documents(4)).await;
    refused
        .check_problem(503, "busy")
        .check_detail("max_bytes_in_flight");
    assert_eq!(server.state.metrics().rejections.count(Limit::BytesInFlight), 1);
    drop(held);
    let whole = server.get(&documents(2)).await.check_status(200);
    assert_eq!(whole.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    while server.state.bytes().taken() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_that_was_made_is_never_answered_with_busy_for_the_size_of_its_answer() {
    let server = Server::with_limits(HttpLimits {
        max_bytes_in_flight: 100 << 10,
        ..HttpLimits::default()
    })
    .await;
    let body = json!({"prompt": {"text": "word ".repeat(18_000)}});
    server.post(CREATE, &body).await.check_status(201);
    assert_eq!(server.state.metrics().rejections.count(Limit::BytesInFlight), 0);
}
