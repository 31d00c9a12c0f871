//! `promptctl log`: the history of a prompt.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::pager::{self, PagerArgs};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::http::wire::{PromptSummary, VersionSummary};
use crate::model::{Integrity, PromptId, Version};
use crate::versions::Order;

const EXAMPLES: &str = "\
Examples:
  promptctl log greet
  promptctl log greet -n 5
  promptctl log greet --json | jq -r '[.version, .author] | @tsv'";

/// Show the history of a prompt, the newest version first
///
/// Columns in a pipe: version, time, author, score, parent, labels, state (empty for a version as promptd wrote it).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogArgs {
    /// The name of the prompt
    name: PromptId,

    /// Show at most so many versions
    #[arg(short = 'n', long = "limit", value_name = "COUNT")]
    limit: Option<usize>,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pager: PagerArgs,
}

/// Shows it.
pub(super) async fn run(args: LogArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let labels = if args.json {
        BTreeMap::new()
    } else {
        labels_by_version(&client.prompt(&args.name).await?)
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut pages = client.versions(&args.name, Order::Desc);
    let mut table = heading();
    while left > 0
        && let Some(mut versions) = pages.next().await?
    {
        versions.truncate(left);
        left -= versions.len();
        for version in &versions {
            if args.json {
                session.console.json_line(version)?;
            } else {
                table.row(row(version, labels.get(&version.version)));
            }
        }
    }
    if !table.is_empty() {
        let text = session.console.rendered(&table);
        pager::page(&mut session.console, &session.env, args.pager, &text)?;
    }
    Ok(Exit::Success)
}

fn heading() -> Table {
    Table::new(["VERSION", "MADE", "AUTHOR", "SCORE", "FROM", "LABELS", "STATE"]).numbers([3])
}

fn row(version: &VersionSummary, labels: Option<&String>) -> [Cell; 7] {
    let state = match version.integrity {
        Integrity::Sealed => "",
        Integrity::Unsealed => "unsealed",
        Integrity::Edited => "edited",
    };
    [
        Cell::of(&version.version),
        Cell::time(Some(&version.created_at)),
        Cell::maybe(version.author.as_ref()),
        Cell::score(version.overall_score),
        Cell::maybe(version.parent_version.as_ref()),
        Cell::maybe(labels),
        Cell::of(state),
    ]
}

fn labels_by_version(prompt: &PromptSummary) -> BTreeMap<Version, String> {
    let mut by_version: BTreeMap<Version, String> = BTreeMap::new();
    for (label, version) in &prompt.labels {
        let labels = by_version.entry(version.clone()).or_default();
        if !labels.is_empty() {
            labels.push(' ');
        }
        labels.push_str(label.as_str());
    }
    by_version
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::color::Palette;
    use serde_json::json;

    fn version(number: &str, parent: Option<&str>, score: f64, integrity: &str) -> VersionSummary {
        serde_json::from_value(json!({
            "prompt_id": "greet", "version": number, "parent_version": parent, "created_at": "2020-01-02T03:04:05Z",
            "author": "ada", "overall_score": score, "integrity": integrity,
            "checksum": format!("sha256:{}", "0".repeat(64))
        }))
        .unwrap()
    }

    #[test]
    fn the_log_shows_where_labels_point_and_what_was_changed_by_hand() {
        let prompt: PromptSummary = serde_json::from_value(json!({
            "prompt_id": "greet", "latest_version": "1.0.1", "version_count": 2,
            "labels": {"production": "1.0.0", "staging": "1.0.0"}, "created_at": null, "updated_at": null
        }))
        .unwrap();
        let labels = labels_by_version(&prompt);
        let mut table = heading();
        for version in [
            version("1.0.1", Some("1.0.0"), 71.25, "edited"),
            version("1.0.0", None, 9.0, "sealed"),
        ] {
            table.row(row(&version, labels.get(&version.version)));
        }
        insta::assert_snapshot!(table.for_people(100, Palette::PLAIN), @"
        VERSION  MADE        AUTHOR  SCORE  FROM   LABELS              STATE
        1.0.1    2020-01-02  ada      71.2  1.0.0                      edited
        1.0.0    2020-01-02  ada       9.0         production staging
        ");
        assert_eq!(
            table.for_programs(),
            "1.0.1\t2020-01-02T03:04:05Z\tada\t71.25\t1.0.0\t\tedited\n\
             1.0.0\t2020-01-02T03:04:05Z\tada\t9\t\tproduction staging\t\n"
        );
    }
}
