//! What a daemon says of itself. Pure.

use serde_json::Value;

use crate::cli::field::field;
use crate::cli::visible::visible_line;
use crate::cli::wording::counted;

use super::facts::{DaemonFacts, SocketFacts, SocketState};
use super::finding::Finding;

/// How many parts are named one by one.
const MAX_NAMED: usize = 5;

/// Judges the daemon behind a socket.
pub(super) fn judge_daemon(daemon: &DaemonFacts, socket: &SocketFacts) -> Vec<Finding> {
    match (&daemon.status, &daemon.error) {
        (Some(status), _) => judge_status(status),
        // The socket says it already.
        (None, _) if socket.state != SocketState::Open => Vec::new(),
        (None, error) => {
            let reason = error.as_deref().unwrap_or("it did not answer");
            vec![
                Finding::problem("daemon", visible_line(reason))
                    .why("somebody listens on the socket and does not answer as promptd does")
                    .fix("look at its log; is it promptd, and does it hang?")
                    .fix("restart it: kill -9 loses nothing that was acknowledged"),
            ]
        }
    }
}

fn judge_status(status: &Value) -> Vec<Finding> {
    let own = env!("CARGO_PKG_VERSION");
    let version = text(field(status, "/version"));
    let mut findings = vec![if version == own {
        Finding::ok("daemon", format!("promptd {version} answers"))
    } else {
        Finding::warning("daemon", format!("promptd is {version}, promptctl is {own}"))
            .why("they understand each other as long as both know /v1; an upgrade may be half done")
            .fix("install both, then restart promptd")
    }];
    findings.extend(shards(field(status, "/storage/shards")));
    findings.extend(actors(
        field(status, "/storage/actors"),
        field(status, "/jobs/actor"),
    ));
    findings.extend(data(field(status, "/storage")));
    findings.extend(service(status));
    findings
}

fn shards(shards: &Value) -> Option<Finding> {
    let mut named: Vec<String> = Vec::new();
    for list in ["down", "hanging"] {
        for shard in shards.get(list).and_then(Value::as_array).into_iter().flatten() {
            let reason = [field(shard, "/refuses"), field(shard, "/last_error")].map(text);
            let reason = reason.iter().find(|reason| !reason.is_empty());
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            named.push(format!("{}{reason}", text(field(shard, "/shard"))));
        }
    }
    named.dedup();
    if named.is_empty() {
        let count = field(shards, "/count").as_u64()?;
        return Some(Finding::ok("shards", format!("all {count} take writes")));
    }
    let count = named.len();
    named.truncate(MAX_NAMED);
    Some(
        Finding::problem("shards", format!("{count} take no writes: {}", named.join(", ")))
            .why("their prompts can be read and not be changed")
            .fix("look at the disk: dmesg, smartctl, df")
            .fix("they come back by themselves; one that 'writes no more' wants a restart of promptd"),
    )
}

fn actors(storage: &Value, queue: &Value) -> Vec<Finding> {
    let all = storage
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, state)| (name.as_str(), state))
        .chain([("job queue", queue)]);
    let mut findings = Vec::new();
    for (name, state) in all {
        let reason = text(field(state, "/last_error"));
        let restarts = field(state, "/restarts").as_u64().unwrap_or_default();
        if field(state, "/up").as_bool() == Some(false) {
            findings.push(
                Finding::problem("actors", format!("{name} is down: {reason}"))
                    .why("it is started again after a pause that grows")
                    .fix("the log says why; if it stays, restart promptd and report it"),
            );
        } else if restarts > 0 {
            findings.push(Finding::note(
                "actors",
                format!("{name} was started again {}: {reason}", counted(restarts, "time")),
            ));
        }
    }
    findings
}

fn data(storage: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let found = field(storage, "/scrub/found").as_u64().unwrap_or_default();
    if found > 0 {
        let last = field(storage, "/scrub/last_finding");
        let name = format!(
            "{}@{}",
            text(field(last, "/prompt_id")),
            text(field(last, "/version"))
        );
        findings.push(
            Finding::problem(
                "data",
                format!(
                    "the scrubber found {} that are not as they were written, such as {name}",
                    counted(found, "file")
                ),
            )
            .why("bits rot, or somebody changed files: what they say now cannot be trusted")
            .fix("promptctl verify lists all; copy the files from a backup to their places (docs/operations.md, 6.1 and 6.2)"),
        );
    }
    let problems = field(storage, "/problems/count").as_u64().unwrap_or_default();
    if problems > 0 {
        let first = text(field(storage, "/problems/first/0/path"));
        findings.push(
            Finding::warning(
                "data",
                format!("{} in the store, such as {first}", counted(problems, "problem")),
            )
            .why("what is wrong is left where it is, and not served")
            .fix("promptctl verify explains each; docs/operations.md, section 6, says what to do"),
        );
    }
    let index_error = text(field(storage, "/index/state/last_error"));
    if !index_error.is_empty() {
        findings.push(
            Finding::warning("data", format!(".index.json cannot be written: {index_error}"))
                .why("nothing is lost by that; the next start takes longer")
                .fix("look at the disk and at the rights of the store"),
        );
    }
    if text(field(storage, "/watch/mode")) == "scan" && !field(storage, "/watch/last_error").is_null() {
        findings.push(
            Finding::warning("inotify", text(field(storage, "/watch/last_error")))
                .why("changes made outside promptd are found by scanning, later and with more work")
                .fix("sudo cp config/60-promptd-inotify.conf /etc/sysctl.d/ && sudo sysctl --system")
                .fix("then restart promptd"),
        );
    }
    findings
}

fn service(status: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ledger = field(status, "/jobs/problems").as_array().map_or(0, Vec::len);
    if ledger > 0 {
        findings.push(
            Finding::warning(
                "jobs",
                format!("{} in the ledger of jobs", counted(ledger as u64, "problem")),
            )
            .why("these jobs are not known any more, or run again")
            .fix("promptctl status shows them"),
        );
    }
    let full = field(status, "/storage/disk/full");
    if !full.is_null() {
        findings.push(
            Finding::problem(
                "disk",
                format!("the store counts as full since {}", text(field(full, "/since"))),
            )
            .why("nothing new is stored; reads and deletions work")
            .fix("free space; writes come back by themselves"),
        );
    }
    findings
}

fn text(value: &Value) -> String {
    visible_line(value.as_str().unwrap_or_default())
}
