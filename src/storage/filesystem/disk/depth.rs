//! How deep the prompts of a store are sharded, as its directories show it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{PromptId, ShardDepth};

use super::layout::{MANIFEST_FILE, TMP_DIR, is_hidden, version_of_file_name};
use super::{Disk, EntryKind};

/// How many directories speak for a depth, and the first of them.
type Votes = BTreeMap<ShardDepth, (usize, PathBuf)>;

/// Tells the layout of a directory without metadata; without any vote the store is new and gets the default.
pub(super) fn find_depth(disk: &dyn Disk, default: ShardDepth) -> io::Result<ShardDepth> {
    let mut votes = Votes::new();
    count_votes(disk, &mut votes, |_| false)?;
    Ok(winner(votes).map_or(default, |(depth, _)| depth))
}

/// Returns the layout that the directories show and one of them, when none lies in the layout that is said. To believe the
/// metadata then would be to serve an empty store and to give every number out again.
///
/// One directory that agrees is enough, and ends the search: what else lies there are strays, which the scan reports.
pub(super) fn find_contradiction(
    disk: &dyn Disk,
    said: ShardDepth,
) -> io::Result<Option<(ShardDepth, PathBuf)>> {
    let mut votes = Votes::new();
    count_votes(disk, &mut votes, |depth| depth == said)?;
    if votes.contains_key(&said) {
        return Ok(None);
    }
    Ok(winner(votes))
}

fn winner(votes: Votes) -> Option<(ShardDepth, PathBuf)> {
    let most = votes
        .into_iter()
        .max_by_key(|(depth, (count, _))| (*count, std::cmp::Reverse(*depth)));
    most.map(|(depth, (_, example))| (depth, example))
}

/// Lets each directory of the store vote, until one says what is enough.
fn count_votes(disk: &dyn Disk, votes: &mut Votes, is_enough: impl Fn(ShardDepth) -> bool) -> io::Result<()> {
    for (name, kind) in disk.list(Path::new(""))? {
        if kind != EntryKind::Dir || is_hidden(&name) {
            continue;
        }
        // A directory that cannot be read has no vote; the scan reports it.
        let children = disk.list(Path::new(&name)).unwrap_or_default();
        let Some((depth, example)) = vote(&name, &children) else {
            continue;
        };
        votes.entry(depth).or_insert((0, example)).0 += 1;
        if is_enough(depth) {
            break;
        }
    }
    Ok(())
}

/// Returns the depth that a directory of the store speaks for, and the prompt or shard by which it does.
fn vote(name: &OsStr, children: &[(OsString, EntryKind)]) -> Option<(ShardDepth, PathBuf)> {
    let has = |wanted: EntryKind, is_it: &dyn Fn(&OsStr) -> bool| {
        children
            .iter()
            .find(|(child, kind)| *kind == wanted && is_it(child))
    };
    let depth = ShardDepth::new(u8::try_from(name.len()).unwrap_or(u8::MAX)).ok();
    let shard = depth.and_then(|depth| Some((depth, depth.shard_named(name.to_str()?)?)));
    let agrees = |child: &OsStr| {
        let id = child.to_str().and_then(|text| PromptId::new(text).ok());
        id.zip(shard.as_ref())
            .is_some_and(|(id, (depth, shard))| depth.shard_of(&id) == *shard)
    };
    // A hash agrees by chance least of all.
    if let Some((child, _)) = has(EntryKind::Dir, &agrees) {
        return depth.map(|depth| (depth, Path::new(name).join(child)));
    }
    let is_of_prompt = |child: &OsStr| child == MANIFEST_FILE || version_of_file_name(child).is_some();
    if has(EntryKind::File, &is_of_prompt).is_some() {
        return Some((ShardDepth::FLAT, PathBuf::from(name)));
    }
    // The shard of a store from which every prompt of it was purged.
    let (depth, _) = shard?;
    has(EntryKind::Dir, &|child| child == TMP_DIR).map(|_| (depth, PathBuf::from(name)))
}

#[cfg(test)]
mod tests {
    use super::super::{OpenError, open_store};
    use super::*;

    fn make(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        dir
    }

    fn check_depth(files: &[&str], expected: u8) {
        let dir = make(files);
        let opened = open_store(dir.path(), ShardDepth::DEFAULT).unwrap();
        assert_eq!(u8::from(opened.metadata.shard_depth), expected, "{files:?}");
    }

    #[test]
    fn the_layout_of_a_foreign_store_is_found() {
        check_depth(&[], 2);
        check_depth(&["wf_001_llm_1/1.0.0.json"], 0);
        check_depth(&["69/wf_001_llm_1/1.0.0.json"], 2);
        check_depth(&["6/wf_001_llm_1/1.0.0.json"], 1);
        check_depth(&["6/.tmp/x.tmp"], 1);
        check_depth(&["wf_001_llm_1/.manifest.json"], 0);
        // A prompt called `69` in a flat store is no shard.
        check_depth(&["69/1.0.0.json"], 0);
        // A version that was copied one level too high does not make the store flat.
        check_depth(&["69/1.0.0.json", "69/wf_001_llm_1/1.0.0.json"], 2);
        // A directory that only looks like a shard: `b` does not hash to 69.
        check_depth(&["69/b/1.0.0.json", "prompt_001/1.0.0.json"], 0);
    }

    /// Opens a store that says one depth over directories that show another.
    fn open_as(files: &[&str], said: u8) -> Result<(), OpenError> {
        let dir = make(files);
        let metadata = format!(
            r#"{{"format_version": 1, "store_id": "x", "shard_depth": {said}, "created_at": "2026-01-01T00:00:00Z"}}"#
        );
        std::fs::write(dir.path().join(".metadata.json"), metadata).unwrap();
        open_store(dir.path(), ShardDepth::DEFAULT).map(drop)
    }

    #[test]
    fn a_depth_that_no_directory_agrees_with_is_refused_with_the_one_that_is_meant() {
        let sharded = ["69/wf_001_llm_1/1.0.0.json", "98/prompt_001/1.0.0.json"];
        let flat = ["wf_001_llm_1/1.0.0.json"];
        for (files, said, meant) in [
            (&sharded[..], 0, 2),
            (&sharded[..], 1, 2),
            (&sharded[..], 3, 2),
            (&sharded[..], 4, 2),
            (&flat[..], 2, 0),
            (&["69/.tmp/x.tmp"][..], 0, 2),
            (&["wf_001_llm_1/.manifest.json"][..], 2, 0),
        ] {
            let error = open_as(files, said).unwrap_err();
            let told = error.to_string();
            assert!(
                told.contains(&format!("set shard_depth to {meant} in that file")),
                "{told}"
            );
            assert!(told.contains(&format!("says shard_depth {said}")), "{told}");
        }
    }

    #[test]
    fn strays_beside_one_directory_that_agrees_refuse_nothing() {
        for (files, said) in [
            (
                &["69/wf_001_llm_1/1.0.0.json", "a/1.0.0.json", "b/1.0.0.json"][..],
                2,
            ),
            (&["69/.tmp/x.tmp", "a/1.0.0.json"][..], 2),
            (&["69/1.0.0.json", "6/wf_001_llm_1/1.0.0.json"][..], 0),
            (&[][..], 4),
            (&["notes/readme.txt", ".git/1.0.0.json"][..], 2),
        ] {
            open_as(files, said).unwrap();
        }
    }
}
