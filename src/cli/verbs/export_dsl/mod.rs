//! `promptctl export dsl`: put stored versions back into a Dify workflow.

mod lookup;
mod plan;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::deliver;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::dify::{self, ExtractOptions, Extraction};
use crate::model::{PromptId, VersionSelector};
use plan::{Plan, State};

const EXAMPLES: &str = "\
Examples:
  promptctl export dsl bot.yml > patched.yml             the latest versions, on the standard output
  promptctl export dsl bot.yml --dry-run --diff          what would change
  promptctl export dsl bot.yml --ref production --output live.yml
  promptctl export dsl bot.yml --in-place --prompt bot_1721117961155_system_0

A prompt is put back only where the file still has the text of one of its stored versions. Where it has not, somebody has
edited the file since: import it first, which makes the texts of the file the latest versions, or use --force to overwrite
that text.

Exit codes: 0 done, or nothing to do; 1 a prompt cannot be put back; 3 no prompt of the file is stored; 4 a text in the file is
of no stored version, or the file has changed meanwhile. Unless all of it worked, nothing is written.";

/// Put stored versions back into a Dify workflow export
///
/// Only the bytes of the prompt texts change; comments, order and quoting stay. The result is read again and compared with
/// the original before it is written. Columns in a pipe: name, version in the file, version to put back, state, place, note.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DslArgs {
    /// The workflow file, YAML or JSON; - for the standard input, with --workflow
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Which version of each prompt: a number, a range, a label, 'latest' or 'best'
    #[arg(long = "ref", value_name = "REF", default_value = "latest")]
    reference: VersionSelector,

    /// Only this prompt. May be repeated
    #[arg(long, value_name = "NAME")]
    prompt: Vec<PromptId>,

    /// Write the patched workflow into this new file
    #[arg(long, value_name = "FILE", conflicts_with = "in_place")]
    output: Option<PathBuf>,

    /// Replace the workflow file, atomically and with its mode and owner
    #[arg(long)]
    in_place: bool,

    /// Write nothing, only say what would change
    #[arg(long, conflicts_with_all = ["output", "in_place"])]
    dry_run: bool,

    /// Show word by word what changes
    #[arg(long, conflicts_with = "json")]
    diff: bool,

    /// Print one JSON object per prompt; needs --dry-run, --output or --in-place
    #[arg(long)]
    json: bool,

    /// The workflow part of the names, where it was given at the import
    #[arg(long, value_name = "SLUG")]
    workflow: Option<String>,

    /// Also replace texts that are of no stored version
    #[arg(long)]
    force: bool,
}

impl DslArgs {
    /// Tells whether the patched workflow goes to the standard output.
    const fn prints_document(&self) -> bool {
        self.output.is_none() && !self.in_place && !self.dry_run
    }

    fn check(&self) -> Result<(), CliError> {
        if self.json && self.prints_document() {
            let message = "--json and the patched workflow cannot both go to the standard output";
            return Err(CliError::usage(message).hint("add --dry-run, --in-place or --output FILE"));
        }
        let is_input = self.file == Path::new("-");
        if is_input && self.in_place {
            return Err(CliError::usage("the standard input cannot be replaced").hint("name a file"));
        }
        if is_input && self.workflow.is_none() {
            let message = "the standard input has no name that the prompts could be named after";
            return Err(CliError::usage(message).hint("add --workflow SLUG"));
        }
        Ok(())
    }
}

/// Puts them back.
pub(super) async fn run(args: DslArgs, session: &mut Session) -> Result<Exit, CliError> {
    args.check()?;
    let document = files::read(&args.file)?;
    let options = ExtractOptions::default();
    let found =
        dify::extract(&document, &options).map_err(|error| refused(&args.file, &error.to_string()))?;
    if let (true, Some(reason)) = (found.prompts.is_empty(), found.diagnostics.last()) {
        return Err(refused(&args.file, &reason.message));
    }
    let workflow = workflow(&args, &found);
    let ids = dify::prompt_ids(&workflow, &found.prompts);
    let mut plan = Plan::new(ids, found.prompts, &args.prompt)?;
    let client = session.client();
    lookup::fill(&client, &args.reference, &mut plan).await?;
    if plan.is_unknown() {
        return Err(nothing_stored(&args, &workflow));
    }
    plan.force(args.force);
    let patch = dify::patch_prompts(&document, &workflow, &plan.replacements(), &options)
        .map_err(|error| refused(&args.file, &error.to_string()))?;
    let is_changed = patch.is_changed();
    plan.settle(patch.prompts);
    report::show(&plan, &args, session)?;
    judge(&plan, &args)?;
    deliver(&args, &document, &patch.bytes, is_changed, session)?;
    Ok(Exit::Success)
}

/// Returns the workflow part of the names, as an import of the file would make it.
fn workflow(args: &DslArgs, found: &Extraction) -> String {
    let given = args.workflow.clone();
    given.unwrap_or_else(|| {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        dify::workflow_slug(dify::document_stem(&name), found.app.name.as_deref())
    })
}

fn nothing_stored(args: &DslArgs, workflow: &str) -> CliError {
    let file = args.file.display();
    let message = match &args.reference {
        VersionSelector::Latest => format!("no prompt of {file} is stored as a prompt of '{workflow}'"),
        other => format!("no prompt of {file} has a version '{other}' as a prompt of '{workflow}'"),
    };
    CliError::new(Exit::NotFound, message).hint(format!(
        "'promptctl import dsl {file}' stores them; --workflow names another workflow"
    ))
}

fn refused(file: &Path, reason: &str) -> CliError {
    CliError::failure(format!("{}: {reason}", file.display()))
}

/// Refuses to write anything unless every prompt can be put back.
fn judge(plan: &Plan, args: &DslArgs) -> Result<(), CliError> {
    let count =
        |state: fn(&State) -> bool| plan.places.iter().filter(|place| state(&place.state)).count() as u64;
    let conflicts = count(|state| matches!(state, State::Conflict));
    let refusals = count(|state| matches!(state, State::Refused(_)));
    let file = args.file.display();
    if conflicts > 0 {
        let prompts = counted(conflicts, "prompt");
        let message = format!("{file} has {prompts} with a text of no stored version: nothing was written");
        let hint = format!(
            "'promptctl import dsl {file}' makes the texts of the file the latest versions; --force overwrites them"
        );
        return Err(CliError::new(Exit::Conflict, message).hint(hint));
    }
    if refusals > 0 {
        let message = format!(
            "{} of {file} cannot be put back: nothing was written",
            counted(refusals, "prompt")
        );
        return Err(CliError::failure(message).hint("--prompt names the others"));
    }
    Ok(())
}

fn deliver(
    args: &DslArgs,
    document: &[u8],
    patched: &[u8],
    is_changed: bool,
    session: &mut Session,
) -> Result<(), CliError> {
    let console = &mut session.console;
    if let Some(output) = &args.output {
        deliver::into_new(output, patched, console)?;
    } else if args.in_place && is_changed {
        deliver::in_place(&args.file, document, patched, console)?;
    } else if args.in_place {
        console.say(format_args!("{} has these versions already", args.file.display()));
    } else if args.prints_document() {
        console.data(patched)?;
    }
    Ok(())
}
