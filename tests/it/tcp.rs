//! What is served over TCP, and what is not: real connections over the loopback.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use promptd::client::Client;
use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Daemon, Host, PATIENCE, eventually, holders, id, write_secret};

const TOKEN: &str = "open-sesame-0815-4711";

/// A web page that is allowed to ask.
const ORIGIN: &str = "https://dashboard.example";

fn write_token(host: &Host, token: &str, mode: u32) -> PathBuf {
    let file = host.path().join("tcp-token");
    write_secret(&file, token, mode);
    file
}

fn set(host: &mut Host, key: &str, value: &str) {
    let name = format!("PROMPTD__DAEMON__TCP__{}", key.to_uppercase());
    host.environment.retain(|(known, _)| *known != name);
    host.environment.push((name, value.to_owned()));
}

/// A host whose daemon serves this over TCP, on a port that is free.
fn host_serving(classes: &str) -> Host {
    let mut host = Host::new();
    let file = write_token(&host, TOKEN, 0o600);
    for (key, value) in [
        ("listen", "127.0.0.1:0"),
        ("serve", classes),
        ("credential_file", file.to_str().unwrap()),
        ("allowed_hosts", "prompts.internal"),
        ("allowed_origins", ORIGIN),
    ] {
        set(&mut host, key, value);
    }
    host
}

/// A daemon that serves this over TCP and has one prompt, and where it listens.
async fn greeting(classes: &str) -> (Host, Daemon, String) {
    let host = host_serving(classes);
    let daemon = host.start().await;
    let new = NewVersion::of_text("Say it.");
    daemon.client().create_version(&id("greet"), &new).await.unwrap();
    let address = address(&daemon).await;
    (host, daemon, address)
}

async fn status(client: &Client) -> Value {
    client.status_json().await.unwrap()["http"]["tcp"].clone()
}

/// Returns where the daemon listens.
async fn address(daemon: &Daemon) -> String {
    status(&daemon.client()).await["address"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Sends a request and returns everything that is answered until the connection ends.
fn send(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(address: &str, method: &str, path: &str, headers: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    send(address, &request)
}

fn with_token() -> String {
    format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n")
}

#[track_caller]
fn check(answer: &str, status: u16, part: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(part), "{part} in {answer}");
    assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
}

/// Returns the sockets of a process that are TCP, of either family.
fn tcp_sockets(pid: u32) -> usize {
    let inodes: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(link.to_owned())
        })
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let lines = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
    lines
        .filter_map(|line| line.split_whitespace().nth(9))
        .filter(|inode| inodes.contains(*inode))
        .count()
}

#[tokio::test]
async fn no_socket_of_tcp_is_open_unless_it_is_configured() {
    let host = Host::new();
    let daemon = host.start().await;
    assert_eq!(status(&daemon.client()).await, Value::Null);
    assert_eq!(tcp_sockets(daemon.pid()), 0);
    assert!(daemon.stop().success());
    let host = host_serving("metrics");
    let daemon = host.start().await;
    assert_eq!(tcp_sockets(daemon.pid()), 1);
    assert!(address(&daemon).await.starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn metrics_and_health_are_served_to_who_has_the_token_and_nothing_else_is() {
    let (_host, _daemon, address) = greeting("metrics,health").await;
    let token = with_token();
    let served = ask(&address, "GET", "/metrics", &token);
    check(&served, 200, "promptd_ready 1");
    check(&served, 200, "text/plain");
    for path in ["/healthz", "/readyz", "/health/optimizer"] {
        check(&ask(&address, "GET", path, &token), 200, "\"status\"");
    }
    check(&ask(&address, "HEAD", "/healthz", &token), 200, "");
    for path in [
        "/v1/prompts",
        "/v1/prompts/greet",
        "/v1/prompts/greet/versions/1.0.0",
        "/v1/status",
        "/v1/jobs",
        "/v1/backups",
        "/v1/audit",
        "/openapi.json",
    ] {
        check(&ask(&address, "GET", path, &token), 403, "daemon.tcp.serve");
    }
    check(&ask(&address, "GET", "/nowhere", &token), 404, "not-found");
    check(
        &ask(&address, "POST", "/metrics", &token),
        403,
        "daemon.tcp.serve",
    );
}

#[tokio::test]
async fn without_the_token_another_host_or_a_strange_page_nothing_is_told() {
    let host = host_serving("metrics,health,read");
    let daemon = host.start().await;
    let address = address(&daemon).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let cases = [
        ("Host: localhost\r\n".to_owned(), 401, "unauthorized"),
        (
            format!("Host: localhost\r\n{}", bearer("wrong-sesame-0815")),
            401,
            "unauthorized",
        ),
        (
            "Host: localhost\r\nAuthorization: Basic b3Blbg==\r\n".to_owned(),
            401,
            "unauthorized",
        ),
        (
            format!("Host: evil.example\r\n{}", bearer(TOKEN)),
            421,
            "misdirected-request",
        ),
        (
            format!("Host: evil.example:9464\r\n{}", bearer(TOKEN)),
            421,
            "misdirected-request",
        ),
        (bearer(TOKEN), 421, "misdirected-request"),
        (
            format!("{}Origin: https://evil.example\r\n", with_token()),
            403,
            "forbidden",
        ),
        (format!("{}Origin: null\r\n", with_token()), 403, "forbidden"),
    ];
    for (headers, status, code) in &cases {
        for path in ["/metrics", "/healthz", "/v1/prompts", "/nowhere"] {
            let answer = ask(&address, "GET", path, headers);
            check(&answer, *status, code);
            let lower = answer.to_lowercase();
            let challenges = lower.contains("www-authenticate: bearer");
            assert_eq!(challenges, *status == 401, "{answer}");
            assert!(lower.contains("connection: close"), "{answer}");
            assert!(!lower.contains("promptd-revision"), "{answer}");
        }
    }
    check(
        &ask(
            &address,
            "OPTIONS",
            "/v1/prompts",
            &format!("{}Origin: https://evil.example\r\n", with_token()),
        ),
        403,
        "forbidden",
    );
    for headers in [
        format!("Host: prompts.internal\r\n{}", bearer(TOKEN)),
        format!("Host: [::1]:80\r\n{}Origin: {ORIGIN}\r\n", bearer(TOKEN)),
    ] {
        check(&ask(&address, "GET", "/healthz", &headers), 200, "ok");
    }
    let metrics = ask(&address, "GET", "/metrics", &with_token());
    for (reason, count) in [("no-token", 8), ("wrong-token", 4), ("host", 12), ("origin", 9)] {
        let line = format!("promptd_tcp_refused_total{{reason=\"{reason}\"}} {count}\n");
        check(&metrics, 200, &line);
    }
    let log = daemon.read_log();
    assert!(
        log.contains("tcp-refused") && log.contains("peer=\"tcp\""),
        "{log}"
    );
}

#[tokio::test]
async fn prompts_can_be_read_where_that_is_served_and_never_be_written() {
    let (_host, daemon, address) = greeting("read").await;
    let client = daemon.client();
    let token = with_token();
    for path in [
        "/v1/prompts",
        "/v1/prompts/greet/versions",
        "/v1/prompts/greet/versions/1.0.0",
        "/v1/prompts/greet/labels",
        "/v1/trash",
        "/v1/status",
    ] {
        check(&ask(&address, "GET", path, &token), 200, "");
    }
    check(
        &ask(&address, "GET", "/v1/prompts/greet/versions/1.0.0", &token),
        200,
        "Say it.",
    );
    check(&ask(&address, "GET", "/metrics", &token), 403, "daemon.tcp.serve");
    let body = r#"{"prompt": {"text": "Say no."}}"#;
    for (method, path) in [
        ("POST", "/v1/prompts/greet/versions"),
        ("PUT", "/v1/prompts/greet/versions/2.0.0"),
        ("DELETE", "/v1/prompts/greet/versions/1.0.0"),
        ("DELETE", "/v1/prompts/greet"),
        ("PUT", "/v1/prompts/greet/labels/production"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/evidence"),
        ("POST", "/v1/analyze"),
    ] {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\n{token}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        check(&send(&address, &request), 403, "daemon.tcp.serve");
    }
    let prompt = client.prompt(&id("greet")).await.unwrap();
    assert_eq!(prompt.version_count, 1);
}

#[tokio::test]
async fn a_configuration_that_other_hosts_would_reach_or_without_a_token_is_refused() {
    let refused = |change: &dyn Fn(&mut Host), part: &str| {
        let mut host = host_serving("metrics");
        change(&mut host);
        let (status, log) = host.run_to_end();
        assert_eq!(status.code(), Some(78), "{log}");
        assert!(log.contains(part) && !log.contains("sesame"), "{part} in {log}");
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:9464"] {
        refused(
            &|host| set(host, "listen", address),
            "an address of this host alone",
        );
    }
    refused(
        &|host| set(host, "credential_file", ""),
        "needs a token that clients have to send",
    );
    refused(&|host| set(host, "credential", "tcp-token"), "are both set");
    refused(
        &|host| set(host, "token", TOKEN),
        "a secret does not belong into the configuration",
    );
    refused(&|host| set(host, "serve", "write"), "metrics, health, read");
    refused(
        &|host| {
            write_token(host, TOKEN, 0o640);
        },
        "chmod 600",
    );
    refused(
        &|host| {
            write_token(host, "sesame", 0o600);
        },
        "openssl rand",
    );
    refused(
        &|host| std::fs::remove_file(host.path().join("tcp-token")).unwrap(),
        "tcp-token",
    );
    refused(
        &|host| {
            set(host, "credential_file", "");
            set(host, "credential", "tcp-token");
        },
        "LoadCredential=tcp-token:",
    );
}

#[tokio::test]
async fn the_token_is_in_no_log_no_status_and_no_printed_configuration() {
    let mut host = host_serving("metrics,read");
    host.environment
        .push(("PROMPTD__DAEMON__LOGGING__LEVEL".into(), "trace".into()));
    // As systemd passes it: readable by the group, in a directory of the service.
    let file = write_token(&host, TOKEN, 0o440);
    set(&mut host, "credential_file", "");
    set(&mut host, "credential", "tcp-token");
    let directory = host.path().to_str().unwrap().to_owned();
    host.environment.push(("CREDENTIALS_DIRECTORY".into(), directory));
    let daemon = host.start().await;
    let address = address(&daemon).await;
    for headers in [with_token(), with_token().replace("4711", "4712")] {
        ask(&address, "GET", "/metrics", &headers);
        let status = ask(&address, "GET", "/v1/status", &headers);
        assert!(!status.contains("sesame"), "{status}");
    }
    assert!(daemon.stop().success());
    host.arguments.push("--print-config".into());
    let printed = host
        .command()
        .stdout(std::process::Stdio::piped())
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("credential: \"tcp-token\"") || printed.contains("credential: tcp-token"),
        "{printed}"
    );
    assert!(!printed.contains("sesame"), "{printed}");
    assert_eq!(holders(host.path(), "sesame"), [file]);
}

#[tokio::test]
async fn another_token_in_the_file_counts_after_a_reload() {
    let host = host_serving("health");
    let daemon = host.start().await;
    let address = address(&daemon).await;
    write_token(&host, "another-sesame-0815", 0o600);
    daemon.signal("HUP");
    let headers = "Host: localhost\r\nAuthorization: Bearer another-sesame-0815\r\n";
    eventually("the new token is taken", async || {
        ask(&address, "GET", "/healthz", headers).starts_with("HTTP/1.1 200")
    })
    .await;
    check(
        &ask(&address, "GET", "/healthz", &with_token()),
        401,
        "unauthorized",
    );
    // One that is no token changes nothing.
    write_token(&host, "short", 0o600);
    daemon.signal("HUP");
    eventually("the reload is over", async || {
        daemon.read_log().contains("the token for TCP stays as it was")
    })
    .await;
    check(&ask(&address, "GET", "/healthz", headers), 200, "ok");
}

#[tokio::test]
async fn connections_over_tcp_have_a_limit_of_their_own_and_leave_the_socket_alone() {
    let mut host = host_serving("health");
    set(&mut host, "max_connections", "2");
    let daemon = host.start().await;
    let address = address(&daemon).await;
    let idle: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let client = daemon.client();
    eventually("both are served", async || {
        status(&client).await["connections"] == 2
    })
    .await;
    let answer = ask(&address, "GET", "/healthz", &with_token());
    check(&answer, 503, "daemon.tcp.max_connections");
    assert!(!answer.to_lowercase().contains("promptd-revision"), "{answer}");
    let metrics = client.metrics().await.unwrap();
    let refused = "promptd_rejected_total{key=\"daemon.tcp.max_connections\"} 1\n";
    assert!(metrics.contains(refused), "{metrics}");
    drop(idle);
    eventually("there is room again", async || {
        ask(&address, "GET", "/healthz", &with_token()).starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test]
async fn a_passed_socket_is_served_without_an_address_in_the_configuration() {
    let mut host = host_serving("health");
    set(&mut host, "listen", "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let daemon = host.spawn_with_socket(&listener, "promptd-tcp", "$$");
    daemon.ready().await;
    check(&ask(&address, "GET", "/healthz", &with_token()), 200, "ok");
    assert!(daemon.stop().success());
    // Without a token it is not served, and that is told.
    set(&mut host, "credential_file", "");
    let daemon = host.spawn_with_socket(&listener, "promptd-tcp", "$$");
    assert_eq!(daemon.wait().code(), Some(78));
    let log = std::fs::read_to_string(host.log()).unwrap();
    assert!(log.contains("there is no token"), "{log}");
}

#[tokio::test]
async fn requests_over_tcp_end_before_the_daemon_does() {
    let host = host_serving("health");
    let daemon = host.start().await;
    let address = address(&daemon).await;
    // Kept open without a request: a stop does not wait for it.
    let _idle = TcpStream::connect(&address).unwrap();
    check(&ask(&address, "GET", "/healthz", &with_token()), 200, "ok");
    assert!(daemon.stop().success());
    assert!(TcpStream::connect(&address).is_err());
}
