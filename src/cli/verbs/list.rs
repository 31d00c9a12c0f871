//! `promptctl list`: the prompts.

use clap::Args;
use serde_json::value::RawValue;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::client::{Document, PromptFilter};
use crate::http::wire::PromptSummary;
use crate::model::Label;

const EXAMPLES: &str = "\
Examples:
  promptctl list
  promptctl list --prefix support_
  promptctl list --label production           the versions in production
  promptctl list --json | jq -r .prompt_id";

/// List the prompts
///
/// With --label the versions at that label are listed instead. Columns in a pipe: name, latest version, number of
/// versions, labels, time of the last change; with --label: name, version, score, time, author.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Only names that begin so
    #[arg(long)]
    prefix: Option<String>,

    /// Only prompts that carry this label, with the version it points at
    #[arg(long)]
    label: Option<Label>,

    /// Print one JSON object per line: a summary; with --label the whole version document
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(super) async fn run(args: ListArgs, session: &mut Session) -> Result<Exit, CliError> {
    let filter = PromptFilter { prefix: args.prefix };
    match &args.label {
        None => list_prompts(&filter, args.json, session).await?,
        Some(label) => list_labelled(&filter, label, args.json, session).await?,
    }
    Ok(Exit::Success)
}

async fn list_prompts(filter: &PromptFilter, json: bool, session: &mut Session) -> Result<(), CliError> {
    let client = session.client();
    let mut pages = client.prompts(filter);
    let mut table = Table::new(["NAME", "LATEST", "VERSIONS", "LABELS", "CHANGED"]).numbers([2]);
    let mut count = 0;
    while let Some(prompts) = pages.next().await? {
        count += prompts.len();
        for prompt in &prompts {
            if json {
                session.console.json_line(prompt)?;
            } else {
                table.row(row(prompt));
            }
        }
    }
    finish(session, &table, count, "no prompts")
}

async fn list_labelled(
    filter: &PromptFilter,
    label: &Label,
    json: bool,
    session: &mut Session,
) -> Result<(), CliError> {
    let client = session.client();
    let mut pages = client.labelled_documents(filter, label);
    let mut table = Table::new(["NAME", "VERSION", "SCORE", "MADE", "AUTHOR"]).numbers([2]);
    let mut count = 0;
    while let Some(documents) = pages.next().await? {
        count += documents.len();
        for document in &documents {
            if json {
                session.console.line(one_line(document)?)?;
                continue;
            }
            let version = Document::of_bytes(document.get().as_bytes().to_vec()).parse()?;
            table.row([
                Cell::of(&version.prompt_id),
                Cell::of(&version.version),
                Cell::score(version.analysis.overall_score),
                Cell::time(Some(&version.created_at)),
                Cell::maybe(version.author()),
            ]);
        }
    }
    finish(session, &table, count, "no prompt carries this label")
}

fn finish(session: &mut Session, table: &Table, count: usize, none: &str) -> Result<(), CliError> {
    if count == 0 {
        session.console.say(none);
    }
    if table.is_empty() {
        Ok(())
    } else {
        session.console.table(table)
    }
}

fn row(prompt: &PromptSummary) -> [Cell; 5] {
    let labels: Vec<String> = prompt
        .labels
        .iter()
        .map(|(label, version)| format!("{label}={version}"))
        .collect();
    [
        Cell::of(&prompt.prompt_id),
        Cell::maybe(prompt.latest_version.as_ref()),
        Cell::of(prompt.version_count),
        Cell::of(labels.join(" ")),
        Cell::time(prompt.updated_at.as_ref()),
    ]
}

/// Returns a document as one line of JSON with its keys in their order.
pub(super) fn one_line(document: &RawValue) -> Result<String, CliError> {
    let value: serde_json::Value = serde_json::from_str(document.get())
        .map_err(|error| CliError::failure(format!("a document is no JSON: {error}")))?;
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_several_lines_becomes_one_with_the_same_order() {
        let document = RawValue::from_string("{\n  \"z\": 1.0,\n  \"a\": [1,\n 2]\n}".to_owned()).unwrap();
        assert_eq!(one_line(&document).unwrap(), r#"{"z":1.0,"a":[1,2]}"#);
    }
}
