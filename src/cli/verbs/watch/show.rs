//! One change, for people and for programs.

use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::visible::visible_line;
use crate::http::wire::{WatchKind, WatchLine};
use crate::storage::feed::Origin;

/// Shows a change.
pub(super) fn show(line: &WatchLine, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        session.console.json_line(line)
    } else if session.console.is_terminal {
        session.console.line(visible_line(&sentence(line)))
    } else {
        session.console.table(&columns(line))
    }
}

fn columns(line: &WatchLine) -> Table {
    let mut table = Table::new([
        "REVISION", "AT", "ORIGIN", "KIND", "NAME", "VERSION", "LABEL", "FROM", "PROBLEM", "PATH",
    ]);
    table.row([
        Cell::of(&line.revision),
        Cell::maybe(line.at.as_ref()),
        Cell::maybe(line.origin.map(Origin::as_str)),
        Cell::of(line.kind.as_str()),
        Cell::maybe(line.prompt_id.as_ref()),
        Cell::maybe(line.version.as_ref()),
        Cell::maybe(line.label.as_ref()),
        Cell::maybe(line.from.as_ref()),
        Cell::maybe(line.problem.as_ref().map(|problem| &problem.kind)),
        Cell::maybe(line.problem.as_ref().map(|problem| &problem.path)),
    ]);
    table
}

fn sentence(line: &WatchLine) -> String {
    // To the second: what happened within one comes in its order.
    let at = line.at.as_ref().map(ToString::to_string).unwrap_or_default();
    let at = at.split('.').next().unwrap_or_default();
    let by = match line.origin {
        Some(Origin::Outside) => " (outside)",
        Some(Origin::Recovery) => " (found by a recovery)",
        Some(Origin::Daemon) | None => "",
    };
    format!("{at}Z  {}{by}", what(line))
}

fn what(line: &WatchLine) -> String {
    let text = |value: Option<String>| value.unwrap_or_default();
    let name = text(line.prompt_id.as_ref().map(ToString::to_string));
    let version = text(line.version.as_ref().map(ToString::to_string));
    let label = text(line.label.as_ref().map(ToString::to_string));
    let from = line.from.as_ref();
    let problem = line.problem.as_ref();
    let problem = text(problem.map(|problem| format!("{} at {}", problem.kind, problem.path)));
    let of_version = |word: &str| format!("{name}@{version} {word}");
    match line.kind {
        WatchKind::VersionCreated => of_version("created"),
        WatchKind::VersionDeleted => of_version("deleted"),
        WatchKind::VersionRestored => of_version("restored"),
        WatchKind::VersionChanged => of_version("changed"),
        WatchKind::VersionRemoved => of_version("removed"),
        WatchKind::VersionForgotten => of_version("forgotten"),
        WatchKind::EvidenceAdded => of_version("has new test results"),
        WatchKind::LabelSet => match from {
            Some(from) => format!("{name} label {label}: {from} -> {version}"),
            None => format!("{name} label {label}: {version}"),
        },
        WatchKind::LabelRemoved => match from {
            Some(from) => format!("{name} label {label} removed, was {from}"),
            None => format!("{name} label {label} removed"),
        },
        WatchKind::PromptPurged => format!("{name} is gone"),
        WatchKind::ProblemFound => format!("problem: {problem}"),
        WatchKind::ProblemGone => format!("no problem any more: {problem}"),
        WatchKind::Heartbeat | WatchKind::Gone | WatchKind::Stopping | WatchKind::Forbidden => {
            line.kind.as_str().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(fields: &serde_json::Value, expected: &str) {
        let mut line = json!({
            "revision": "000000000000000a.4", "at": "2026-01-02T03:04:05.678901Z", "origin": "daemon",
            "prompt_id": "greet",
        });
        line.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let line: WatchLine = serde_json::from_value(line).unwrap();
        assert_eq!(sentence(&line), format!("2026-01-02T03:04:05Z  {expected}"));
    }

    #[test]
    fn each_change_is_a_line_that_a_person_understands() {
        check(
            &json!({"kind": "version-created", "version": "1.0.1"}),
            "greet@1.0.1 created",
        );
        check(
            &json!({"kind": "version-changed", "version": "1.0.1", "origin": "outside"}),
            "greet@1.0.1 changed (outside)",
        );
        check(
            &json!({"kind": "label-set", "label": "production", "version": "1.0.1", "from": "1.0.0"}),
            "greet label production: 1.0.0 -> 1.0.1",
        );
        check(
            &json!({"kind": "label-set", "label": "production", "version": "1.0.1"}),
            "greet label production: 1.0.1",
        );
        check(
            &json!({"kind": "label-removed", "label": "production", "from": "1.0.0"}),
            "greet label production removed, was 1.0.0",
        );
        check(
            &json!({"kind": "prompt-purged", "origin": "recovery"}),
            "greet is gone (found by a recovery)",
        );
        check(
            &json!({"kind": "problem-found", "origin": "outside",
                   "problem": {"kind": "corrupt-version", "path": "23/greet/1.0.1.json"}}),
            "problem: corrupt-version at 23/greet/1.0.1.json (outside)",
        );
    }

    #[test]
    fn a_program_gets_every_field_in_a_column_of_its_own() {
        let line: WatchLine = serde_json::from_value(json!({
            "revision": "000000000000000a.4", "at": "2026-01-02T03:04:05.678901Z", "origin": "daemon",
            "kind": "label-set", "prompt_id": "greet", "label": "production", "version": "1.0.1", "from": "1.0.0",
        }))
        .unwrap();
        assert_eq!(
            columns(&line).for_programs(),
            "000000000000000a.4\t2026-01-02T03:04:05.678901Z\tdaemon\tlabel-set\tgreet\t1.0.1\tproduction\t1.0.0\t\t\n"
        );
    }
}
