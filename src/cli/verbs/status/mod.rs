//! `promptctl status`: how the daemon is.

mod summary;

use clap::Args;
use serde_json::Value;

use crate::cli::color::{Paint, Palette};
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::visible::visible_line;
use crate::cli::wording::{self, counted};

const EXAMPLES: &str = "\
Examples:
  promptctl status
  promptctl status --shards               every shard: queue, restarts, last error
  promptctl status --json | jq .storage.cache

'promptctl doctor' explains what is wrong, and what to do.

Exit codes: 0 everything is up, 1 a part of the store is down, 69 promptd cannot be reached.";

/// Show how promptd is: state, store, cache, queues, limits
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Show everything that promptd says
    #[arg(short, long)]
    all: bool,
    /// Show every shard, also those that are idle and well
    #[arg(long)]
    shards: bool,
    /// Print everything that promptd says, as JSON
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) async fn run(args: StatusArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let status = if args.shards {
        client.status_json_with_shards().await?
    } else {
        client.status_json().await?
    };
    if args.json {
        session.console.json(&status)?;
    } else {
        let socket = client.socket().display().to_string();
        let palette = session.console.palette;
        let mut text = heading(&status, &socket, palette);
        if args.all {
            text.push_str(&everything(&status, palette));
        } else {
            let now = jiff::Timestamp::now().as_second();
            text.push_str(&summary::summary(&status, now, palette));
        }
        if args.shards {
            text.push_str(&summary::all_shards(&status));
        }
        session.console.data(text)?;
    }
    Ok(if is_degraded(&status) {
        Exit::Failure
    } else {
        Exit::Success
    })
}

fn is_degraded(status: &Value) -> bool {
    status.get("degraded").is_some_and(|reason| !reason.is_null())
}

/// Shows what is known of every promptd in a few lines.
fn heading(status: &Value, socket: &str, palette: Palette) -> String {
    let word = |key: &str| {
        status
            .get(key)
            .map(|value| scalar(key, value))
            .unwrap_or_default()
    };
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
    let paint = if is_degraded(status) {
        Paint::Bad
    } else {
        Paint::Good
    };
    let mut text = format!(
        "promptd {} is {}, up {}, pid {}\n",
        word("version"),
        palette.paint(paint, &word("status")),
        wording::duration(number("uptime_seconds")),
        word("pid")
    );
    if is_degraded(status) {
        text.push_str(&format!("  {}\n", palette.paint(Paint::Bad, &word("degraded"))));
    }
    let (prompts, versions) = (
        counted(number("prompts"), "prompt"),
        counted(number("versions"), "version"),
    );
    text.push_str(&format!("  {prompts}, {versions}\n  {socket}\n"));
    text
}

/// Shows all that this promptd says of its parts.
fn everything(status: &Value, palette: Palette) -> String {
    let mut text = String::new();
    for (part, fields) in status
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.is_object())
    {
        text.push_str(&format!(
            "{}\n",
            palette.paint(Paint::Heading, &visible_line(part))
        ));
        push_fields(&mut text, fields, 1);
    }
    text
}

/// Shows one line per field, objects indented, without what is empty.
fn push_fields(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(fields) = value else {
        return;
    };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let indent = "  ".repeat(depth);
    for (key, value) in fields {
        let name = visible_line(&key.replace('_', " "));
        match value {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(inner) if inner.values().all(Value::is_null) => {}
            Value::Object(_) => {
                text.push_str(&format!("{indent}{name}\n"));
                push_fields(text, value, depth + 1);
            }
            Value::Array(items) => {
                text.push_str(&format!("{indent}{name}\n"));
                for item in items {
                    text.push_str(&format!("{indent}  - {}\n", scalar(key, item)));
                }
            }
            other => text.push_str(&format!("{indent}{name:width$}  {}\n", scalar(key, other))),
        }
    }
}

fn scalar(key: &str, value: &Value) -> String {
    match value {
        Value::String(word) => visible_line(word),
        Value::Object(problem) => {
            let fields = problem
                .iter()
                .map(|(key, value)| format!("{key}: {}", scalar(key, value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) if key.ends_with("bytes") => {
            number.as_u64().map_or_else(|| number.to_string(), wording::bytes)
        }
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or_default())
        }
        other => visible_line(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(degraded: Option<&str>) -> Value {
        json!({
            "status": if degraded.is_none() { "ok" } else { "degraded" }, "degraded": degraded, "version": "0.1.0",
            "pid": 77, "started_at": "2026-01-02T03:04:05Z", "uptime_seconds": 3700, "revision": "r", "prompts": 3,
            "versions": 9,
            "storage": {"backend": "filesystem", "shards": {"count": 256, "down": []}, "cache": {"hit_rate": 0.98765,
                "bytes": 2048}, "problems": ["69/x: odd\u{1b}[31m"], "space": null},
            "http": {"connections": 2, "max_connections": 256, "requests_in_flight": 1, "max_requests_in_flight": 128,
                "refused_connections": 0, "refused_requests": 4}
        })
    }

    #[test]
    fn the_status_reads_from_the_state_to_the_details() {
        let status = status(None);
        let text = heading(&status, "/run/promptd/promptd.sock", Palette::PLAIN);
        insta::assert_snapshot!(format!("{text}{}", everything(&status, Palette::PLAIN)), @"
        promptd 0.1.0 is ok, up 1h 1m, pid 77
          3 prompts, 9 versions
          /run/promptd/promptd.sock
        storage
          backend   filesystem
          shards
            count  256
          cache
            hit rate  0.988
            bytes     2.0 KiB
          problems
            - 69/x: odd␛[31m
        http
          connections             2
          max connections         256
          requests in flight      1
          max requests in flight  128
          refused connections     0
          refused requests        4
        ");
    }

    #[test]
    fn a_person_sees_one_line_for_each_part_and_more_where_something_is_wrong() {
        let status = json!({
            "storage": {
                "backend": "filesystem", "path": "/var/lib/promptd/store",
                "disk": {"free_bytes": 10_u64 << 30, "total_bytes": 100_u64 << 30, "used_percent": 90.0, "full": null, "read_only": false},
                "shards": {"count": 256, "up": 255, "queue_depth": 3, "oldest_work_seconds": 0.25, "restarts": 2, "down": [
                    {"shard": "69", "up": false, "resting": true, "down_seconds": 61, "queue_depth": 0, "restarts": 2,
                     "refuses": null, "last_error": "no space"}], "hanging": []},
                "actors": {"index": {"up": true, "restarts": 0, "last_error": null}, "watcher": {"up": false, "restarts": 1, "last_error": "panicked"}},
                "cache": {"bytes": 2048, "max_bytes": 64_u64 << 20, "hit_rate": 0.98765},
                "index": {"enabled": true, "lag_seconds": 3.2, "state": {"last_error": null}},
                "watch": {"mode": "inotify", "watches": 12, "max_user_watches": 65536, "overflows": 1, "last_error": null},
                "scrub": {"enabled": true, "found": 1, "last_cycle": {"finished_at": "2026-01-01T00:00:00Z"},
                    "last_finding": {"prompt_id": "greet", "version": "1.0.0", "message": "its checksum does not match"}},
                "problems": {"count": 1, "first": [{"path": "69/x", "message": "odd\u{1b}[31m", "kind": "foreign-name"}]},
            },
            "jobs": {"queued": 1, "running": 2, "finished": 14, "problems": [], "last_backup": 1_767_222_000,
                "actor": {"up": true, "restarts": 0, "last_error": null}},
            "http": {"connections": 2, "max_connections": 256, "requests_in_flight": 1, "max_requests_in_flight": 1024,
                "refused_connections": 1, "refused_requests": 4}
        });
        insta::assert_snapshot!(summary::summary(&status, 1_767_229_200, Palette::PLAIN), @"
        store     /var/lib/promptd/store
        disk      10.0 GiB of 100.0 GiB free (90 % used)
        shards    256 shards, 255 up; 3 writes waiting, the oldest for 0.2 s; 2 restarts
                    69, down for 1m 1s, resting, 2 restarts, no space
        actors    2 of 3 run; 1 restart
                    watcher is down: panicked
        cache     98.8 % of reads found in it; 2.0 KiB of 64.0 MiB
        index     behind for 3.2 s
        changes   inotify, 12 of 65536 directories watched; events were lost 1 time
        scrubber  everything was read 1h 0m ago; 1 damaged file found
                    greet@1.0.0: its checksum does not match
        problems  1: promptctl verify explains them
                    69/x: odd␛[31m (foreign-name)
        backup    the newest is 2h 0m old
        jobs      1 waiting, 2 running, 14 ended
        clients   2 of 256 connections, 1 of 1024 requests; 5 refused
        ");
    }

    #[test]
    fn what_is_down_comes_right_after_the_state() {
        let text = heading(&status(Some("shard 69 is down")), "/s", Palette::PLAIN);
        assert!(
            text.starts_with("promptd 0.1.0 is degraded, up 1h 1m, pid 77\n  shard 69 is down\n"),
            "{text}"
        );
    }
}
