//! Which old name to deal with next, and how: decisions over the tree, no text.

use super::syntax::{Entry, Item, Mapping};

/// Old name, present name. They may stand at the top level, in `optimizer`, and in an `optimization` block of either.
const RENAMES: [(&str, &str); 5] = [
    ("score_threshold", "min_baseline_score"),
    ("improvement_threshold", "min_improvement"),
    ("confidence_threshold", "min_confidence"),
    ("max_optimization_iterations", "max_iterations"),
    (DEFAULT_STRATEGY, "strategies"),
];

/// The one name whose value changes its form: one strategy becomes a list of one.
const DEFAULT_STRATEGY: &str = "default_strategy";

/// Keys of the store that older documents put beside the backend instead of into `config`.
const STORE_KEYS: [&str; 6] = [
    "storage_dir",
    "use_index",
    "use_cache",
    "cache_size",
    "enable_sharding",
    "shard_depth",
];

/// Keys of the optimisation, which older documents put beside the block.
const OPTIMIZATION_KEYS: [&str; 6] = [
    "min_baseline_score",
    "min_improvement",
    "min_confidence",
    "max_iterations",
    "strategies",
    "max_prompt_length",
];

/// Keys of the earlier system that set nothing here.
const UNSUPPORTED_KEYS: [&str; 4] = [
    "scoring_weights",
    "strategy_fallback",
    "enable_version_tracking",
    "enable_metrics_feedback",
];

/// Whether a dotted path is that of a key of the earlier system that sets nothing here.
pub(in crate::config) fn is_unsupported_key(path: &str) -> bool {
    let inner = path.strip_prefix("optimizer.").unwrap_or(path);
    let inner = inner.strip_prefix("optimization.").unwrap_or(inner);
    UNSUPPORTED_KEYS.contains(&inner.split('.').next().unwrap_or(inner))
}

/// One edit, and what it is about.
#[derive(Debug)]
pub(super) struct Step<'t> {
    pub(super) moves: Vec<Move<'t>>,
    pub(super) action: Action,
    /// The mapping that the entries stand in.
    pub(super) map: &'t Mapping,
}

/// One entry that the step moves from a path to a path.
#[derive(Debug)]
pub(super) struct Move<'t> {
    pub(super) entry: &'t Entry,
    pub(super) from: String,
    pub(super) to: String,
    /// The name that the entry has afterwards.
    pub(super) name: &'t str,
}

/// What is done with the entries of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The key is renamed.
    Rename,
    /// The key is renamed and its value becomes a list of one.
    RenameToList,
    /// The value moves into a new mapping below the key.
    Wrap,
    /// The entry becomes a comment, because another wins.
    CommentOut,
    /// The entries move into a new mapping under this key.
    Nest(&'static str),
    /// The entry moves to the end of the mapping at this key.
    Append(&'static str),
}

/// Returns the next step, or `None` when nothing old is left.
pub(super) fn next_step(root: &Item) -> Option<Step<'_>> {
    let scopes = scopes(root);
    let renames = scopes.iter().find_map(|(path, map)| next_rename(path, map));
    renames.or_else(|| {
        let outer = scopes.iter().filter(|(path, _)| !path.ends_with("optimization."));
        outer.into_iter().find_map(|(path, map)| {
            next_storage_step(path, map).or_else(|| next_optimization_step(path, map))
        })
    })
}

/// Keys of the optimisation that stand in `optimizer` itself move into its block. At the top level they stay: such a file
/// is that of the optimiser alone.
fn next_optimization_step<'t>(path: &str, map: &'t Mapping) -> Option<Step<'t>> {
    const BLOCK: &str = "optimization";
    if path.is_empty() {
        return None;
    }
    let present = OPTIMIZATION_KEYS
        .iter()
        .filter_map(|name| Some((map.get(name)?, *name)));
    let present: Vec<(&Entry, &'static str)> = present.collect();
    let (entry, name) = *present.first()?;
    let Some(block) = map.get(BLOCK) else {
        return nest(path, map, BLOCK, &present);
    };
    let action = if block.map()?.get(name).is_some() {
        Action::CommentOut
    } else {
        Action::Append(BLOCK)
    };
    Some(step(map, action, path, entry, &format!("{BLOCK}.{name}"), name))
}

/// The mappings in which old names may stand, with their paths and a dot.
fn scopes(root: &Item) -> Vec<(String, &Mapping)> {
    let Some(root) = root.map() else { return Vec::new() };
    let mut scopes = vec![(String::new(), root)];
    if let Some(optimizer) = root.get("optimizer").and_then(Entry::map) {
        scopes.push(("optimizer.".to_owned(), optimizer));
    }
    let blocks: Vec<(String, &Mapping)> = scopes
        .iter()
        .filter_map(|(path, map)| Some((format!("{path}optimization."), map.get("optimization")?.map()?)))
        .collect();
    scopes.extend(blocks);
    scopes
}

fn next_rename<'t>(path: &str, map: &'t Mapping) -> Option<Step<'t>> {
    RENAMES.iter().find_map(|(old, new)| {
        let entry = map.get(old)?;
        let action = if map.get(new).is_some() {
            Action::CommentOut
        } else if *old == DEFAULT_STRATEGY && entry.is_scalar() {
            Action::RenameToList
        } else {
            Action::Rename
        };
        Some(step(map, action, path, entry, new, new))
    })
}

/// The three old forms of the store: a word, `storage_backend` with `storage_config`, and a mapping with `type` or with
/// the settings beside the backend. A nested `storage` wins over the flat names, and these over the word.
fn next_storage_step<'t>(path: &str, map: &'t Mapping) -> Option<Step<'t>> {
    let storage = map.get("storage");
    let flat = [("storage_backend", "backend"), ("storage_config", "config")];
    let present: Vec<(&Entry, &'static str)> = flat
        .iter()
        .filter_map(|(old, new)| Some((map.get(old)?, *new)))
        .collect();
    match storage {
        None => nest(path, map, "storage", &present),
        Some(word) if word.is_scalar() && present.is_empty() => {
            Some(step(map, Action::Wrap, path, word, "storage.backend", "storage"))
        }
        Some(word) if word.is_scalar() && map.get("storage_backend").is_none() => Some(step(
            map,
            Action::Rename,
            path,
            word,
            "storage_backend",
            "storage_backend",
        )),
        Some(word) if (word.is_scalar() || word.is_null()) && !present.is_empty() => Some(step(
            map,
            Action::CommentOut,
            path,
            word,
            "storage_backend",
            "storage",
        )),
        Some(storage) => {
            let inner = storage.map()?;
            merge(path, map, inner, &present).or_else(|| inside_storage(&format!("{path}storage."), inner))
        }
    }
}

/// Brings the first flat name into a `storage` mapping that is already there.
fn merge<'t>(
    path: &str,
    map: &'t Mapping,
    storage: &Mapping,
    flat: &[(&'t Entry, &'static str)],
) -> Option<Step<'t>> {
    let (entry, name) = *flat.first()?;
    let to = format!("storage.{name}");
    let taken = storage.get(name).is_some() || (name == "backend" && storage.get("type").is_some());
    let action = if taken {
        Action::CommentOut
    } else {
        Action::Append("storage")
    };
    Some(step(map, action, path, entry, &to, name))
}

fn inside_storage<'t>(path: &str, storage: &'t Mapping) -> Option<Step<'t>> {
    if let Some(entry) = storage.get("type") {
        let action = if storage.get("backend").is_some() {
            Action::CommentOut
        } else {
            Action::Rename
        };
        return Some(step(storage, action, path, entry, "backend", "backend"));
    }
    let beside: Vec<&Entry> = storage
        .entries
        .iter()
        .filter(|entry| STORE_KEYS.contains(&entry.name.as_str()))
        .collect();
    let first = *beside.first()?;
    let to = format!("config.{}", first.name);
    let Some(config) = storage.get("config") else {
        let entries: Vec<(&Entry, &str)> = beside.iter().map(|entry| (*entry, entry.name.as_str())).collect();
        return nest(path, storage, "config", &entries);
    };
    if config.is_null() {
        return Some(step(
            storage,
            Action::CommentOut,
            path,
            config,
            "config",
            "config",
        ));
    }
    let action = if config.map()?.get(&first.name).is_some() {
        Action::CommentOut
    } else {
        Action::Append("config")
    };
    Some(step(storage, action, path, first, &to, &first.name))
}

fn nest<'t>(
    path: &str,
    map: &'t Mapping,
    parent: &'static str,
    entries: &[(&'t Entry, &'t str)],
) -> Option<Step<'t>> {
    if entries.is_empty() {
        return None;
    }
    let mut moves: Vec<Move<'t>> = entries
        .iter()
        .map(|(entry, name)| Move {
            entry,
            from: format!("{path}{}", entry.name),
            to: format!("{path}{parent}.{name}"),
            name,
        })
        .collect();
    moves.sort_by_key(|moved| moved.entry.key.start);
    Some(Step {
        moves,
        action: Action::Nest(parent),
        map,
    })
}

fn step<'t>(
    map: &'t Mapping,
    action: Action,
    path: &str,
    entry: &'t Entry,
    to: &str,
    name: &'t str,
) -> Step<'t> {
    let moved = Move {
        entry,
        from: format!("{path}{}", entry.name),
        to: format!("{path}{to}"),
        name,
    };
    Step {
        moves: vec![moved],
        action,
        map,
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax;
    use super::*;

    fn check(text: &str, expected: Option<(&str, &str, Action)>) {
        let document = syntax::parse(text).unwrap();
        let step = document.root.as_ref().and_then(next_step);
        let found = step.as_ref().map(|step| {
            let moved = &step.moves[0];
            (moved.from.as_str(), moved.to.as_str(), step.action)
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn old_names_are_found_in_every_place_where_they_were_used() {
        let rename = |from, to| Some((from, to, Action::Rename));
        check(
            "score_threshold: 1",
            rename("score_threshold", "min_baseline_score"),
        );
        check(
            "optimizer: {optimization: {confidence_threshold: 1}}",
            rename(
                "optimizer.optimization.confidence_threshold",
                "optimizer.optimization.min_confidence",
            ),
        );
        check(
            "optimization:\n  max_optimization_iterations: 7",
            rename(
                "optimization.max_optimization_iterations",
                "optimization.max_iterations",
            ),
        );
        check("other:\n  score_threshold: 1", None);
        check("- score_threshold: 1", None);
    }

    #[test]
    fn each_old_form_of_the_store_has_its_step() {
        check(
            "storage: memory",
            Some(("storage", "storage.backend", Action::Wrap)),
        );
        check(
            "storage: {type: memory}",
            Some(("storage.type", "storage.backend", Action::Rename)),
        );
        check(
            "storage_backend: x",
            Some(("storage_backend", "storage.backend", Action::Nest("storage"))),
        );
        check(
            "storage: x\nstorage_config: {}",
            Some(("storage", "storage_backend", Action::Rename)),
        );
        check(
            "storage: x\nstorage_backend: y",
            Some(("storage", "storage_backend", Action::CommentOut)),
        );
        check(
            "storage: {backend: x}\nstorage_config: {}",
            Some(("storage_config", "storage.config", Action::Append("storage"))),
        );
        check(
            "storage: {backend: x, use_cache: true}",
            Some((
                "storage.use_cache",
                "storage.config.use_cache",
                Action::Nest("config"),
            )),
        );
    }

    #[test]
    fn present_names_are_left_alone() {
        check(
            "optimizer: {storage: {backend: memory, config: {use_cache: true}}}",
            None,
        );
        check("min_improvement: 3\nstrategies: [auto]", None);
        check("storage: [a, b]", None);
        check("storage:", None);
    }

    #[test]
    fn keys_beside_the_block_move_into_it() {
        let name = "optimizer.min_improvement";
        let to = "optimizer.optimization.min_improvement";
        check(
            "optimizer: {min_improvement: 3}",
            Some((name, to, Action::Nest("optimization"))),
        );
        check(
            "optimizer: {min_improvement: 3, optimization: {strategies: [auto]}}",
            Some((name, to, Action::Append("optimization"))),
        );
        check(
            "optimizer: {min_improvement: 3, optimization: {min_improvement: 4}}",
            Some((name, to, Action::CommentOut)),
        );
    }

    #[test]
    fn keys_that_set_nothing_are_known_wherever_they_stand() {
        for path in [
            "optimizer.optimization.strategy_fallback",
            "optimizer.scoring_weights.clarity",
            "enable_version_tracking",
        ] {
            assert!(is_unsupported_key(path), "{path}");
        }
        for path in [
            "optimizer.storage",
            "daemon.scoring_weights",
            "optimizer",
            "optimizer.min_improvement",
        ] {
            assert!(!is_unsupported_key(path), "{path}");
        }
    }
}
