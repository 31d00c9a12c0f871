//! What is said about an optimisation.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::apply::{Applied, version};
use super::{Done, OptimizeArgs, shown};
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
use crate::model::OptimizationStrategy;
use crate::versions::compare::word_changes;

/// Everything that is shown at the end.
#[derive(Debug)]
pub(super) struct Report {
    /// For programs.
    table: Table,
    /// For people.
    shown: String,
    diffs: String,
    totals: Totals,
    stopped: Vec<String>,
}

#[derive(Debug, Default)]
struct Totals {
    failed: u64,
    prompts: u64,
    wanted: u64,
    improved: u64,
    created: u64,
    promoted: u64,
    skipped: u64,
    tokens: u64,
    cost: Option<f64>,
    answers: u64,
    kept_answers: u64,
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
            shown: String::new(),
            diffs: String::new(),
            totals: Totals::default(),
            stopped: Vec::new(),
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
                self.shown
                    .push_str(&shown::failed_file(file, &error.message, session.console.palette));
                let (file, message) = (file.display().to_string(), error.message);
                let row = [&file, "", "", "", "", "", "failed", "", &message];
                self.table.row(row.map(Cell::of));
                self.totals.failed += 1;
                return Ok(());
            }
        };
        for odd in &done.result.skipped {
            session.console.warn(odd.in_file(file.display()));
        }
        self.shown
            .push_str(&shown::file(file, &done, session.console.palette));
        for failed in &done.result.failed {
            let (file, name) = (file.display().to_string(), failed.prompt_id.to_string());
            let row = [&file, &name, "", "", "", "", "failed", "", &failed.message];
            self.table.row(row.map(Cell::of));
        }
        if let Some(error) = done.error.as_ref().filter(|_| done.result.failed.is_empty()) {
            let file = file.display().to_string();
            self.table
                .row([&file, "", "", "", "", "", "failed", "", error].map(Cell::of));
        }
        if let Some(reason) = &done.result.stopped {
            let left = done
                .result
                .total
                .saturating_sub((done.result.prompts.len() + done.result.failed.len()) as u64);
            let left = counted(left, "prompt");
            self.stopped.push(format!(
                "{}: stopped, {left} not looked at: {reason}",
                file.display()
            ));
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

    /// Notes that files were not looked at.
    pub(super) fn stop(&mut self, reason: &str, files: usize) {
        let files = counted(files as u64, "file");
        self.stopped
            .push(format!("stopped, {files} not looked at: {reason}"));
    }

    fn add_prompt(&mut self, file: &Path, prompt: &OptimizedPrompt, all: Option<&Applied>) {
        let (file, name) = (file.display().to_string(), prompt.prompt_id.to_string());
        if let Some(reason) = &prompt.left_alone {
            let score = format!("{:.1}", prompt.score.overall);
            let row = [&file, &name, "", &score, "", "", "left alone", "", reason];
            self.table.row(row.map(Cell::of));
        }
        for given_up in &prompt.skipped {
            let score = format!("{:.1}", prompt.score.overall);
            let plan = strategy(given_up.requested, given_up.strategy, given_up.round);
            let row = [
                &file,
                &name,
                &plan,
                &score,
                "",
                "",
                "skipped",
                "",
                &given_up.reason,
            ];
            self.table.row(row.map(Cell::of));
        }
        for (index, candidate) in prompt.candidates.iter().enumerate() {
            let applied = all.filter(|one| candidate.version.as_ref() == Some(&one.candidate));
            let stepped = all.and_then(|all| stepped_over(all, candidate));
            let release = applied.and_then(|one| one.release.as_ref());
            self.table.row([
                Cell::of(&file),
                Cell::of(&name),
                Cell::of(strategy_of(candidate)),
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
        if session.console.is_terminal {
            session.console.data(&self.shown)?;
        } else if !self.table.is_empty() {
            session.console.table(&self.table)?;
        }
        if !self.diffs.is_empty() {
            session.console.data(&self.diffs)?;
        }
        for line in self.totals.lines(args).into_iter().chain(self.stopped) {
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
        self.skipped += done
            .result
            .prompts
            .iter()
            .map(|prompt| prompt.skipped.len() as u64)
            .sum::<u64>();
        if let Some(model) = &done.result.model {
            self.tokens += model.tokens;
            self.answers += model.answers;
            self.kept_answers += model.kept_answers;
            self.cost = model
                .cost
                .map(|cost| cost + self.cost.unwrap_or(0.0))
                .or(self.cost);
        }
    }

    /// Says what the language model took.
    fn model_line(&self) -> String {
        let answers = counted(self.answers, "answer");
        let tokens = counted(self.tokens, "token");
        let cost = self
            .cost
            .map(|cost| format!(", which cost {cost:.4}"))
            .unwrap_or_default();
        let kept = self.kept_answers;
        format!("the language model: {answers}, {kept} of them kept from before; {tokens}{cost}")
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
        if self.failed > 0 {
            lines.push(format!("{} could not be done", counted(self.failed, "file")));
        }
        if self.answers + self.tokens > 0 {
            lines.push(self.model_line());
        }
        if self.skipped > 0 {
            let skipped = counted(self.skipped, "time");
            lines.push(format!("a strategy was given up {skipped}: the notes say why"));
        }
        if self.prompts == 0 {
            return lines;
        }
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

pub(super) fn strategy_of(candidate: &CandidateReport) -> String {
    strategy(candidate.requested, candidate.strategy, candidate.round)
}

pub(super) fn strategy(requested: OptimizationStrategy, used: OptimizationStrategy, round: usize) -> String {
    let mut name = used.as_str().to_owned();
    if used != requested {
        name.push_str(&format!(" ({})", requested.as_str()));
    }
    if round > 1 {
        name.push_str(&format!(", round {round}"));
    }
    name
}

/// Returns what is said of a candidate that cannot be promoted.
pub(super) fn stepped_over<'a>(all: &'a Applied, candidate: &CandidateReport) -> Option<&'a str> {
    let mut stepped = all.stepped_over.iter();
    let found = stepped.find(|one| candidate.version.as_ref() == Some(&one.candidate));
    found.map(|one| one.reason.as_str())
}

pub(super) fn decision(
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

pub(super) fn note(
    candidate: &CandidateReport,
    applied: Option<&Applied>,
    stepped_over: Option<&str>,
) -> String {
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
            let title = format!("{} {}", prompt.prompt_id, strategy_of(candidate));
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
        Ok(done) => {
            json!({"file": file, "result": done.result, "applied": done.applied, "error": done.error})
        }
        Err(error) => json!({"file": file, "result": null, "applied": [], "error": error.message}),
    }
}
