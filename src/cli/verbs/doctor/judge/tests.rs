//! Each kind of broken installation, by its facts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::cli::verbs::doctor::facts::{DaemonFacts, InotifyFacts, ShellFacts, UnitFacts};
use crate::cli::verbs::doctor::finding::Level;

const NOW: i64 = 1_795_000_000;

fn status() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "storage": {
            "shards": {"count": 256, "down": [], "hanging": []},
            "actors": {"index": {"up": true, "restarts": 0, "last_error": null}},
            "scrub": {"found": 0}, "problems": {"count": 0, "first": []},
            "index": {"state": {"last_error": null}}, "watch": {"mode": "inotify", "last_error": null},
            "disk": {"full": null},
        },
        "jobs": {"actor": {"up": true, "restarts": 0, "last_error": null}, "problems": []},
        "http": {"tcp": null},
    })
}

/// An installation in which all is well.
fn well() -> Facts {
    Facts {
        user: User {
            uid: 1000,
            name: "ann".into(),
        },
        config: ConfigFacts {
            file: Some("/etc/promptd/promptd.yaml".into()),
            ..ConfigFacts::default()
        },
        socket: SocketFacts {
            path: "/run/promptd/promptd.sock".into(),
            tried: vec!["/run/promptd/promptd.sock".into()],
            state: SocketState::Open,
        },
        daemon: DaemonFacts {
            status: Some(status()),
            error: None,
        },
        store: Some(StoreFacts {
            path: "/var/lib/promptd/store".into(),
            kind: StoreKind::Directory,
            owner: 1000,
            owner_name: "ann".into(),
            mode: 0o750,
            is_readable: true,
            is_writable: true,
            free: 50 << 30,
            total: 100 << 30,
            min_free: 64 << 20,
            locked_by: Some(77),
            lock_names: Some(77),
            directories: 100,
            changed_at: NOW - 10,
            ..StoreFacts::default()
        }),
        inotify: InotifyFacts { limit: Some(8192) },
        units: Vec::new(),
        clock: ClockFacts {
            now: NOW,
            is_synchronized: Some(true),
        },
        shell: ShellFacts {
            has_manual: true,
            has_completions: true,
        },
        last_backup: Some(NOW - 3_600),
    }
}

/// Checks that a change of the facts makes exactly one finding that is not ok, and that it says something.
#[track_caller]
fn check(change: impl FnOnce(&mut Facts), level: Level, area: &str, says: &str) {
    let mut facts = well();
    change(&mut facts);
    let found: Vec<Finding> = judge(&facts)
        .into_iter()
        .filter(|finding| finding.level > Level::Ok)
        .collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    let finding = &found[0];
    assert_eq!((finding.level, finding.area), (level, area), "{finding:#?}");
    let all = format!("{} {} {}", finding.what, finding.why, finding.fix.join(" "));
    assert!(all.contains(says), "{says:?} is not in {all:?}");
    assert!(
        level == Level::Note || !finding.why.is_empty() && !finding.fix.is_empty(),
        "{finding:#?} does not say why it matters and what to do"
    );
}

fn store(facts: &mut Facts) -> &mut StoreFacts {
    facts.store.as_mut().unwrap()
}

fn down(facts: &mut Facts, state: SocketState) {
    facts.socket.state = state;
    facts.daemon = DaemonFacts::default();
    store(facts).locked_by = None;
}

fn unit(name: &str, properties: &[(&str, &str)]) -> UnitFacts {
    let loaded = [("LoadState", "loaded")];
    let pairs = loaded.iter().chain(properties);
    UnitFacts {
        name: name.into(),
        is_of_user: false,
        properties: pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn where_all_is_well_nothing_is_found() {
    let found = judge(&well());
    assert!(
        found.iter().all(|finding| finding.level == Level::Ok),
        "{found:#?}"
    );
    assert!(found.len() > 8, "only {} things were looked at", found.len());
}

#[test]
fn a_configuration_that_is_refused_is_a_problem_with_its_place() {
    check(
        |facts| facts.config.error = Some("/etc/promptd/promptd.yaml:3: unknown key".into()),
        Level::Problem,
        "configuration",
        "promptd.yaml:3",
    );
}

#[test]
fn each_way_of_not_reaching_the_socket_has_its_remedy() {
    let problem = |state, says| check(|facts| down(facts, state), Level::Problem, "socket", says);
    problem(SocketState::Missing, "start it: promptd");
    problem(SocketState::Stale, "the next start replaces it");
    problem(SocketState::NotASocket, "move it away");
    let denied = |group: Option<&str>| SocketState::Denied {
        group: group.map(str::to_owned),
        mode: 0o660,
    };
    problem(denied(Some("promptd")), "sudo usermod -aG promptd ann");
    problem(denied(None), "daemon.socket_mode");
}

#[test]
fn a_socket_that_is_open_and_does_not_answer_is_a_problem_of_the_daemon() {
    check(
        |facts| {
            facts.daemon = DaemonFacts {
                status: None,
                error: Some("no answer within 5 s".into()),
            };
            store(facts).locked_by = None;
        },
        Level::Problem,
        "daemon",
        "no answer within 5 s",
    );
}

#[test]
fn what_is_wrong_with_the_store_is_said_when_the_daemon_cannot_say_it() {
    let here = |change: fn(&mut StoreFacts), level, says| {
        let all = |facts: &mut Facts| change(store(facts));
        check(all, level, "store", says);
    };
    here(|s| s.mode = 0o755, Level::Warning, "chmod o-rwx");
    here(|s| s.is_read_only = true, Level::Problem, "read-only");
    here(
        |s| s.doubtful_file_system = Some("tmpfs"),
        Level::Warning,
        "tmpfs",
    );
    let mut facts = well();
    down(&mut facts, SocketState::Missing);
    store(&mut facts).is_writable = false;
    let found = judge(&facts);
    let problem = |finding: &&Finding| finding.level == Level::Problem && finding.area == "store";
    let says = &found.iter().find(problem).unwrap().fix[0];
    assert!(says.contains("chmod u+rwx"), "{says}");
    store(&mut facts).owner = 999;
    store(&mut facts).owner_name = "promptd".into();
    let found = judge(&facts);
    assert!(
        found
            .iter()
            .any(|finding| finding.fix == ["sudo -u promptd promptctl doctor"]),
        "{found:#?}"
    );
}

#[test]
fn a_lock_that_somebody_holds_is_a_problem_only_when_nobody_answers() {
    let mut facts = well();
    down(&mut facts, SocketState::Missing);
    store(&mut facts).locked_by = Some(77);
    let found = judge(&facts);
    let lock = found.iter().find(|finding| finding.area == "lock").unwrap();
    assert_eq!(lock.level, Level::Problem);
    assert!(lock.what.contains("process 77"), "{lock:?}");
    store(&mut facts).locked_by = None;
    let found = judge(&facts);
    let lock = found.iter().find(|finding| finding.area == "lock").unwrap();
    assert_eq!(lock.level, Level::Ok, "a file that is left is no lock");
}

#[test]
fn room_watches_backups_and_the_clock_have_their_limits() {
    check(|f| store(f).free = 10 << 30, Level::Warning, "disk", "90 % used");
    check(
        |f| store(f).free = 1 << 20,
        Level::Problem,
        "disk",
        "min_free_bytes",
    );
    check(
        |f| store(f).directories = 9000,
        Level::Warning,
        "inotify",
        "60-promptd-inotify.conf",
    );
    check(|f| f.inotify.limit = None, Level::Note, "inotify", "does not say");
    check(
        |f| f.last_backup = None,
        Level::Warning,
        "backup",
        "no backup is known",
    );
    check(
        |f| f.last_backup = Some(NOW - 40 * 3_600),
        Level::Warning,
        "backup",
        "1d 16h old",
    );
    check(|f| f.clock.now = 5, Level::Problem, "clock", "before 2025");
    check(
        |f| store(f).changed_at = NOW + 400,
        Level::Warning,
        "clock",
        "set back",
    );
    check(
        |f| f.clock.is_synchronized = Some(false),
        Level::Note,
        "clock",
        "set-ntp",
    );
}

#[test]
fn what_the_shell_lacks_is_a_note() {
    check(
        |f| f.shell.has_manual = false,
        Level::Note,
        "manual pages",
        "promptctl man",
    );
    check(
        |f| f.shell.has_completions = false,
        Level::Note,
        "completions",
        "promptctl completions",
    );
}

#[test]
fn each_state_of_a_unit_has_its_commands() {
    let with = |properties: &'static [(&'static str, &'static str)]| {
        move |facts: &mut Facts| facts.units = vec![unit("promptd.service", properties)]
    };
    check(
        with(&[("ActiveState", "failed"), ("Result", "start-limit-hit")]),
        Level::Problem,
        "systemd",
        "sudo systemctl reset-failed promptd.service sudo systemctl start promptd.service",
    );
    check(
        with(&[
            ("ActiveState", "failed"),
            ("Result", "exit-code"),
            ("ExecMainStatus", "78"),
        ]),
        Level::Problem,
        "systemd",
        "the configuration is refused",
    );
    check(
        with(&[
            ("ActiveState", "activating"),
            ("SubState", "auto-restart"),
            ("ExecMainStatus", "75"),
        ]),
        Level::Problem,
        "systemd",
        "another promptd",
    );
    check(
        with(&[("ActiveState", "inactive")]),
        Level::Note,
        "systemd",
        "enable --now promptd.service",
    );
    let mut facts = well();
    facts.units = vec![
        unit("promptd.socket", &[("ActiveState", "active")]),
        unit("promptd.service", &[("ActiveState", "inactive")]),
    ];
    let found = judge(&facts);
    let waits =
        |finding: &Finding| finding.level == Level::Ok && finding.what.contains("at the first request");
    assert!(found.iter().any(waits), "{found:#?}");
    facts.units = vec![
        unit("promptd.socket", &[("ActiveState", "active")]),
        unit(
            "promptd.service",
            &[("ActiveState", "failed"), ("Result", "start-limit-hit")],
        ),
    ];
    let found = judge(&facts);
    let both = |finding: &Finding| {
        finding
            .what
            .contains("promptd.socket is active, and promptd.service has failed")
    };
    assert!(found.iter().any(both), "{found:#?}");
}

#[test]
fn what_the_daemon_says_of_its_parts_is_explained() {
    let says = |path: &'static str, value: Value| {
        move |facts: &mut Facts| {
            let status = facts.daemon.status.as_mut().unwrap();
            *status.pointer_mut(path).unwrap() = value;
        }
    };
    check(
        says("/version", json!("0.0.9")),
        Level::Warning,
        "daemon",
        "promptd is 0.0.9",
    );
    let shard = json!([{"shard": "69", "refuses": null, "last_error": "disk on fire"}]);
    check(
        says("/storage/shards/down", shard),
        Level::Problem,
        "shards",
        "1 take no writes: 69 (disk on fire)",
    );
    let index = json!({"up": false, "restarts": 3, "last_error": "panicked"});
    check(
        says("/storage/actors/index", index),
        Level::Problem,
        "actors",
        "index is down: panicked",
    );
    let queue = json!({"up": true, "restarts": 3, "last_error": "panicked"});
    check(
        says("/jobs/actor", queue),
        Level::Note,
        "actors",
        "job queue was started again 3 times",
    );
    let scrub = json!({"found": 2, "last_finding": {"prompt_id": "greet", "version": "1.0.0"}});
    check(
        says("/storage/scrub", scrub),
        Level::Problem,
        "data",
        "greet@1.0.0",
    );
    let problems = json!({"count": 1, "first": [{"path": "69/x"}]});
    check(
        says("/storage/problems", problems),
        Level::Warning,
        "data",
        "69/x",
    );
    check(
        says("/storage/index/state/last_error", json!("NoSpace")),
        Level::Warning,
        "data",
        "NoSpace",
    );
    let watch = json!({"mode": "scan", "last_error": "fs.inotify.max_user_watches is reached"});
    check(
        says("/storage/watch", watch),
        Level::Warning,
        "inotify",
        "max_user_watches",
    );
    let full = json!({"since": "2026-01-01T00:00:00Z"});
    check(
        says("/storage/disk/full", full),
        Level::Problem,
        "disk",
        "since 2026-01-01",
    );
    let tcp = json!({"address": "127.0.0.1:9464", "serves": ["metrics", "read"]});
    check(
        says("/http/tcp", tcp),
        Level::Note,
        "tcp",
        "127.0.0.1:9464 serves metrics, read",
    );
    check(
        says("/jobs/problems", json!([{}])),
        Level::Warning,
        "jobs",
        "1 problem",
    );
}

#[test]
fn a_store_in_memory_is_a_warning_and_a_store_to_come_a_note() {
    check(
        |facts| {
            facts.store = None;
            facts.config.in_memory = true;
        },
        Level::Warning,
        "store",
        "in memory",
    );
    let mut facts = well();
    down(&mut facts, SocketState::Missing);
    facts.store = Some(StoreFacts {
        path: PathBuf::from("/absent"),
        ..StoreFacts::default()
    });
    let found = judge(&facts);
    let of_store = found.iter().find(|finding| finding.area == "store").unwrap();
    assert_eq!(of_store.level, Level::Note, "{found:#?}");
}
