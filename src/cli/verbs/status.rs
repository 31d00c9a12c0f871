//! `promptctl status`: how the daemon is.

use clap::Args;
use serde_json::Value;

use crate::cli::color::{Paint, Palette};
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::times;
use crate::cli::visible::visible_line;
use crate::http::wire::StatusView;

const EXAMPLES: &str = "\
Examples:
  promptctl status
  promptctl status --json | jq .storage.cache

Exit codes: 0 everything is up, 1 a part of the store is down, 69 promptd cannot be reached.";

/// Show how promptd is: state, store, cache, queues, limits
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Print everything that promptd says, as JSON
    #[arg(long)]
    json: bool,
}

/// Shows it.
pub(super) async fn run(args: StatusArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let said = client.status_json().await?;
    let status: StatusView = serde_json::from_value(said.clone()).map_err(|error| {
        CliError::failure(format!(
            "the status is not understood ({error}): are promptctl and promptd of one version?"
        ))
    })?;
    if args.json {
        session.console.json(&said)?;
    } else {
        let socket = client.socket().display().to_string();
        let text = render(&status, &socket, session.console.palette);
        session.console.data(text)?;
    }
    Ok(if status.degraded.is_none() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn render(status: &StatusView, socket: &str, palette: Palette) -> String {
    let paint = if status.degraded.is_none() {
        Paint::Good
    } else {
        Paint::Bad
    };
    let state = palette.paint(paint, &visible_line(&status.status));
    let mut text = format!(
        "promptd {} is {state}, up {}, pid {}\n",
        status.version,
        times::duration(status.uptime_seconds),
        status.pid
    );
    if let Some(reason) = &status.degraded {
        text.push_str(&format!(
            "  {}\n",
            palette.paint(Paint::Bad, &visible_line(reason))
        ));
    }
    let http = &status.http;
    text.push_str(&format!("  socket       {socket}\n"));
    text.push_str(&format!(
        "  holds        {} prompts, {} versions\n",
        status.prompts, status.versions
    ));
    text.push_str(&format!(
        "  connections  {} of {}, {} refused\n  requests     {} of {} at once, {} refused\n",
        http.connections,
        http.max_connections,
        http.refused_connections,
        http.requests_in_flight,
        http.max_requests_in_flight,
        http.refused_requests
    ));
    text.push_str(&format!("{}\n", palette.paint(Paint::Heading, "storage")));
    push_fields(&mut text, &status.storage, 1);
    text
}

/// Shows what the storage says of itself, whatever the backend: one line per field, objects indented.
fn push_fields(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(fields) = value else {
        return;
    };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let indent = "  ".repeat(depth);
    for (key, value) in fields {
        let name = key.replace('_', " ");
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
        Value::Number(number) if key.ends_with("bytes") => {
            number.as_u64().map_or_else(|| number.to_string(), times::bytes)
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

    fn status(degraded: Option<&str>) -> StatusView {
        serde_json::from_value(json!({
            "status": if degraded.is_none() { "ok" } else { "degraded" }, "degraded": degraded, "version": "0.1.0",
            "pid": 77, "started_at": "2026-01-02T03:04:05Z", "uptime_seconds": 3700, "revision": "r", "prompts": 3,
            "versions": 9,
            "storage": {"backend": "filesystem", "shards": {"count": 256, "down": []}, "cache": {"hit_rate": 0.98765,
                "bytes": 2048}, "problems": ["69/x: odd\u{1b}[31m"], "space": null},
            "http": {"connections": 2, "max_connections": 256, "requests_in_flight": 1, "max_requests_in_flight": 128,
                "refused_connections": 0, "refused_requests": 4}
        }))
        .unwrap()
    }

    #[test]
    fn the_status_reads_from_the_state_to_the_details() {
        insta::assert_snapshot!(render(&status(None), "/run/promptd/promptd.sock", Palette::PLAIN), @"
        promptd 0.1.0 is ok, up 1h 1m, pid 77
          socket       /run/promptd/promptd.sock
          holds        3 prompts, 9 versions
          connections  2 of 256, 0 refused
          requests     1 of 128 at once, 4 refused
        storage
          backend   filesystem
          shards
            count  256
          cache
            hit rate  0.988
            bytes     2.0 KiB
          problems
            - 69/x: odd␛[31m
        ");
    }

    #[test]
    fn what_is_down_comes_right_after_the_state() {
        let text = render(&status(Some("shard 69 is down")), "/s", Palette::PLAIN);
        assert!(
            text.starts_with("promptd 0.1.0 is degraded, up 1h 1m, pid 77\n  shard 69 is down\n"),
            "{text}"
        );
    }
}
