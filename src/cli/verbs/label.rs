//! `promptctl label`: names that point at versions.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::client::LabelGuard;
use crate::http::wire::LabelsView;
use crate::model::{Label, PromptId, Version, VersionRef};

const EXAMPLES: &str = "\
Examples:
  promptctl label greet@1.2.0 production             point production at 1.2.0
  promptctl label greet@staging production           promote what is in staging
  promptctl label greet@1.2.0 production --expect 1.1.0
  promptctl label --rm greet production
  promptctl label --list greet                       where labels point, and every move";

/// Point a label at a version, remove it, or list the labels
///
/// Every move is kept with time and author. With --expect the label is moved only if nobody else has moved it. Columns of
/// --list in a pipe: label, version, time, author; then, after an empty line: time, label, from, to, author.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LabelArgs {
    /// The version to point at; with --rm and --list the prompt
    #[arg(value_name = "NAME@REF")]
    target: VersionRef,

    /// The label, such as production
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    label: Option<Label>,

    /// Remove the label
    #[arg(long = "rm", conflicts_with = "list")]
    remove: bool,

    /// List the labels of the prompt and their history
    #[arg(long)]
    list: bool,

    /// Only if the label points at this version now; 'none': only if it is not set
    #[arg(long, value_name = "VERSION", value_parser = guard, conflicts_with = "list")]
    expect: Option<LabelGuard>,

    /// Print JSON: the label, or for --list all labels and moves
    #[arg(long, conflicts_with = "remove")]
    json: bool,
}

/// Sets, removes or lists.
pub(super) async fn run(args: LabelArgs, session: &mut Session) -> Result<Exit, CliError> {
    let id = &args.target.prompt_id;
    let guard = args.expect.clone().unwrap_or_default();
    match &args.label {
        None => list(id, args.json, session).await?,
        Some(label) if args.remove => {
            session.client().remove_label(id, label, &guard).await?;
            session.console.say(format_args!("removed label {label} of {id}"));
        }
        Some(label) => {
            let set = session
                .client()
                .set_label(id, label, &args.target.selector, &guard)
                .await?;
            if args.json {
                session.console.json_line(&set)?;
            } else {
                session
                    .console
                    .say(format_args!("{id}@{label} is now {}", set.version));
            }
        }
    }
    Ok(Exit::Success)
}

async fn list(id: &PromptId, json: bool, session: &mut Session) -> Result<(), CliError> {
    let labels = session.client().labels(id).await?;
    if json {
        return session.console.json_line(&labels);
    }
    let (current, history) = tables(&labels);
    if current.is_empty() {
        session.console.say(format_args!("{id} carries no label"));
    } else {
        session.console.table(&current)?;
    }
    if !history.is_empty() {
        session.console.line("")?;
        session.console.table(&history)?;
    }
    Ok(())
}

fn tables(labels: &LabelsView) -> (Table, Table) {
    let mut current = Table::new(["LABEL", "VERSION", "SINCE", "BY"]);
    for label in &labels.labels {
        current.row([
            Cell::of(&label.label),
            Cell::of(&label.version),
            Cell::time(Some(&label.set_at)),
            Cell::of(&label.set_by.name),
        ]);
    }
    let mut history = Table::new(["MOVED", "LABEL", "FROM", "TO", "BY"]);
    for moved in &labels.history {
        history.row([
            Cell::time(Some(&moved.at)),
            Cell::of(&moved.label),
            Cell::maybe(moved.from.as_ref()),
            Cell::maybe(moved.to.as_ref()),
            Cell::of(&moved.by.name),
        ]);
    }
    (current, history)
}

fn guard(text: &str) -> Result<LabelGuard, String> {
    match text {
        "none" => Ok(LabelGuard::Unset),
        number => Version::new(number)
            .map(LabelGuard::At)
            .map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_label_must_be_is_a_number_or_none() {
        assert_eq!(guard("none"), Ok(LabelGuard::Unset));
        assert_eq!(guard("1.2.0"), Ok(LabelGuard::At(Version::release(1, 2, 0))));
        assert!(guard("latest").is_err());
    }
}
