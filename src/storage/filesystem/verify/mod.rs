//! Reading everything and holding it against itself. Changes nothing on disk, and waits for no write.
//!
//! Writes, deletions and editors go on meanwhile. What seems wrong is therefore looked at a second time, after the shards
//! have noticed what changed and the index has caught up; only what is still so is reported.

mod driver;
mod evidence;
mod linked;
mod prompt;
mod store;
mod trash;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::model::PromptId;
use crate::storage::{Problem, Progress, StorageError, VerifyReport, VerifyScope};

use super::actors::Shared;
use super::disk::{IndexHints, list_shards, scan_shard_names};

use prompt::check_prompt;

/// The kinds that a look and a flush of the index may settle.
const INDEX_KINDS: [&str; 3] = ["stale-index", "missing-index", "corrupt-index"];

/// What the first pass leaves for the second.
#[derive(Debug, Default)]
pub(super) struct FirstPass {
    /// What was counted, and what seems wrong.
    pub report: VerifyReport,
    /// Prompts in which something seems wrong.
    pub suspects: BTreeSet<PromptId>,
    /// Prompts of which the index says something else.
    pub unindexed: BTreeSet<PromptId>,
    /// Prompts with a version file that has another name elsewhere.
    linked: BTreeSet<PromptId>,
}

impl FirstPass {
    /// Tells whether the index seems to be wrong.
    pub(super) fn doubts_index(&self) -> bool {
        let doubts = |problem: &Problem| INDEX_KINDS.contains(&problem.kind.as_str());
        self.report.problems.iter().any(doubts)
    }

    /// Tells whether there is anything to look at again.
    pub(super) fn is_clean(&self) -> bool {
        self.report.problems.is_empty() && self.linked.is_empty()
    }
}

/// Reads everything in scope once. Blocking; one prompt is one step of progress.
///
/// # Errors
/// `Interrupted` when it was cancelled, or what listing the store says.
pub(super) fn first_pass(
    shared: &Shared,
    scope: &VerifyScope,
    progress: &Progress,
) -> Result<FirstPass, StorageError> {
    let mut first = FirstPass::default();
    let prompts = list_prompts(shared, scope, &mut first.report)?;
    progress.set_total(prompts.len() as u64);
    let (hints, problem) = store::load_hints(shared);
    first
        .report
        .problems
        .extend(problem.filter(|_| scope.is_everything()));
    let mut inodes: Vec<(u64, u32)> = Vec::new();
    for (place, id) in (0_u32..).zip(&prompts) {
        check_cancelled(progress)?;
        let before = first.report.problems.len();
        check_prompt(shared, id, hints.as_ref(), &mut first.report, &mut |ino| {
            inodes.push((ino, place));
        });
        if first.report.problems.len() > before {
            first.suspects.insert(id.clone());
        }
        progress.advance(1);
    }
    first.linked = linked::suspects(inodes, &prompts);
    check_rest(shared, scope, hints.as_ref(), &prompts, &mut first.report);
    let unindexed = store::unindexed(&first.report.problems);
    first.unindexed.extend(unindexed);
    Ok(first)
}

/// Looks again at what seemed wrong, and keeps what still is. Blocking.
///
/// # Errors
/// As [`first_pass`].
pub(super) fn second_pass(
    shared: &Shared,
    scope: &VerifyScope,
    first: &FirstPass,
    progress: &Progress,
) -> Result<VerifyReport, StorageError> {
    let mut again = VerifyReport::default();
    let prompts = list_prompts(shared, scope, &mut again)?;
    let (hints, problem) = store::load_hints(shared);
    again.problems.extend(problem.filter(|_| scope.is_everything()));
    for id in first.suspects.iter().chain(&first.unindexed) {
        check_cancelled(progress)?;
        check_prompt(shared, id, hints.as_ref(), &mut again, &mut |_| {});
    }
    check_rest(shared, scope, hints.as_ref(), &prompts, &mut again);
    let still: BTreeSet<(&str, &str, &str)> = again.problems.iter().map(place_of).collect();
    let mut report = first.report.clone();
    report
        .problems
        .retain(|problem| still.contains(&place_of(problem)));
    report.problems.extend(linked::check(shared, &first.linked));
    report.sort();
    Ok(report)
}

/// Returns what tells one finding from another. The words for one damage may differ from look to look; all findings about
/// the index have one path.
fn place_of(problem: &Problem) -> (&str, &str, &str) {
    let is_of_index = problem.kind == "stale-index";
    let message = if is_of_index { problem.message.as_str() } else { "" };
    (&problem.path, &problem.kind, message)
}

fn check_cancelled(progress: &Progress) -> Result<(), StorageError> {
    if progress.is_cancelled() {
        Err(StorageError::Interrupted("cancelled".into()))
    } else {
        Ok(())
    }
}

/// Lists the prompts in scope, and reports what lies among them.
fn list_prompts(
    shared: &Shared,
    scope: &VerifyScope,
    report: &mut VerifyReport,
) -> Result<Vec<PromptId>, StorageError> {
    let (disk, layout) = (&*shared.disk, shared.layout);
    let (shards, problems) = list_shards(disk, layout).map_err(|e| StorageError::Io {
        doing: "listing",
        path: Path::new(".").to_owned(),
        message: e.to_string(),
    })?;
    if !scope.is_everything() {
        return Ok(scope.prompts.clone());
    }
    report.problems.extend(problems);
    let mut prompts: Vec<PromptId> = Vec::new();
    for shard in &shards {
        match scan_shard_names(disk, layout, shard) {
            Ok((ids, problems)) => {
                prompts.extend(ids);
                report.problems.extend(problems);
            }
            Err(e) => report.problems.push(Problem::new(
                &layout.shard_dir(shard),
                "unreadable",
                e.to_string(),
            )),
        }
    }
    Ok(prompts)
}

/// Checks what lies outside of prompt directories.
fn check_rest(
    shared: &Shared,
    scope: &VerifyScope,
    hints: Option<&IndexHints>,
    prompts: &[PromptId],
    report: &mut VerifyReport,
) {
    let problems = &mut report.problems;
    trash::check(shared, scope, problems);
    if scope.is_everything() {
        store::check_metadata(shared, problems);
        store::check_leftovers(shared, problems);
        if let Some(hints) = hints {
            store::check_index_names(shared, hints, prompts, problems);
        }
    }
}

/// Returns what must be on its way before the second pass: the shards that have to look at what the index does not know.
pub(super) fn shards_to_look(
    shared: &Shared,
    first: &FirstPass,
) -> Vec<(Arc<super::actors::ShardHandle>, BTreeSet<PromptId>)> {
    let mut looks: Vec<(Arc<super::actors::ShardHandle>, BTreeSet<PromptId>)> = Vec::new();
    for id in &first.unindexed {
        let shard = shared.shard(&shared.layout.shard_of(id));
        match looks.iter_mut().find(|(known, _)| known.id == shard.id) {
            Some((_, ids)) => drop(ids.insert(id.clone())),
            None => looks.push((shard, BTreeSet::from([id.clone()]))),
        }
    }
    looks
}
