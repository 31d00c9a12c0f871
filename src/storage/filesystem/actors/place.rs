//! What a path in the store is, told by its names alone.

use std::path::Path;

use crate::model::{PromptId, ShardDepth, ShardId};

/// What a path in the store is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The store's own directory.
    Store,
    /// The directory of a shard.
    ShardDir(ShardId),
    /// The directory of a prompt.
    PromptDir(ShardId, PromptId),
    /// Something in the directory of a prompt.
    File(ShardId, PromptId, std::ffi::OsString),
}

/// Tells what a path is by its names; `None` for what is nobody's business: temporary files, trash, foreign names.
pub(super) fn place_of(depth: ShardDepth, path: &Path) -> Option<Place> {
    let names: Vec<&std::ffi::OsStr> = path.iter().collect();
    let prompt = |name: &std::ffi::OsStr| PromptId::new(name.to_str()?).ok();
    let (shard, rest) = if depth == ShardDepth::FLAT {
        (depth.shard_named("")?, names.as_slice())
    } else {
        match names.as_slice() {
            [] => return Some(Place::Store),
            [first, rest @ ..] => (depth.shard_named(first.to_str()?)?, rest),
        }
    };
    match rest {
        [] if depth == ShardDepth::FLAT => Some(Place::Store),
        [] => Some(Place::ShardDir(shard)),
        [id] => Some(Place::PromptDir(shard, prompt(id)?)),
        [id, name] => Some(Place::File(shard, prompt(id)?, (*name).to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: u8, path: &str, expected: &str) {
        let place = place_of(ShardDepth::new(depth).unwrap(), Path::new(path));
        let shown = match place {
            None => "nobody's".to_owned(),
            Some(Place::Store) => "store".to_owned(),
            Some(Place::ShardDir(shard)) => format!("shard {shard}"),
            Some(Place::PromptDir(shard, id)) => format!("prompt {shard} {id}"),
            Some(Place::File(shard, id, name)) => format!("file {shard} {id} {}", name.display()),
        };
        assert_eq!(shown, expected, "{path}");
    }

    #[test]
    fn a_path_is_told_by_its_names() {
        check(2, "", "store");
        check(2, "69", "shard 69");
        check(2, "69/wf", "prompt 69 wf");
        check(2, "69/wf/1.0.0.json", "file 69 wf 1.0.0.json");
        check(2, "69/.tmp", "nobody's");
        check(2, "69/.tmp/x", "nobody's");
        check(2, ".trash/69", "nobody's");
        check(2, ".index.json", "nobody's");
        check(2, "zz", "nobody's");
        check(0, "", "store");
        check(0, "wf", "prompt (flat) wf");
        check(0, "wf/1.0.0.json", "file (flat) wf 1.0.0.json");
        check(0, ".tmp/x", "nobody's");
    }
}
