//! `promptctl status`: how the daemon is.

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
    let status = client.status_json().await?;
    if args.json {
        session.console.json(&status)?;
    } else {
        let socket = client.socket().display().to_string();
        let text = render(&status, &socket, session.console.palette);
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

/// Shows what is known of every promptd in a few lines, and then all that this one says of its parts.
fn render(status: &Value, socket: &str, palette: Palette) -> String {
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
        insta::assert_snapshot!(render(&status(None), "/run/promptd/promptd.sock", Palette::PLAIN), @"
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
    fn what_is_down_comes_right_after_the_state() {
        let text = render(&status(Some("shard 69 is down")), "/s", Palette::PLAIN);
        assert!(
            text.starts_with("promptd 0.1.0 is degraded, up 1h 1m, pid 77\n  shard 69 is down\n"),
            "{text}"
        );
    }
}
