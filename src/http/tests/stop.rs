//! The end of the server.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::fixture::Server;
use crate::http::HttpLimits;

#[tokio::test]
async fn a_request_that_has_begun_is_served_to_its_end() {
    let server = Server::start().await;
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    let head = "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    while server.state.in_flight().taken() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop.send(()).unwrap();
    server.state.stopping().cancelled().await;
    stream.write_all(b"{\"text\":\"x\"}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.task.await.unwrap();
    assert!(
        UnixStream::connect(&server.path).await.is_err(),
        "nobody accepts any more"
    );
}

#[tokio::test]
async fn a_client_that_was_let_in_just_before_the_stop_is_answered() {
    let server = Server::start().await;
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    while server.state.connections().taken() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop.send(()).unwrap();
    server.state.stopping().cancelled().await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_between_two_requests_is_answered_and_told_that_it_was_the_last_one() {
    let server = Server::start().await;
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"}") {
        first.push(stream.read_u8().await.unwrap());
    }
    let first = String::from_utf8(first).unwrap();
    assert!(!first.contains("connection: close"), "{first}");
    server.stop.send(()).unwrap();
    server.state.stopping().cancelled().await;
    // The clock goes on when everybody waits: a connection of which nothing is expected is closed by then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(request).await.unwrap();
    let mut second = String::new();
    stream.read_to_string(&mut second).await.unwrap();
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert!(second.contains("connection: close"), "{second}");
    server.task.await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_stop() {
    let server = Server::start().await;
    let mut idle = UnixStream::connect(&server.path).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 12];
    idle.read_exact(&mut some).await.unwrap();
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_does_not_hold_up_the_stop() {
    let limits = HttpLimits {
        drain_timeout_ms: 30,
        ..HttpLimits::default()
    };
    let server = Server::with_limits(limits).await;
    let mut stuck = UnixStream::connect(&server.path).await.unwrap();
    let head =
        "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
    stuck.write_all(head.as_bytes()).await.unwrap();
    while server.state.in_flight().taken() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_stopping_daemon_says_that_it_is_not_ready() {
    let server = Server::start().await;
    server.state.stopping().cancel();
    let answer = server.get("/readyz").await;
    answer.check_problem(503, "unavailable").check_detail("stopping");
    server.get("/healthz").await.check_status(200);
}
