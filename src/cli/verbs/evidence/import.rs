//! `promptctl evidence import`: test results from a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::manifest;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::client::Client;
use crate::evidence::{Batch, LineProblems, ReportedResult, TargetedResult, lines, table};
use crate::http::wire::EvidenceReceipt;
use crate::model::{PromptId, Version, VersionRef};
use crate::variants::Manifest;

/// How many results are sent at once.
const RESULTS_AT_ONCE: usize = 500;

const EXAMPLES: &str = "\
Examples:
  promptctl evidence import results.jsonl --to greet@1.2.0
  promptctl evidence import results.jsonl --to greet@production
  promptctl evidence import results.csv                          each line names prompt_id and version
  promptctl evidence import results.jsonl --manifest outbox/manifest.json
  run-tests | promptctl evidence import - --to greet@1.2.0

A line of JSON:
  {\"execution_id\": \"e1\", \"workflow_id\": \"bot\", \"timestamp\": \"2026-11-22T19:52:57Z\", \"status\": \"success\",
   \"execution_time\": 1.25, \"tokens_used\": 100, \"cost\": 0.01, \"outputs\": {\"answer\": \"...\"}}
CSV has the same names in its first line. Optional: prompt_id, version, inputs, outputs, output_chars, error_message,
prompt_variant, dataset, metadata. The status is success, failed, timeout or error.

Exit codes: 0 every result is kept; 1 a line is wrong, and nothing was sent; 3 a version is not there; 4 an execution has
another result already, or there is no room for more.";

/// Add test results to versions
///
/// The whole file is checked before anything is sent. Then it is sent in parts of 500 results, each of which is kept as a
/// whole or not at all; running it again adds nothing twice, since a result is told by its execution_id. Inputs and outputs
/// never leave this program: only the length of the outputs is sent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The file, or - for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The version of every result that names none
    #[arg(long, value_name = "NAME@REF", conflicts_with = "manifest")]
    to: Option<VersionRef>,

    /// The manifest of a run of workflow variants: results that name no version count for every prompt of their variant
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// The form of the file [default: csv for a name that ends in .csv, else jsonl]
    #[arg(long, value_name = "FORM")]
    format: Option<Form>,

    /// Check the file and send nothing
    #[arg(long)]
    dry_run: bool,

    /// Print what was kept as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One JSON object per line
    Jsonl,
    /// A table with a line of names
    Csv,
}

/// Adds them.
pub(super) async fn run(args: ImportArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let target = match &args.to {
        Some(to) => Some(resolve(&client, to).await?),
        None => None,
    };
    let manifest = args.manifest.as_deref().map(manifest::read).transpose()?;
    let bytes = files::read(&args.file)?;
    let reported = reported(&bytes, form(&args)).map_err(|problems| wrong(&args.file, &problems))?;
    let results = target_all(reported, target.as_ref(), manifest.as_ref())
        .map_err(|problems| wrong(&args.file, &problems))?;
    if args.dry_run {
        let text = counted(results.len() as u64, "result");
        session
            .console
            .say(format_args!("{text} in order; nothing was sent"));
        return Ok(Exit::Success);
    }
    let receipt = send(&client, &args.file, &results, session).await?;
    if args.json {
        session.console.json(&receipt)?;
        return Ok(Exit::Success);
    }
    for one in &receipt.versions {
        session
            .console
            .line(format_args!("{}@{}", one.prompt_id, one.version))?;
    }
    session.console.say(format_args!(
        "{} added, {} there already",
        counted(receipt.added, "result"),
        receipt.known
    ));
    Ok(Exit::Success)
}

/// Adds the results of a run of workflow variants, one line of JSON each, to the versions that the variants are made of.
pub(in crate::cli::verbs) async fn import_run(
    results: &Path,
    manifest: &Manifest,
    session: &Session,
) -> Result<EvidenceReceipt, CliError> {
    let bytes = files::read(results)?;
    let reported = lines::reported(&bytes).collect();
    let targeted =
        target_all(reported, None, Some(manifest)).map_err(|problems| wrong(results, &problems))?;
    send(&session.client(), results, &targeted, session).await
}

fn form(args: &ImportArgs) -> Form {
    let is_csv = args
        .file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    args.format
        .unwrap_or(if is_csv { Form::Csv } else { Form::Jsonl })
}

/// Returns the number that a reference means now: it must not move while parts are sent.
async fn resolve(client: &Client, to: &VersionRef) -> Result<(PromptId, Version), CliError> {
    let page = client
        .evidence(&to.prompt_id, &to.selector, None, Some(1))
        .await?;
    Ok((page.prompt_id, page.version))
}

type Reported = Vec<(u64, Result<ReportedResult, String>)>;

fn reported(bytes: &[u8], form: Form) -> Result<Reported, LineProblems> {
    match form {
        Form::Jsonl => Ok(lines::reported(bytes).collect()),
        Form::Csv => table::reported(bytes),
    }
}

/// Finds the versions that each line is about, and checks it.
fn target_all(
    reported: Reported,
    target: Option<&(PromptId, Version)>,
    manifest: Option<&Manifest>,
) -> Result<Vec<TargetedResult>, LineProblems> {
    let (mut results, mut problems) = (Vec::new(), LineProblems::new("line"));
    for (line, read) in reported {
        let found = read.and_then(|result| match manifest {
            Some(manifest) if result.prompt_id.is_none() && result.version.is_none() => {
                let variant = result.prompt_variant.as_deref();
                let targets = manifest::targets(manifest, variant)?;
                let for_target = |(id, version): (PromptId, Version)| {
                    result.targeted(line, Some(id.as_str()), Some(&version.to_string()))
                };
                targets.into_iter().map(for_target).collect()
            }
            _ => {
                let prompt_id = target.map(|(id, _)| id.as_str());
                let version = target.map(|(_, version)| version.to_string());
                result
                    .targeted(line, prompt_id, version.as_deref())
                    .map(|one| vec![one])
            }
        });
        match found {
            Ok(found) => results.extend(found),
            Err(message) => problems.push(line, message),
        }
    }
    if results.is_empty() && problems.is_empty() {
        problems.push(1, "there is no result".to_owned());
    }
    if problems.is_empty() {
        Ok(results)
    } else {
        Err(problems)
    }
}

fn wrong(file: &Path, problems: &LineProblems) -> CliError {
    CliError::failure(format!("{}: {problems}", file.display()))
        .hint("nothing was sent: correct the file and run the same again")
}

/// Sends them part by part, and says how far it came when one is refused.
async fn send(
    client: &Client,
    file: &Path,
    results: &[TargetedResult],
    session: &Session,
) -> Result<EvidenceReceipt, CliError> {
    let progress = Progress::start(&session.console, "sending", results.len() as u64);
    let mut receipt = EvidenceReceipt {
        added: 0,
        known: 0,
        versions: Vec::new(),
    };
    let mut sent = 0;
    for part in results.chunks(RESULTS_AT_ONCE) {
        let batch = Batch {
            results: part.iter().map(ReportedResult::of).collect(),
            ..Batch::default()
        };
        match patiently(|| client.add_evidence(&batch)).await {
            Ok(taken) => add(&mut receipt, taken),
            Err(error) => {
                progress.finish();
                let mut error = CliError::from(error);
                let total = results.len();
                error.message = format!(
                    "{}: {} ({sent} of {total} results are kept; running it again adds none of them twice)",
                    file.display(),
                    error.message
                );
                return Err(error);
            }
        }
        sent += part.len();
        progress.advance(part.len() as u64);
    }
    progress.finish();
    Ok(receipt)
}

fn add(receipt: &mut EvidenceReceipt, taken: EvidenceReceipt) {
    receipt.added += taken.added;
    receipt.known += taken.known;
    for one in taken.versions {
        let mut known = receipt.versions.iter_mut();
        match known.find(|known| (&known.prompt_id, &known.version) == (&one.prompt_id, &one.version)) {
            Some(known) => {
                known.added += one.added;
                known.known += one.known;
                known.total = one.total;
            }
            None => receipt.versions.push(one),
        }
    }
}
