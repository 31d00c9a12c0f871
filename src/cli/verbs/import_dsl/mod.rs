//! `promptctl import dsl`: take the prompts out of Dify workflows.

mod names;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::job;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::visible::visible_line;
use crate::client::Client;
use crate::dify::{self, ExtractOptions};
use crate::http::wire::{JobState, JobView};
use crate::jobs::ImportResult;
use crate::jobs::SkippedPlace;
use names::Names;

const EXAMPLES: &str = "\
Examples:
  promptctl import dsl support_bot.yml
  promptctl import dsl support_bot.yml --workflow support
  promptctl import dsl exports/*.yml --dry-run
  promptctl import dsl exports/*.yml --json

Importing a workflow again makes versions only where a text has changed. Two files of one name, or of names that differ in
their ending alone, are two states of one workflow; to import both at once is refused.

Exit codes: 0 every file was imported, 1 at least one could not be; the others are done.";

/// Take the prompts out of Dify workflow exports
///
/// Each prompt gets a name made of the workflow, the node and the field. The workflow part is the name of the file, unless
/// --workflow says otherwise. Columns in a pipe: file, workflow, prompts, created, unchanged, empty, error; with --dry-run:
/// file, name, kind, role, characters, place in the file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DslArgs {
    /// Workflow files, YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The workflow part of the names; for one file only
    #[arg(long, value_name = "SLUG")]
    workflow: Option<String>,

    /// Only list what would be imported. Needs no daemon
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object per file; with --dry-run per prompt
    #[arg(long)]
    json: bool,
}

/// Imports them.
pub(super) async fn run(args: DslArgs, session: &mut Session) -> Result<Exit, CliError> {
    if args.workflow.is_some() && args.files.len() > 1 {
        let message = "--workflow names one workflow, but there are several files";
        return Err(CliError::usage(message).hint("import them one by one"));
    }
    if args.dry_run {
        return list(&args, session);
    }
    let client = session.client();
    let progress = Progress::start(&session.console, "importing", args.files.len() as u64);
    let mut table = Table::new([
        "FILE",
        "WORKFLOW",
        "PROMPTS",
        "CREATED",
        "UNCHANGED",
        "EMPTY",
        "ERROR",
    ])
    .numbers([2, 3, 4, 5]);
    let (mut failed, mut names) = (0, Names::default());
    for file in &args.files {
        progress.message(name_of(file));
        let outcome = import(&client, file, args.workflow.as_deref(), &mut names, &progress).await;
        progress.advance(1);
        // Without a daemon the other files would fare no better.
        if let Err(error) = &outcome
            && error.exit == Exit::Unreachable
        {
            progress.finish();
            return Err(error.clone());
        }
        failed += usize::from(outcome.is_err());
        if args.json {
            session.console.json_line(&as_json(file, &outcome))?;
            continue;
        }
        add_row(&mut table, file, &outcome)?;
        warn_of_skipped(session, file, &outcome);
    }
    progress.finish();
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

/// Sends one file as a job and waits for it; returns the result of the job.
async fn import(
    client: &Client,
    file: &Path,
    workflow: Option<&str>,
    names: &mut Names,
    progress: &Progress,
) -> Result<Value, CliError> {
    let content = files::read_text(file)?;
    // What is wrong with a document is said by the daemon, which has limits of its own.
    if let Ok(extraction) = dify::extract(content.as_bytes(), &ExtractOptions::default()) {
        names.take(file, workflow, &extraction)?;
    }
    let params = params(file, content, workflow);
    let job = patiently(|| client.submit_job("import", params.clone())).await?;
    let job = client
        .wait_for_job(&job.job_id, |job| {
            progress.message(format!(
                "{} {}/{}",
                name_of(file),
                job.progress.done,
                job.progress.total
            ));
        })
        .await?;
    result_of(job)
}

fn params(file: &Path, content: String, workflow: Option<&str>) -> Map<String, Value> {
    let mut params = Map::new();
    params.insert("name".to_owned(), json!(name_of(file)));
    params.insert("content".to_owned(), Value::String(content));
    if let Some(workflow) = workflow {
        params.insert("workflow".to_owned(), json!(workflow));
    }
    params
}

fn result_of(job: JobView) -> Result<Value, CliError> {
    match (job.state, job.result) {
        (JobState::Succeeded, Some(result)) => Ok(result),
        (state, _) => {
            let word = job::state_word(state);
            Err(CliError::failure(
                job.error
                    .unwrap_or_else(|| format!("the job {} {word}", job.job_id)),
            ))
        }
    }
}

fn add_row(table: &mut Table, file: &Path, outcome: &Result<Value, CliError>) -> Result<(), CliError> {
    let name = Cell::of(shown(file));
    match outcome {
        Ok(result) => {
            let done: ImportResult = job::understood(result, "result")?;
            let counts = [done.prompts, done.created, done.unchanged, done.empty].map(Cell::of);
            let [prompts, created, unchanged, empty] = counts;
            table.row([
                name,
                Cell::of(&done.workflow),
                prompts,
                created,
                unchanged,
                empty,
                Cell::of(""),
            ]);
        }
        Err(error) => {
            let nothing = || Cell::of("");
            table.row([
                name,
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                Cell::of(&error.message),
            ]);
        }
    }
    Ok(())
}

fn warn_of_skipped(session: &mut Session, file: &Path, outcome: &Result<Value, CliError>) {
    let Ok(result) = outcome else {
        return;
    };
    let Ok(done) = job::understood::<ImportResult>(result, "result") else {
        return;
    };
    for skipped in &done.skipped {
        session.console.warn(skipped.in_file(file.display()));
    }
}

fn as_json(file: &Path, outcome: &Result<Value, CliError>) -> Value {
    let file = shown(file);
    match outcome {
        Ok(result) => json!({"file": file, "result": result, "error": null}),
        Err(error) => json!({"file": file, "result": null, "error": error.message}),
    }
}

fn name_of(file: &Path) -> String {
    file.file_name()
        .unwrap_or(file.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

/// Lists what would be imported, without a daemon.
fn list(args: &DslArgs, session: &mut Session) -> Result<Exit, CliError> {
    let mut table = Table::new(["FILE", "NAME", "KIND", "ROLE", "CHARACTERS", "PLACE"]).numbers([4]);
    let (mut failed, mut names) = (0, Names::default());
    for file in &args.files {
        let bytes = files::read(file)?;
        let found = dify::extract(&bytes, &ExtractOptions::default()).map_err(|error| error.to_string());
        let found = found.and_then(|extraction| {
            let workflow = names.take(file, args.workflow.as_deref(), &extraction);
            Ok((workflow.map_err(|error| error.message)?, extraction))
        });
        let (workflow, extraction) = match found {
            Ok(found) => found,
            Err(error) => {
                session
                    .console
                    .insist(format_args!("{}: {error}", visible_line(&shown(file))));
                failed += 1;
                continue;
            }
        };
        let ids = dify::prompt_ids(&workflow, &extraction.prompts);
        for (id, prompt) in ids.iter().zip(&extraction.prompts) {
            let characters = prompt.text.chars().count();
            if args.json {
                session
                    .console
                    .json_line(&json!({"file": shown(file), "prompt_id": id, "kind": prompt.kind,
                    "role": prompt.role, "characters": characters, "pointer": prompt.pointer}))?;
                continue;
            }
            table.row([
                Cell::of(shown(file)),
                Cell::of(id),
                Cell::of(prompt.kind.as_str()),
                Cell::maybe(prompt.role.as_ref()),
                Cell::of(characters),
                Cell::of(&prompt.pointer),
            ]);
        }
        for odd in extraction.diagnostics {
            let odd = SkippedPlace::from(odd);
            session.console.warn(odd.in_file(file.display()));
        }
    }
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_gets_the_name_of_the_file_but_not_its_path() {
        let params = params(Path::new("/home/ada/bot.yml"), "app:".to_owned(), Some("bot"));
        assert_eq!(
            Value::Object(params),
            json!({"name": "bot.yml", "content": "app:", "workflow": "bot"})
        );
    }

    #[test]
    fn files_that_worked_and_files_that_did_not_stand_in_one_table() {
        let mut table = Table::new([
            "FILE",
            "WORKFLOW",
            "PROMPTS",
            "CREATED",
            "UNCHANGED",
            "EMPTY",
            "ERROR",
        ]);
        let result = json!({"workflow": "bot", "prompts": 3, "created": 1, "unchanged": 2, "empty": 0, "skipped": [],
            "versions": [], "failed": []});
        add_row(&mut table, Path::new("bot.yml"), &Ok(result)).unwrap();
        add_row(
            &mut table,
            Path::new("x.yml"),
            &Err(CliError::failure("not valid yaml")),
        )
        .unwrap();
        assert_eq!(
            table.for_programs(),
            "bot.yml\tbot\t3\t1\t2\t0\t\nx.yml\t\t\t\t\t\tnot valid yaml\n"
        );
    }
}
