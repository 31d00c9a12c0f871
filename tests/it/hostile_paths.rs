//! Names, numbers and documents that try to leave the store or to break who reads them, through the real programs.

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, id};

/// Sends bytes as they are and returns the status and the body of the answer.
fn raw(daemon_socket: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(daemon_socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that refuses early may reset the connection after its answer.
    let _reset = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status, body.unwrap_or_default())
}

fn ask(host: &Host, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    raw(&host.socket(), &(head + body))
}

async fn start() -> (Host, Daemon) {
    let host = Host::new();
    let daemon = host.start().await;
    let greet = NewVersion::of_text("Say hello.");
    daemon
        .client()
        .create_version(&id("greet"), &greet)
        .await
        .unwrap();
    (host, daemon)
}

/// Every name in the directory that holds the store, and in the store.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Parts of a path that no prompt, version or label may be called.
const PARTS: [&str; 14] = [
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%2f..%2fpromptd.log",
    "%2fetc%2fpasswd",
    "a%00b",
    "%00",
    ".jobs",
    ".trash",
    "a%2f..%2fb",
    "greet.",
    "gr%D0%B5et",
    "%ff%fe",
    "a%0d%0aSet-Cookie:x",
];

#[tokio::test]
async fn no_name_leaves_the_store_through_any_route() {
    let (host, daemon) = start().await;
    let (outside, inside) = (names(host.path()), names(&host.store()));
    let long = "x".repeat(5_000);
    let document = r#"{"prompt": {"text": "x"}}"#;
    let mut asked = 0;
    for part in PARTS.iter().copied().chain([long.as_str()]) {
        let routes = [
            ("GET", format!("/v1/prompts/{part}"), ""),
            ("GET", format!("/v1/prompts/{part}/versions"), ""),
            ("GET", format!("/v1/prompts/{part}/versions/latest"), ""),
            ("POST", format!("/v1/prompts/{part}/versions"), document),
            ("PUT", format!("/v1/prompts/{part}/versions/1.0.0"), document),
            ("DELETE", format!("/v1/prompts/{part}?purge=true"), ""),
            (
                "DELETE",
                format!("/v1/prompts/{part}/versions/1.0.0?force=true"),
                "",
            ),
            ("GET", format!("/v1/prompts/greet/versions/{part}"), ""),
            ("PUT", format!("/v1/prompts/greet/versions/{part}"), document),
            ("DELETE", format!("/v1/prompts/greet/versions/{part}"), ""),
            (
                "PUT",
                format!("/v1/prompts/greet/labels/{part}"),
                r#"{"version": "1.0.0"}"#,
            ),
            ("POST", format!("/v1/trash/{part}/1.0.0/restore"), ""),
            ("POST", format!("/v1/trash/greet/{part}/restore"), ""),
            (
                "GET",
                format!("/v1/prompts/greet/compare?from={part}&to=1.0.0"),
                "",
            ),
            ("GET", format!("/v1/prompts?cursor=p~{part}"), ""),
            ("GET", format!("/v1/jobs/{part}"), ""),
            ("DELETE", format!("/v1/jobs/{part}"), ""),
        ];
        for (method, path, body) in routes {
            // A label is no file name: it may end in a dot.
            if path.ends_with("/labels/greet.") {
                continue;
            }
            let (status, said) = ask(&host, method, &path, body);
            assert!((400..500).contains(&status), "{method} {path}: {status} {said}");
            asked += 1;
        }
    }
    for params in [
        r#"{"name": "../../x.yml", "content": "app: {}", "workflow": "../x"}"#,
        r#"{"name": "x.yml", "content": "app: {}", "workflow": "/etc"}"#,
        r#"{"name": "x.yml", "content": "app: {}", "workflow": "a\u0000b"}"#,
    ] {
        let (status, said) = ask(
            &host,
            "POST",
            "/v1/jobs",
            &format!(r#"{{"kind": "import", "params": {params}}}"#),
        );
        assert!((400..500).contains(&status), "{params}: {status} {said}");
        asked += 1;
    }
    for verb in ["get", "log", "rm", "latest", "label", "restore", "rollback"] {
        for name in [
            "../greet",
            "/etc/passwd",
            "greet@../1.0.0",
            ".jobs",
            "gr\u{435}et",
        ] {
            let output = host.ctl(&[verb, name, "--yes"]);
            assert_eq!(output.code, 2, "{verb} {name}: {output:?}");
            asked += 1;
        }
    }
    assert_eq!((names(host.path()), names(&host.store())), (outside, inside));
    daemon.client().health().await.unwrap();
    eprintln!("covered: hostile paths: {asked} requests through every route and verb");
}

#[tokio::test]
async fn a_body_that_means_two_things_or_breaks_its_reader_is_refused() {
    let (host, daemon) = start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = "9".repeat(400);
    for (value, status) in [
        (deep.as_str(), 400),
        ("1e999", 400),
        (huge.as_str(), 400),
        (r#""\ud800""#, 400),
        (r#"{"a": 1, "a": 2}"#, 400),
        (r#"{"$serde_json::private::RawValue": "1"}"#, 400),
        ("18446744073709551616", 201),
        (r#""\u0000""#, 201),
    ] {
        let body = format!(r#"{{"prompt": {{"text": "x"}}, "metadata": {{"n": {value}}}}}"#);
        let (found, said) = ask(&host, "POST", "/v1/prompts/greet/versions", &body);
        assert_eq!(
            found,
            status,
            "{}: {said}",
            value.chars().take(40).collect::<String>()
        );
    }
    for body in ["\u{feff}{}", "{}\0", "\0"] {
        assert_eq!(ask(&host, "POST", "/v1/analyze", body).0, 400, "{body:?}");
    }
    let (status, _) = ask(
        &host,
        "POST",
        "/v1/jobs",
        &format!(r#"{{"kind": "verify", "params": {{"x": {deep}}}}}"#),
    );
    assert_eq!(status, 400);
    for number in [
        "18446744073709551615.0.0",
        "9007199254740992.0.0",
        &format!("{}.0.0", "9".repeat(400)),
    ] {
        let (status, said) = ask(&host, "GET", &format!("/v1/prompts/greet/versions/{number}"), "");
        assert_eq!(status, 400, "{number}: {said}");
    }
    daemon.client().health().await.unwrap();
}

#[tokio::test]
async fn a_document_nested_as_deep_as_one_may_be_is_read_in_every_way_and_a_deeper_one_refused() {
    let (host, daemon) = start().await;
    let mut deepest = 99;
    for depth in 100..=130 {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!(r#"{{"prompt": {{"text": "Level {depth}."}}, "metadata": {{"n": {value}}}}}"#);
        let (status, said) = ask(&host, "POST", "/v1/prompts/deep/versions", &body);
        if status == 201 {
            assert_eq!(depth, deepest + 1, "no gap");
            deepest = depth;
        } else {
            assert_eq!(status, 400, "{said}");
        }
    }
    // A document has at most 128 levels, and these stand on the third.
    assert!((120..=126).contains(&deepest), "{deepest}");
    let text = format!("Level {deepest}.");
    host.ctl(&["label", "deep@latest", "production"]).success();
    let listed = host.ctl(&["list", "--label", "production", "--json"]).success();
    assert!(listed.contains(&text), "{listed}");
    assert!(
        host.ctl(&["list", "--label", "production"])
            .success()
            .contains("deep")
    );
    assert!(host.ctl(&["get", "deep", "--json"]).success().contains(&text));
    host.ctl(&["log", "deep"]).success();
    assert!(host.ctl(&["diff", "deep@1.0.0", "deep"]).stdout.contains(&text));
    let (status, page) = ask(
        &host,
        "GET",
        "/v1/prompts/deep/versions?documents=true&order=desc&limit=2",
        "",
    );
    assert!(status == 200 && page.contains(&text), "{status} {page}");
    let exported = host.path().join("exported/");
    host.ctl(&["export", exported.to_str().unwrap()]).success();
    let other = Host::new();
    let second = other.start().await;
    other
        .ctl(&["import", "dir", exported.to_str().unwrap()])
        .success();
    assert_eq!(other.ctl(&["get", "deep"]).success().trim_end(), text);
    drop(second);
    host.ctl(&["verify"]).success();
    assert!(daemon.stop().success());
    let _daemon = host.start().await;
    assert_eq!(host.ctl(&["get", "deep"]).success().trim_end(), text);
}

#[tokio::test]
async fn a_highest_number_at_the_limit_refuses_the_next_with_a_reason() {
    let (host, daemon) = start().await;
    assert!(daemon.stop().success());
    let manifest = host
        .version_file("greet", "1.0.0")
        .with_file_name(".manifest.json");
    let limit = "9007199254740991.9007199254740991.9007199254740991";
    std::fs::write(
        manifest,
        format!(r#"{{"prompt_id": "greet", "highest_version": "{limit}"}}"#),
    )
    .unwrap();
    let daemon = host.start().await;
    let next = NewVersion::of_text("Say hi.");
    let refused = daemon
        .client()
        .create_version(&id("greet"), &next)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("highest possible version number"),
        "{refused}"
    );
    assert_eq!(host.ctl(&["get", "greet"]).success().trim_end(), "Say hello.");
}

#[tokio::test]
async fn a_damaged_store_is_served_and_told_of_by_the_real_programs() {
    let (host, daemon) = start().await;
    for text in ["Say hi.", "Sing."] {
        daemon
            .client()
            .create_version(&id("greet"), &NewVersion::of_text(text))
            .await
            .unwrap();
    }
    assert!(daemon.stop().success());
    let secret = host.path().join("secret");
    std::fs::write(&secret, "sesame").unwrap();
    let (latest, jobs) = (host.version_file("greet", "1.0.2"), host.store().join(".jobs"));
    std::fs::remove_file(&latest).unwrap();
    symlink(&secret, &latest).unwrap();
    let _none = std::fs::remove_dir_all(&jobs);
    symlink(host.path(), &jobs).unwrap();
    std::fs::write(host.store().join(".trash"), "a file").unwrap();
    let fifo = host.version_file("greet", "1.0.1").with_file_name("1.0.3.json");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let daemon = host.start().await;
    assert_eq!(host.ctl(&["get", "greet"]).success().trim_end(), "Say hi.");
    for number in ["greet@1.0.2", "greet@1.0.3"] {
        let output = host.ctl(&["get", number]);
        assert!(
            output.code != 0 && !output.stdout.contains("sesame"),
            "{output:?}"
        );
        assert!(
            output.stderr.contains("corrupt")
                || output.stderr.contains("not a regular file")
                || output.stderr.contains("regular files"),
            "{output:?}"
        );
    }
    let status = host.ctl(&["status", "--json"]).success();
    for path in [".jobs", ".trash", "1.0.2.json", "1.0.3.json"] {
        assert!(status.contains(path), "{path} is not told of in {status}");
    }
    let refused = host.ctl(&["verify"]);
    assert!(refused.code != 0, "a job cannot be written down: {refused:?}");
    drop(daemon);
}
