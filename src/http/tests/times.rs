//! Clients that are slow.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::fixture::Server;
use crate::http::HttpLimits;

fn hurried() -> HttpLimits {
    HttpLimits {
        header_timeout_ms: 40,
        body_timeout_ms: 40,
        idle_timeout_ms: 40,
        ..HttpLimits::default()
    }
}

/// Sends what a client sends before it falls silent, and returns what it gets until the connection is closed.
async fn sent_and_silent(sent: &str) -> String {
    let server = Server::with_limits(hurried()).await;
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    assert_eq!(sent_and_silent("").await, "");
}

#[tokio::test]
async fn headers_that_do_not_end_close_the_connection() {
    assert_eq!(sent_and_silent("GET / HTTP/1.1\r\nhost: x\r\n").await, "");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_with_a_problem() {
    let head = "POST /v1/analyze HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let answer = sent_and_silent(head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request-timeout\""), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let answer = sent_and_silent("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn any_host_and_even_the_oldest_http_is_served() {
    let answer =
        sent_and_silent("GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = sent_and_silent("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_not_served() {
    let answer = sent_and_silent("\x16\x03\x01 hello\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(20_000));
    let answer = sent_and_silent(&long).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
