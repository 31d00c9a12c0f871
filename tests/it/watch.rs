//! The stream of changes of a real daemon: in order, none missing, none twice, for whoever may see them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use promptd::client::{Client, Watch, WatchFilter};
use promptd::http::wire::{WatchKind, WatchLine};
use promptd::storage::Revision;
use promptd::storage::feed::Origin;
use promptd::versions::NewVersion;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::harness::{Daemon, Host, PATIENCE, User, by_hand, eventually, id, version};

async fn put(client: &Client, prompt: &str, text: &str) {
    let new = NewVersion::of_text(text);
    client.create_version(&id(prompt), &new).await.unwrap();
}

async fn follow(daemon: &Daemon, since: Option<Revision>) -> Watch {
    daemon
        .client()
        .watch(&WatchFilter::default(), since)
        .await
        .unwrap()
}

async fn next(watch: &mut Watch) -> WatchLine {
    let line = tokio::time::timeout(PATIENCE, watch.next()).await;
    line.expect("a line in time").unwrap().expect("not the end")
}

/// The next change, and nothing of the stream itself.
async fn next_change(watch: &mut Watch) -> WatchLine {
    loop {
        let line = next(watch).await;
        if line.kind.is_change() {
            return line;
        }
    }
}

/// Reads changes until one is as described, which stands in the middle of whatever else an editor's way of saving causes.
async fn until(watch: &mut Watch, kind: WatchKind, origin: Origin, number: Option<&str>) -> WatchLine {
    loop {
        let line = next_change(watch).await;
        if (line.kind, line.origin) == (kind, Some(origin)) && line.version == number.map(version) {
            return line;
        }
    }
}

/// Saves a version of the prompt `greet` as an editor does: as a whole.
fn save(host: &Host, number: &str, bytes: &[u8]) {
    let aside = host.path().join("aside");
    std::fs::write(&aside, bytes).unwrap();
    std::fs::rename(&aside, host.version_file("greet", number)).unwrap();
}

async fn number(daemon: &Daemon, metric: &str) -> f64 {
    let text = daemon.client().metrics().await.unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{metric} ")));
    line.unwrap_or_else(|| panic!("{metric} is not in {text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn what_clients_and_what_other_programs_do_appears_as_it_happens() {
    let host = Host::new();
    let daemon = host.start().await;
    let client = daemon.client();
    let mut watch = follow(&daemon, None).await;
    assert_eq!(next(&mut watch).await.kind, WatchKind::Heartbeat);
    put(&client, "greet", "Hello.").await;
    put(&client, "greet", "Hi.").await;
    host.ctl(&["label", "greet@1.0.0", "production"]).success();
    host.ctl(&["label", "greet@1.0.1", "production"]).success();
    host.ctl(&["label", "--rm", "greet", "production"]).success();
    host.ctl(&["rm", "greet@1.0.0", "--yes"]).success();
    host.ctl(&["restore", "greet@1.0.0"]).success();
    let mut found = Vec::new();
    for _ in 0..7 {
        let line = next_change(&mut watch).await;
        assert_eq!(line.origin, Some(Origin::Daemon));
        assert_eq!(line.prompt_id, Some(id("greet")));
        let numbers = [line.from, line.version].map(|number| number.map(|number| number.to_string()));
        found.push((line.kind.as_str(), numbers[0].clone(), numbers[1].clone()));
    }
    let some = |number: &str| Some(number.to_owned());
    assert_eq!(
        found,
        [
            ("version-created", None, some("1.0.0")),
            ("version-created", None, some("1.0.1")),
            ("label-set", None, some("1.0.0")),
            ("label-set", some("1.0.0"), some("1.0.1")),
            ("label-removed", some("1.0.1"), None),
            ("version-deleted", None, some("1.0.0")),
            ("version-restored", None, some("1.0.0")),
        ]
    );
    let by_hand = |number: &str, text: &str| by_hand("greet", &version(number), text);
    save(&host, "1.0.7", &by_hand("1.0.7", "By hand."));
    until(
        &mut watch,
        WatchKind::VersionCreated,
        Origin::Outside,
        Some("1.0.7"),
    )
    .await;
    save(&host, "1.0.1", &by_hand("1.0.1", "Edited."));
    until(
        &mut watch,
        WatchKind::VersionChanged,
        Origin::Outside,
        Some("1.0.1"),
    )
    .await;
    std::fs::remove_file(host.version_file("greet", "1.0.7")).unwrap();
    until(
        &mut watch,
        WatchKind::VersionRemoved,
        Origin::Outside,
        Some("1.0.7"),
    )
    .await;
    save(&host, "1.0.1", b"{\"torn");
    let found = until(&mut watch, WatchKind::ProblemFound, Origin::Outside, None).await;
    assert_eq!(found.problem.unwrap().kind, "corrupt-version");
    host.ctl(&["rm", "greet", "--purge", "--force", "--yes"])
        .success();
    until(&mut watch, WatchKind::PromptPurged, Origin::Daemon, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_comes_back_again_and_again_has_every_change_once() {
    const CLIENTS: usize = 6;
    const PUTS: usize = 60;
    let host = Host::new();
    let daemon = host.start().await;
    let mut watch = follow(&daemon, None).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let client = daemon.client();
        writers.spawn(async move {
            for n in 0..PUTS {
                put(
                    &client,
                    &format!("p{}", (number + n) % 4),
                    &format!("{number} {n}"),
                )
                .await;
            }
        });
    }
    let (mut seen, mut last, mut read) = (BTreeMap::new(), None, 0);
    while seen.len() < CLIENTS * PUTS {
        let line = next(&mut watch).await;
        let revision: Revision = line.revision.parse().unwrap();
        if line.kind.is_change() {
            let before = last.replace(revision);
            assert!(
                before.is_none_or(|before: Revision| before.counter < revision.counter),
                "{line:?}"
            );
            let version = (line.prompt_id.unwrap(), line.version.unwrap());
            assert_eq!(
                seen.insert(version.clone(), revision),
                None,
                "{version:?} is told twice"
            );
            read += 1;
            if read % 17 == 0 {
                watch = follow(&daemon, last).await;
            }
        }
    }
    while writers.join_next().await.is_some() {}
    let rest = WatchFilter {
        wait: Some(0),
        ..WatchFilter::default()
    };
    let mut rest = daemon.client().watch(&rest, last).await.unwrap();
    while let Some(line) = rest.next().await.unwrap() {
        assert!(!line.kind.is_change(), "{line:?} comes after the last one");
    }
    for n in 0..4 {
        let count = daemon
            .client()
            .prompt(&id(&format!("p{n}")))
            .await
            .unwrap()
            .version_count;
        let told = seen
            .keys()
            .filter(|(prompt, _)| *prompt == id(&format!("p{n}")))
            .count();
        assert_eq!(told as u64, count);
    }
}

#[tokio::test]
async fn after_kill_nine_a_revision_of_before_is_gone() {
    let host = Host::new();
    let daemon = host.start().await;
    put(&daemon.client(), "greet", "Hello.").await;
    let mut watch = follow(&daemon, None).await;
    let at: Revision = next(&mut watch).await.revision.parse().unwrap();
    daemon.kill();
    assert!(watch.next().await.is_err(), "the connection is lost");
    let daemon = host.start().await;
    let error = daemon
        .client()
        .watch(&WatchFilter::default(), Some(at))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("gone"));
    let said = host.ctl(&["watch", "--since", &at.to_string()]).failure(3);
    assert!(said.contains("relist"), "{said}");
}

/// A connection that asks for the changes and reads none of them.
async fn stuck(host: &Host) -> UnixStream {
    let mut stream = UnixStream::connect(host.socket()).await.unwrap();
    let head = b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(head).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_cut_off_while_others_go_on() {
    let mut host = Host::new();
    host.set("LIMITS__MAX_EVENTS_KEPT", "200");
    let daemon = host.start().await;
    let _stuck = stuck(&host).await;
    eventually("the stream", async || {
        number(&daemon, "promptd_feed_streams").await == 1.0
    })
    .await;
    let mut watch = follow(&daemon, None).await;
    let (done, mut told) = tokio::sync::watch::channel(false);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (client, told) = (daemon.client(), told.clone());
        writers.spawn(async move {
            let mut n = 0;
            while !*told.borrow() {
                put(&client, &format!("p{number}"), &format!("{n}")).await;
                n += 1;
            }
            n
        });
    }
    let reading = tokio::spawn(async move {
        let mut changes = 0;
        while !*told.borrow_and_update() {
            tokio::select! {
                line = watch.next() => changes += u64::from(line.unwrap().unwrap().kind.is_change()),
                _ = told.changed() => {}
            }
        }
        (watch, changes)
    });
    eventually("that it is cut off", async || {
        number(&daemon, "promptd_feed_streams_cut_off_total").await == 1.0
    })
    .await;
    done.send(true).unwrap();
    let mut made = 0;
    while let Some(count) = writers.join_next().await {
        made += count.unwrap();
    }
    let (mut watch, mut changes) = reading.await.unwrap();
    while changes < made {
        next_change(&mut watch).await;
        changes += 1;
    }
    assert_eq!(number(&daemon, "promptd_feed_streams").await, 1.0);
    let kept = number(&daemon, "promptd_feed_events_kept").await;
    assert_eq!(kept, 200.0);
}

#[tokio::test]
async fn streams_have_a_limit_and_it_can_be_raised_without_a_restart() {
    let mut host = Host::new();
    let config = host.path().join("promptd.yaml");
    let write = |max: u32| {
        let text =
            format!("daemon:\n  limits: {{max_watch_streams_per_peer: {max}, watch_heartbeat_ms: 50}}\n");
        std::fs::write(&config, text).unwrap();
    };
    write(1);
    host.arguments = vec!["--config".into(), config.to_str().unwrap().into()];
    let daemon = host.start().await;
    let mut watch = follow(&daemon, None).await;
    for _ in 0..3 {
        assert_eq!(next(&mut watch).await.kind, WatchKind::Heartbeat);
    }
    let said = host.ctl(&["watch"]).failure(75);
    assert!(said.contains("max_watch_streams_per_peer"), "{said}");
    write(2);
    daemon.signal("HUP");
    eventually("that another one fits", async || {
        daemon.client().watch(&WatchFilter::default(), None).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn nobody_sees_changes_of_prompts_that_they_may_not_read() {
    const BOB: User = User::new(61_002, 61_002);
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("ACCESS__DEFAULT_ROLE", "none");
    let rules = json!([{"users": [61_002], "role": "read", "prompts": ["pay_"]}]);
    host.set("ACCESS__RULES", &rules.to_string());
    let daemon = host.start().await;
    let mut watch = follow(&daemon, None).await;
    let since = next(&mut watch).await.revision;
    for prompt in ["pay_1", "tax_1", "pay_2"] {
        put(&daemon.client(), prompt, "Say it.").await;
    }
    std::fs::create_dir_all(host.store().join("zz_no_shard")).unwrap();
    let arguments = ["watch", "--since", &since, "--once", "--json"];
    let prompts = |text: String| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| line["prompt_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        prompts(host.ctl(&arguments).success()),
        ["pay_1", "tax_1", "pay_2"]
    );
    assert_eq!(
        prompts(host.ctl_as(BOB, &arguments).success()),
        ["pay_1", "pay_2"]
    );
    host.ctl_as(User::new(61_003, 61_003), &arguments).failure(77);
}

#[tokio::test]
async fn a_stop_ends_every_stream_with_a_word_and_waits_for_no_reader() {
    let mut host = Host::new();
    host.set("LIMITS__DRAIN_TIMEOUT_MS", "60000");
    let daemon = host.start().await;
    let _stuck = stuck(&host).await;
    let mut watch = follow(&daemon, None).await;
    assert_eq!(next(&mut watch).await.kind, WatchKind::Heartbeat);
    let started = std::time::Instant::now();
    assert!(daemon.stop().success());
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(next(&mut watch).await.kind, WatchKind::Stopping);
    assert_eq!(watch.next().await.unwrap(), None);
}

/// `promptctl watch`, and what it says line by line. It is killed when it is dropped.
struct Ctl {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Ctl {
    fn watch(host: &Host, arguments: &[&str]) -> Self {
        let stderr = std::fs::File::create(host.path().join("watch.err")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_promptctl"))
            .env_clear()
            .env("HOME", host.path())
            .env("PROMPTD_SOCKET", host.socket())
            .arg("watch")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Ctl {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[tokio::test]
async fn promptctl_shows_changes_and_comes_back_after_a_restart() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut ctl = Ctl::watch(&host, &["greet*"]);
    let is_watching = async |daemon: &Daemon| {
        eventually("the stream", async || {
            number(daemon, "promptd_feed_streams").await == 1.0
        })
        .await;
    };
    is_watching(&daemon).await;
    put(&daemon.client(), "other", "Hello.").await;
    put(&daemon.client(), "greet", "Hello.").await;
    let line = ctl.line();
    let columns: Vec<&str> = line.trim_end_matches('\n').split('\t').collect();
    assert_eq!(
        columns[2..6],
        ["daemon", "version-created", "greet", "1.0.0"],
        "{line}"
    );
    daemon.kill();
    let daemon = host.start().await;
    is_watching(&daemon).await;
    put(&daemon.client(), "greet_2", "Hello.").await;
    assert!(ctl.line().contains("\tgreet_2\t1.0.0\t"));
    let said = std::fs::read_to_string(host.path().join("watch.err")).unwrap();
    assert!(said.contains("waiting for it to come back"), "{said}");
    assert!(said.contains("what changed meanwhile is not shown"), "{said}");
}
