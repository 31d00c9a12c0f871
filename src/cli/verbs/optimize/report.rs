//! What is said about an optimisation.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::apply::{Applied, version};
use super::{Done, OptimizeArgs};
use crate::cli::color::Paint;
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::verbs::diff::words;
use crate::cli::visible::visible;
use crate::cli::wording::counted;
use crate::client::Client;
use crate::dify::{self, ExtractOptions};
use crate::jobs::CandidateReport;
use crate::jobs::OptimizeResult;
use crate::jobs::OptimizedPrompt;
use crate::versions::compare::word_changes;

/// Everything that is shown at the end.
#[derive(Debug)]
pub(super) struct Report {
    table: Table,
    diffs: String,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    prompts: u64,
    wanted: u64,
    improved: u64,
    created: u64,
    promoted: u64,
}

impl Default for Report {
    fn default() -> Self {
        let heading = [
            "FILE",
            "PROMPT",
            "STRATEGY",
            "BEFORE",
            "AFTER",
            "CONFIDENCE",
            "DECISION",
            "VERSION",
            "NOTE",
        ];
        Self {
            table: Table::new(heading).numbers([3, 4, 5]),
            diffs: String::new(),
            totals: Totals::default(),
        }
    }
}

impl Report {
    /// Adds what came of a file; with a client, also every candidate word by word.
    pub(super) async fn add(
        &mut self,
        file: &Path,
        outcome: Result<Done, CliError>,
        diff: Option<&Client>,
        session: &mut Session,
    ) -> Result<(), CliError> {
        let done = match outcome {
            Ok(done) => done,
            Err(error) => {
                let (file, message) = (file.display().to_string(), error.message);
                let row = [&file, "", "", "", "", "", "failed", "", &message];
                self.table.row(row.map(Cell::of));
                return Ok(());
            }
        };
        for odd in &done.result.skipped {
            let line = odd.line.map(|line| format!(":{line}")).unwrap_or_default();
            let (pointer, message) = (&odd.pointer, &odd.message);
            session
                .console
                .warn(format_args!("{}{line}: {pointer} {message}", file.display()));
        }
        for prompt in &done.result.prompts {
            let applied = done.applied.iter().find(|one| one.prompt_id == prompt.prompt_id);
            self.add_prompt(file, prompt, applied);
        }
        self.totals.add(&done);
        if let Some(client) = diff {
            self.diffs
                .push_str(&diffs(client, &done.document, &done.result, session).await?);
        }
        Ok(())
    }

    fn add_prompt(&mut self, file: &Path, prompt: &OptimizedPrompt, all: Option<&Applied>) {
        let (file, name) = (file.display().to_string(), prompt.prompt_id.to_string());
        if let Some(reason) = &prompt.left_alone {
            let score = format!("{:.1}", prompt.score.overall);
            let row = [&file, &name, "", &score, "", "", "left alone", "", reason];
            self.table.row(row.map(Cell::of));
        }
        for (index, candidate) in prompt.candidates.iter().enumerate() {
            let applied = all.filter(|one| candidate.version.as_ref() == Some(&one.candidate));
            let stepped = all.and_then(|all| stepped_over(all, candidate));
            let release = applied.and_then(|one| one.release.as_ref());
            self.table.row([
                Cell::of(&file),
                Cell::of(&name),
                Cell::of(strategy(candidate)),
                Cell::of(format!("{:.1}", candidate.before.overall)),
                Cell::of(format!("{:.1}", candidate.after.overall)),
                Cell::of(format!("{:.2}", candidate.confidence)),
                Cell::of(decision(candidate, prompt.best == Some(index), applied, stepped)),
                Cell::maybe(release.or(candidate.version.as_ref())),
                Cell::of(note(candidate, applied, stepped)),
            ]);
        }
    }

    /// Shows it.
    pub(super) fn show(self, args: &OptimizeArgs, session: &mut Session) -> Result<(), CliError> {
        if !self.table.is_empty() {
            session.console.table(&self.table)?;
        }
        if !self.diffs.is_empty() {
            session.console.data(&self.diffs)?;
        }
        for line in self.totals.lines(args) {
            session.console.say(line);
        }
        Ok(())
    }
}

impl Totals {
    fn add(&mut self, done: &Done) {
        self.prompts += done.result.total;
        self.wanted += done.result.wanted;
        self.improved += done.result.improved;
        self.created += done.result.created;
        self.promoted += done.applied.iter().filter(|one| one.is_done()).count() as u64;
    }

    fn lines(&self, args: &OptimizeArgs) -> Vec<String> {
        let Self {
            wanted,
            improved,
            promoted,
            ..
        } = self;
        let prompts = counted(self.prompts, "prompt");
        let created = match args.dry_run {
            true => "nothing was stored".to_owned(),
            false => counted(self.created, "new candidate"),
        };
        let mut lines = vec![format!(
            "{prompts}, {wanted} rewritten, {improved} with an accepted candidate; {created}"
        )];
        if *improved == 0 {
            lines.push("nothing was accepted: every text stays as it is".to_owned());
        } else if args.apply {
            lines.push(format!("{} promoted", counted(*promoted, "candidate")));
        } else if !args.dry_run {
            lines.push("--apply promotes the best candidates and puts them into the workflow".to_owned());
        }
        lines
    }
}

fn strategy(candidate: &CandidateReport) -> String {
    let mut name = candidate.strategy.as_str().to_owned();
    if candidate.strategy != candidate.requested {
        name.push_str(&format!(" ({})", candidate.requested.as_str()));
    }
    if candidate.round > 1 {
        name.push_str(&format!(", round {}", candidate.round));
    }
    name
}

/// Returns what is said of a candidate that cannot be promoted.
fn stepped_over<'a>(all: &'a Applied, candidate: &CandidateReport) -> Option<&'a str> {
    let mut stepped = all.stepped_over.iter();
    let found = stepped.find(|one| candidate.version.as_ref() == Some(&one.candidate));
    found.map(|one| one.reason.as_str())
}

fn decision(
    candidate: &CandidateReport,
    is_best: bool,
    applied: Option<&Applied>,
    stepped_over: Option<&str>,
) -> &'static str {
    match applied {
        Some(one) if one.is_done() => "promoted",
        Some(_) => "not promoted",
        None if stepped_over.is_some() => "not promoted",
        None if is_best => "best",
        None if candidate.accepted => "accepted",
        None => "refused",
    }
}

fn note(candidate: &CandidateReport, applied: Option<&Applied>, stepped_over: Option<&str>) -> String {
    let not_promoted = applied
        .and_then(|one| one.reason.clone())
        .or_else(|| stepped_over.map(str::to_owned));
    not_promoted.unwrap_or_else(|| candidate.reasons.join("; "))
}

/// Renders every candidate that has a new text.
async fn diffs(
    client: &Client,
    document: &[u8],
    result: &OptimizeResult,
    session: &Session,
) -> Result<String, CliError> {
    let found = dify::extract(document, &ExtractOptions::default());
    let found = found.map_err(|error| CliError::failure(error.to_string()))?;
    let ids = dify::prompt_ids(&result.workflow, &found.prompts);
    let originals: HashMap<_, _> = ids.iter().zip(&found.prompts).collect();
    let (palette, mut shown) = (session.console.palette, String::new());
    for prompt in &result.prompts {
        let Some(original) = originals.get(&prompt.prompt_id) else {
            continue;
        };
        for candidate in &prompt.candidates {
            let text = match (&candidate.text, &candidate.version) {
                (Some(text), _) => text.clone(),
                (None, Some(number)) => version(client, &prompt.prompt_id, number).await?.prompt.text,
                (None, None) => continue,
            };
            let title = format!("{} {}", prompt.prompt_id, strategy(candidate));
            shown.push_str(&format!("\n{}\n", palette.paint(Paint::Heading, &title)));
            let changes = word_changes(&visible(&original.text), &visible(&text));
            shown.push_str(&words::render(&changes, palette));
        }
    }
    Ok(shown)
}

/// Returns what came of a file for programs.
pub(super) fn as_json(file: &Path, outcome: &Result<Done, CliError>) -> Value {
    let file = file.display().to_string();
    match outcome {
        Ok(done) => json!({"file": file, "result": done.result, "applied": done.applied, "error": null}),
        Err(error) => json!({"file": file, "result": null, "applied": [], "error": error.message}),
    }
}
