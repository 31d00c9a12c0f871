//! What lies in the store outside of prompts: metadata, temporary files, the index.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::model::PromptId;
use crate::storage::Problem;
use crate::storage::filesystem::actors::Shared;
use crate::storage::filesystem::disk::{
    Foreign, IndexHints, IndexSource, OpenError, load_index, read_metadata,
};

const INDEX: &str = ".index.json";
/// How a finding about one prompt in the index begins.
const OF_PROMPT: &str = "prompt ";

/// Reads the index; nothing when it is not kept, or cannot be used, which is then a finding.
pub(super) fn load_hints(shared: &Shared) -> (Option<IndexHints>, Option<Problem>) {
    if !shared.options.use_index {
        return (None, None);
    }
    let problem = |kind: &str, message: String| Some(Problem::new(Path::new(INDEX), kind, message));
    match load_index(&*shared.disk) {
        (hints, IndexSource::Loaded) => (Some(hints), None),
        (_, IndexSource::Missing) => (
            None,
            problem(
                "missing-index",
                "it is not there: a start reads every directory".into(),
            ),
        ),
        (_, IndexSource::Damaged(reason)) => (
            None,
            problem(
                "corrupt-index",
                format!("{reason}: a start reads every directory"),
            ),
        ),
    }
}

/// Reports prompts that the index knows and the directories do not. A shard that cannot be listed says nothing of that.
pub(super) fn check_index_names(
    shared: &Shared,
    hints: &IndexHints,
    prompts: &[PromptId],
    problems: &mut Vec<Problem>,
) {
    let there: BTreeSet<&PromptId> = prompts.iter().collect();
    let unreadable = unreadable(problems);
    let may_be_there = |id: &PromptId| unreadable.contains(shared.layout.shard_of(id).as_str());
    for id in hints.ids().filter(|id| !there.contains(id) && !may_be_there(id)) {
        let message = format!("{OF_PROMPT}{id}: it has no directory");
        problems.push(Problem::new(Path::new(INDEX), "stale-index", message));
    }
}

/// Returns the places that are reported as ones that cannot be read; a shard is called as its directory is.
fn unreadable(problems: &[Problem]) -> BTreeSet<String> {
    let found = problems.iter().filter(|problem| problem.kind == "unreadable");
    found.map(|problem| problem.path.clone()).collect()
}

/// Returns the prompts that findings about the index name.
pub(super) fn unindexed(problems: &[Problem]) -> impl Iterator<Item = PromptId> + '_ {
    problems
        .iter()
        .filter(|problem| problem.kind == "stale-index")
        .filter_map(|problem| {
            let (id, _) = problem.message.strip_prefix(OF_PROMPT)?.split_once(':')?;
            PromptId::new(id).ok()
        })
}

/// Forgets what was found of the index.
pub(super) fn drop_index_findings(problems: &mut Vec<Problem>) {
    problems.retain(|problem| !super::INDEX_KINDS.contains(&problem.kind.as_str()));
}

/// Says once that the index is behind, instead of everything that follows from it.
pub(super) fn excuse_index(problems: &mut Vec<Problem>) {
    let before = problems.len();
    drop_index_findings(problems);
    if problems.len() < before {
        let message = "changes wait to be written to it: it says something else until then";
        problems.push(Problem::new(Path::new(INDEX), "index-behind", message));
    }
}

/// Checks that the store is still the one that was opened.
pub(super) fn check_metadata(shared: &Shared, problems: &mut Vec<Problem>) {
    let (kind, message) = match read_metadata(&*shared.disk, Path::new("")) {
        Ok(Some(metadata)) if metadata.shard_depth == shared.layout.depth => return,
        Ok(Some(metadata)) => (
            "changed-metadata",
            format!(
                "its shard_depth is {}, and the store is served with {}",
                u8::from(metadata.shard_depth),
                u8::from(shared.layout.depth)
            ),
        ),
        Ok(None) => (
            "missing-metadata",
            "it is not there: the next start finds the layout and writes it anew".to_owned(),
        ),
        Err(OpenError::Metadata { reason, .. }) => ("corrupt-metadata", reason),
        Err(OpenError::Directory { source, .. }) => ("unreadable", source.to_string()),
        Err(error) => ("corrupt-metadata", error.to_string()),
    };
    problems.push(Problem::new(Path::new(".metadata.json"), kind, message));
}

/// Reports temporary files that nobody is writing, and what recovery set aside.
pub(super) fn check_leftovers(shared: &Shared, problems: &mut Vec<Problem>) {
    let unreadable = unreadable(problems);
    for shard in shared.shards.all() {
        problems.extend(shard.disk.quarantined());
        problems.extend(shard.disk.obstruction());
        let dir = shared.layout.tmp_dir(&shard.id);
        match shard.disk.leftovers() {
            Ok(names) => {
                let mut left = Foreign::default();
                for name in names {
                    let message = "a temporary file that nobody is writing: the next start settles it";
                    left.note(&dir.join(name), "leftover", message);
                }
                problems.extend(left.into_problems(&dir));
            }
            // What stands there instead is reported as itself.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(_) if unreadable.contains(shard.id.as_str()) => {}
            Err(e) => problems.push(Problem::new(&dir, "unreadable", e.to_string())),
        }
    }
}
