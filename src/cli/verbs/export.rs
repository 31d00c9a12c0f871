//! `promptctl export`: versions as files, or put back into a workflow.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use super::export_dsl;
use super::list::one_line;
use crate::cli::console::Console;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files::{self, Written};
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::client::{Client, Document, PromptFilter};
use crate::model::{Label, PromptId, VersionSelector};
use crate::versions::Order;

const EXAMPLES: &str = "\
Examples:
  promptctl export backup/                     DIR/NAME/VERSION.json, one file per version
  promptctl export prompts/ --label production
  promptctl export greet.ndjson --prompt greet
  promptctl export - --latest | jq -r .prompt.text
  promptctl export dsl bot.yml --in-place      put the latest texts back into a Dify workflow

'promptctl import dir' reads the directory back.

Exit codes: 0 done, 4 some files are there already with other content; the others are written.";

/// Write versions into files: a directory, NDJSON, or back into a Dify workflow
///
/// Files are never overwritten without --force; one that has the same content already is left as it is. Each file
/// appears complete or not at all.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    target: Option<Target>,

    #[command(flatten)]
    files: FileArgs,
}

#[derive(Debug, Subcommand)]
enum Target {
    Dsl(export_dsl::DslArgs),
}

/// Versions as files of their own.
#[derive(Debug, Args)]
struct FileArgs {
    /// A directory (./dsl for one of that name); a file ending in .ndjson or .jsonl; or - for NDJSON on the standard output
    #[arg(value_name = "DESTINATION", required = true)]
    destination: Option<PathBuf>,

    /// Only this prompt. May be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "prefix")]
    prompt: Vec<PromptId>,

    /// Only names that begin so
    #[arg(long)]
    prefix: Option<String>,

    /// Only the versions that this label points at
    #[arg(long, conflicts_with = "latest")]
    label: Option<Label>,

    /// Only the latest version of each prompt
    #[arg(long)]
    latest: bool,

    /// Overwrite files that are there with other content
    #[arg(long)]
    force: bool,
}

/// What was done so far.
#[derive(Debug, Default)]
struct Counts {
    prompts: u64,
    versions: u64,
    unchanged: u64,
    refused: Vec<PathBuf>,
    damaged: Vec<String>,
}

/// Exports.
pub(super) async fn run(args: ExportArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.target {
        Some(Target::Dsl(args)) => export_dsl::run(args, session).await,
        None => export(args.files, session).await,
    }
}

async fn export(args: FileArgs, session: &mut Session) -> Result<Exit, CliError> {
    // Without a subcommand it is required.
    let destination = args.destination.clone().unwrap_or_default();
    let client = session.client();
    let mut sink = Sink::open(&destination, args.force)?;
    let progress = Progress::start(&session.console, "exporting", 0);
    let mut counts = Counts::default();
    let names = names(&client, &args).await?;
    progress.set(0, names.len() as u64);
    for (id, expected) in names {
        let before = counts.versions;
        export_prompt(&client, &id, &args, &mut sink, &mut counts, &mut session.console).await?;
        counts.prompts += u64::from(counts.versions > before);
        if expected.is_some_and(|expected| counts.versions - before < expected) {
            counts.damaged.push(id.to_string());
        }
        progress.advance(1);
    }
    progress.finish();
    sink.finish()?;
    for name in &counts.damaged {
        session.console.warn(format_args!(
            "{name}: some versions cannot be read and were left out; see 'promptctl verify'"
        ));
    }
    report(&counts, &destination, session)
}

fn report(counts: &Counts, destination: &Path, session: &mut Session) -> Result<Exit, CliError> {
    let place = if destination == Path::new("-") {
        String::new()
    } else {
        format!(" to {}", destination.display())
    };
    let same = if counts.unchanged > 0 {
        format!(", {} of them there already", counts.unchanged)
    } else {
        String::new()
    };
    let versions = counted(counts.versions - counts.refused.len() as u64, "version");
    let prompts = counted(counts.prompts, "prompt");
    session
        .console
        .say(format_args!("exported {versions} of {prompts}{place}{same}"));
    let Some(first) = counts.refused.first() else {
        return Ok(if counts.damaged.is_empty() {
            Exit::Success
        } else {
            Exit::Failure
        });
    };
    let message = match counts.refused.len() {
        1 => format!("{} is there already with other content", first.display()),
        count => format!(
            "{count} files are there already with other content, {} first",
            first.display()
        ),
    };
    Err(CliError::new(Exit::Conflict, message)
        .hint("use --force to overwrite, or export to another directory"))
}

/// Returns the prompts to export, each with the number of versions where all of them are wanted.
async fn names(client: &Client, args: &FileArgs) -> Result<Vec<(PromptId, Option<u64>)>, CliError> {
    let all_versions = args.label.is_none() && !args.latest;
    let mut names = Vec::new();
    if !args.prompt.is_empty() {
        for id in &args.prompt {
            let prompt = client.prompt(id).await?;
            names.push((prompt.prompt_id, all_versions.then_some(prompt.version_count)));
        }
        return Ok(names);
    }
    let filter = PromptFilter {
        prefix: args.prefix.clone(),
    };
    let mut pages = client.prompts(&filter);
    while let Some(prompts) = pages.next().await? {
        for prompt in prompts {
            let is_wanted = match &args.label {
                Some(label) => prompt.labels.contains_key(label),
                None => prompt.version_count > 0,
            };
            if is_wanted {
                names.push((prompt.prompt_id, all_versions.then_some(prompt.version_count)));
            }
        }
    }
    Ok(names)
}

async fn export_prompt(
    client: &Client,
    id: &PromptId,
    args: &FileArgs,
    sink: &mut Sink,
    counts: &mut Counts,
    console: &mut Console,
) -> Result<(), CliError> {
    let selector = match &args.label {
        Some(label) => Some(VersionSelector::Label(label.clone())),
        None => args.latest.then_some(VersionSelector::Latest),
    };
    if let Some(selector) = selector {
        let document = patiently(|| client.version(id, &selector)).await?;
        let text = String::from_utf8_lossy(&document.bytes).trim_end().to_owned();
        let raw = RawValue::from_string(text)
            .map_err(|error| CliError::failure(format!("{id}@{selector} is no JSON: {error}")))?;
        return sink.put(&raw, counts, console);
    }
    let mut pages = client.documents(id, Order::Asc);
    while let Some(documents) = pages.next().await? {
        for document in &documents {
            sink.put(document, counts, console)?;
        }
    }
    Ok(())
}

/// Where versions go.
#[derive(Debug)]
enum Sink {
    Tree {
        root: PathBuf,
        force: bool,
    },
    File {
        path: PathBuf,
        file: NamedTempFile,
        force: bool,
    },
    Output,
}

impl Sink {
    fn open(destination: &Path, force: bool) -> Result<Self, CliError> {
        let path = destination.to_owned();
        if destination == Path::new("-") {
            return Ok(Self::Output);
        }
        if !is_stream(destination) {
            return Ok(Self::Tree { root: path, force });
        }
        if destination.exists() && !force {
            let message = format!("{} is there already", destination.display());
            return Err(CliError::new(Exit::Conflict, message).hint("use --force to overwrite it"));
        }
        let file = files::temporary_beside(destination)
            .map_err(|error| CliError::file("writing", destination, &error))?;
        Ok(Self::File { path, file, force })
    }

    fn put(
        &mut self,
        document: &RawValue,
        counts: &mut Counts,
        console: &mut Console,
    ) -> Result<(), CliError> {
        counts.versions += 1;
        match self {
            Self::Output => console.line(one_line(document)?),
            Self::File { path, file, .. } => writeln!(file, "{}", one_line(document)?)
                .map_err(|error| CliError::file("writing", path, &error)),
            Self::Tree { root, force } => {
                let path = root.join(relative_path(document)?);
                let content = format!("{}\n", document.get());
                match files::write_atomically(&path, content.as_bytes(), *force) {
                    Ok(Written::New) => {}
                    Ok(Written::Unchanged) => counts.unchanged += 1,
                    Ok(Written::Refused) => counts.refused.push(path),
                    Err(error) => return Err(CliError::file("writing", &path, &error)),
                }
                Ok(())
            }
        }
    }

    /// Makes everything durable.
    fn finish(self) -> Result<(), CliError> {
        match self {
            Self::Output => Ok(()),
            Self::Tree { root, .. } => {
                files::sync_all_below(&root).map_err(|error| CliError::file("writing", &root, &error))
            }
            Self::File { path, file, force } => {
                files::persist(file, &path, force).map_err(|error| CliError::file("writing", &path, &error))
            }
        }
    }
}

fn is_stream(destination: &Path) -> bool {
    let ending = destination.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("ndjson" | "jsonl"))
}

/// Returns `NAME/VERSION.json`. Both have been checked by their types, so the path stays below its root.
fn relative_path(document: &RawValue) -> Result<PathBuf, CliError> {
    let version = Document::of_bytes(document.get().as_bytes().to_vec()).parse()?;
    Ok(Path::new(version.prompt_id.as_str()).join(format!("{}.json", version.version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str, version: &str) -> Box<RawValue> {
        let document = serde_json::json!({
            "prompt_id": id, "version": version,
            "prompt": {"id": id, "workflow_id": "", "node_id": "", "node_type": "", "text": "hi"},
            "analysis": {"prompt_id": id, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0}
        });
        RawValue::from_string(serde_json::to_string_pretty(&document).unwrap()).unwrap()
    }

    #[test]
    fn a_version_lies_below_its_name_and_nowhere_else() {
        assert_eq!(
            relative_path(&document("greet", "1.0.0")).unwrap(),
            Path::new("greet/1.0.0.json")
        );
        assert!(relative_path(&document("../greet", "1.0.0")).is_err());
        assert!(relative_path(&document("greet", "../../1.0.0")).is_err());
    }

    #[test]
    fn the_ending_tells_a_stream_from_a_directory() {
        for (destination, expected) in [
            ("a.ndjson", true),
            ("a.jsonl", true),
            ("a", false),
            ("a.json", false),
        ] {
            assert_eq!(is_stream(Path::new(destination)), expected, "{destination}");
        }
    }
}
