//! Tests of the migration: golden pairs, and the promises as properties.

use proptest::prelude::*;

use super::super::yaml::{Content, Node};
use super::*;

/// Checks the text that a migration makes, and that a second one finds nothing to do.
fn check(old: &str, expected: &str) {
    let migration = migrate(old).unwrap();
    assert_eq!(migration.text, expected, "from:\n{old}");
    assert_eq!(
        migration.changes.is_empty(),
        old == expected,
        "{:?}",
        migration.changes
    );
    let again = migrate(&migration.text).unwrap();
    assert_eq!((again.text.as_str(), again.changes.len()), (expected, 0));
}

fn check_refused(old: &str, words: &str) {
    let error = migrate(old).unwrap_err().to_string();
    assert!(
        error.contains(words) && error.ends_with("nothing was changed"),
        "{error}"
    );
}

#[test]
fn thresholds_are_renamed_where_they_stand_and_nothing_else_moves() {
    check(
        "# head\noptimizer:\n  optimization:   # block\n    score_threshold: 72.5   # ours\n\n    improvement_threshold: 7\n    \
         my_own: [1, 2]\n    'confidence_threshold': 0.9\n    max_optimization_iterations: 7\nother: \"x\"\n",
        "# head\noptimizer:\n  optimization:   # block\n    min_baseline_score: 72.5   # ours\n\n    min_improvement: 7\n    \
         my_own: [1, 2]\n    'min_confidence': 0.9\n    max_iterations: 7\nother: \"x\"\n",
    );
    check(
        "{\"score_threshold\":80, \"a\": {\"b\": 1}}",
        "{\"min_baseline_score\":80, \"a\": {\"b\": 1}}",
    );
}

#[test]
fn one_default_strategy_becomes_a_list_of_one() {
    check("default_strategy: auto  # c\n", "strategies: [auto]  # c\n");
    check("default_strategy: \"a, b\"\n", "strategies: [\"a, b\"]\n");
    check("default_strategy: a, b\n", "strategies:\n  - a, b\n");
    check(
        "optimization: {default_strategy: auto, x: 1}",
        "optimization: {strategies: [auto], x: 1}",
    );
    check("default_strategy: [auto]\n", "strategies: [auto]\n");
    check("default_strategy:\n", "strategies:\n");
}

#[test]
fn a_store_that_is_one_word_becomes_a_backend() {
    check(
        "storage: \"memory\"  # c\n",
        "storage:\n  backend: \"memory\"  # c\n",
    );
    check(
        "optimizer:\n  storage: filesystem",
        "optimizer:\n  storage:\n    backend: filesystem",
    );
    check(
        "optimizer: {storage: memory, x: 1}",
        "optimizer: {storage: {backend: memory}, x: 1}",
    );
    check(
        "a: 1\r\nstorage: memory\r\n",
        "a: 1\r\nstorage:\r\n  backend: memory\r\n",
    );
}

#[test]
fn a_store_with_a_type_and_loose_settings_becomes_backend_and_config() {
    check(
        "optimizer:\n  storage:\n    # where\n    type: filesystem\n    storage_dir: /srv/x  # here\n    custom: 1\n    \
         # how many\n    cache_size: 7\n",
        "optimizer:\n  storage:\n    # where\n    backend: filesystem\n    config:\n      storage_dir: /srv/x  # here\n      \
         # how many\n      cache_size: 7\n    custom: 1\n",
    );
    check(
        "storage: {type: filesystem, storage_dir: x, use_cache: false}",
        "storage: {backend: filesystem, config: {storage_dir: x, use_cache: false}}",
    );
    check(
        "storage:\n  backend: filesystem\n  config:\n    use_cache: true\n  cache_size: 9\n",
        "storage:\n  backend: filesystem\n  config:\n    use_cache: true\n    cache_size: 9\n",
    );
}

#[test]
fn flat_backend_and_settings_are_nested_even_when_they_stand_apart() {
    check(
        "# the store\nstorage_backend: filesystem   # kept\nmine: 1\n# its settings\nstorage_config:\n  storage_dir: /x\n\n  \
         # none\n  use_index: true\nlast: 2\n",
        "# the store\nstorage:\n  backend: filesystem   # kept\n  # its settings\n  config:\n    storage_dir: /x\n\n    \
         # none\n    use_index: true\nmine: 1\nlast: 2\n",
    );
    check(
        "{storage_config: {a: 1}, m: 2, storage_backend: x}",
        "{storage: {config: {a: 1}, backend: x}, m: 2}",
    );
    check(
        "storage: \"filesystem\"\nstorage_config:\n  a: 1",
        "storage:\n  backend: \"filesystem\"\n  config:\n    a: 1\n",
    );
    check(
        "storage_config:\n  a: 1\nstorage:\n  backend: x\n",
        "storage:\n  backend: x\n  config:\n    a: 1\n",
    );
    check("{storage: {}, storage_backend: x}", "{storage: {backend: x}}");
}

#[test]
fn the_present_name_wins_and_the_old_line_stays_as_a_comment() {
    check(
        "optimizer:\n  score_threshold: 70  # old\n  min_baseline_score: 80\n",
        "optimizer:\n  # superseded by `min_baseline_score` (promptctl config migrate):\n  # score_threshold: 70  # old\n  \
         optimization:\n    min_baseline_score: 80\n",
    );
    check(
        "storage:\n  type: memory\n  backend: filesystem\n",
        "storage:\n  # superseded by `backend` (promptctl config migrate):\n  # type: memory\n  backend: filesystem\n",
    );
    check(
        "x:\n  y: |\n    text\noptimizer: {score_threshold: 70, min_baseline_score: 80}\n",
        "x:\n  y: |\n    text\n# superseded by `min_baseline_score` (promptctl config migrate):\n# score_threshold: 70\n\
         optimizer: {optimization: {min_baseline_score: 80}}\n",
    );
    check(
        "storage: memory\nstorage_backend: filesystem\n",
        "# superseded by `storage_backend` (promptctl config migrate):\n# storage: memory\nstorage:\n  backend: filesystem\n",
    );
}

#[test]
fn a_file_with_present_names_is_left_byte_for_byte() {
    for text in [
        "",
        "# only this\n",
        "a:  1   \r\n\r\n",
        "- score_threshold: 1\n",
        "other: {score_threshold: 1}\n",
    ] {
        check(text, text);
    }
    let shipped = super::super::commented_defaults();
    check(&shipped, &shipped);
}

#[test]
fn a_block_scalar_that_looks_like_old_names_is_text() {
    let text = "note: |\n  score_threshold: 1\n  # no comment\nlist:\n- storage: memory\n";
    check(text, text);
}

#[test]
fn anchors_on_the_way_survive() {
    check(
        "storage: &s memory\nuse: *s\n",
        "storage:\n  backend: &s memory\nuse: *s\n",
    );
    check(
        "a: &x 5\nscore_threshold: *x\n",
        "a: &x 5\nmin_baseline_score: *x\n",
    );
}

#[test]
fn what_cannot_be_edited_safely_is_refused_and_nothing_changes() {
    check_refused(
        "storage: {backend: x}\nstorage_config:\n  a: 1\n",
        "`storage_config` to `storage.config` by hand",
    );
    check_refused(
        "storage:\n  memory\n",
        "put the value of `storage` on the line of its key",
    );
    check_refused("score_threshold: &x 1\nmin_baseline_score: *x\n", "by hand");
    check_refused(
        "base: &b\n  q: 1\noptimizer:\n  <<: *b\n  storage_backend: &c x\n  ? storage_config\n  : {}\n",
        "",
    );
    assert!(matches!(migrate("a: [1"), Err(ConfigError::Syntax { .. })));
    assert!(matches!(migrate("a: 1\na: 2\n"), Err(ConfigError::Syntax { .. })));
}

#[test]
fn changes_name_the_lines_of_the_old_file() {
    let old = "storage: memory\nscore_threshold: 1\n\noptimizer:\n  storage_backend: x\n  a: 1\n  storage_config: {}\n  \
               improvement_threshold: 2\n";
    let changes = migrate(old).unwrap().changes;
    let mut found: Vec<(usize, &str, &str)> = changes
        .iter()
        .map(|change| (change.line, change.from.as_str(), change.to.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (1, "storage", "storage.backend"),
            (2, "score_threshold", "min_baseline_score"),
            (5, "optimizer.storage_backend", "optimizer.storage.backend"),
            (7, "optimizer.storage_config", "optimizer.storage.config"),
            (8, "optimizer.improvement_threshold", "optimizer.min_improvement"),
            (
                8,
                "optimizer.min_improvement",
                "optimizer.optimization.min_improvement"
            ),
        ]
    );
    assert!(changes.iter().any(|change| change.note.contains("percent")));
}

#[test]
fn no_setting_of_an_old_file_goes_back_to_its_default() {
    let old = "optimizer:\n  max_iterations: 7\n  scoring_weights: {clarity: 0.7, efficiency: 0.3}\n  strategies: [clarity_focus]\n  \
               enable_version_tracking: false\n  my_custom_key: kept\n  improvement_threshold: 9.0\n  \
               storage_backend: filesystem\n  storage_config: {storage_dir: /srv/prompts}\n";
    let once = migrate(old).unwrap().text;
    for kept in [
        "max_iterations: 7",
        "clarity: 0.7",
        "[clarity_focus]",
        "enable_version_tracking: false",
        "my_custom_key: kept",
        "min_improvement: 9.0",
        "backend: filesystem",
        "storage_dir: /srv/prompts",
    ] {
        assert!(once.contains(kept), "{kept}:\n{once}");
    }
    assert!(!once.contains("memory"));
    assert_eq!(migrate(&once).unwrap().text, once);
}

#[test]
fn the_fixtures_of_older_forms_become_their_migrated_forms() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    for name in ["flat", "nested", "both_names"] {
        let read = |end: &str| std::fs::read_to_string(dir.join(format!("{name}.{end}.yaml"))).unwrap();
        check(&read("old"), &read("migrated"));
    }
}

fn scalars(text: &str) -> Vec<String> {
    fn collect(node: &Node, out: &mut Vec<String>) {
        match &node.content {
            Content::Scalar(scalar) => out.push(format!("{scalar:?}")),
            Content::List(items) => items.iter().for_each(|item| collect(item, out)),
            Content::Map(members) => members.iter().for_each(|member| collect(&member.value, out)),
        }
    }
    let mut out = Vec::new();
    collect(&yaml::parse(text, Path::new("x")).unwrap(), &mut out);
    out.sort();
    out
}

fn comments(text: &str) -> Vec<String> {
    let mut comments = syntax::parse(text).unwrap().comments;
    comments.sort();
    comments
}

const OLD_KEYS: [&str; 8] = [
    "score_threshold",
    "improvement_threshold",
    "confidence_threshold",
    "max_optimization_iterations",
    "default_strategy",
    "max_iterations",
    "my_key",
    "cache_size",
];

const VALUES: [&str; 9] = [
    "1",
    "0.25",
    "true",
    "word",
    "\"a: b # c\"",
    "'it''s'",
    "two words",
    "[1, x]",
    "{p: 1, q: [2]}",
];

const TAILS: [&str; 3] = ["", "  # a comment", "\n"];

/// The old forms of the store, for a block mapping; `@` stands for the indentation.
const STORES: [&str; 7] = [
    "",
    "@storage: memory  # s\n",
    "@storage: {type: filesystem, storage_dir: x}\n",
    "@storage:\n@  # t\n@  type: filesystem\n@  use_cache: false\n@  odd: 1\n@  shard_depth: 1  # d\n",
    "@storage_backend: filesystem  # b\n@between: 5\n# c\n@storage_config:\n@    storage_dir: y\n@    # i\n@    extra: [1]\n",
    "@storage_config: {storage_dir: z}\n@storage_backend: memory\n",
    "@storage: \"filesystem\"\n@storage_config:\n@  text: |\n@    # no comment\n@    line\n\n",
];

prop_compose! {
    /// Lines of one block mapping with old and other keys, each at most once.
    fn block(indent: usize)(
        keys in prop::sample::subsequence(OLD_KEYS.to_vec(), 0..OLD_KEYS.len()).prop_shuffle(),
        picks in prop::collection::vec((prop::sample::select(VALUES.to_vec()), prop::sample::select(TAILS.to_vec())), OLD_KEYS.len()),
        store in prop::sample::select(STORES.to_vec()),
        place in 0_usize..OLD_KEYS.len(),
    ) -> String {
        let blank = " ".repeat(indent);
        let mut lines: Vec<String> = keys
            .iter()
            // Both names of one key would make a comment of a value; that has its own tests.
            .filter(|key| **key != "max_iterations" || !keys.contains(&"max_optimization_iterations"))
            .zip(&picks)
            .map(|(key, (value, tail))| format!("{blank}{key}: {value}{tail}\n"))
            .collect();
        lines.insert(place.min(lines.len()), store.replace('@', &blank));
        lines.push(format!("{blank}last: end\n"));
        lines.concat()
    }
}

prop_compose! {
    fn any_file()(
        top in block(0),
        optimizer in block(2),
        inner in block(4),
        nested in any::<bool>(),
        end in prop::sample::select(vec!["", "# bye", "tail: |\n  score_threshold: 1\n"]),
    ) -> String {
        let inner = if nested { format!("  optimization:  # o\n{inner}") } else { String::new() };
        format!("# file\n{top}optimizer:\n{optimizer}{inner}{end}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_second_migration_changes_nothing_and_the_first_loses_nothing(old in any_file()) {
        let once = migrate(&old).unwrap();
        let twice = migrate(&once.text).unwrap();
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert!(twice.changes.is_empty());
        // A value that stands in `optimizer` and in its block makes a comment of one; that has its own tests.
        if once.changes.iter().all(|change| !change.note.starts_with("superseded")) {
            prop_assert_eq!(scalars(&once.text), scalars(&old));
            prop_assert_eq!(comments(&once.text), comments(&old));
        }
    }

    #[test]
    fn any_text_is_migrated_or_refused_and_never_breaks(old in "[a-z_{}\\[\\],:# \n'\"|&*?-]{0,60}") {
        if let Ok(once) = migrate(&old) {
            prop_assert_eq!(migrate(&once.text).unwrap().text, once.text);
        }
    }

    #[test]
    fn old_names_in_any_text_are_migrated_or_refused(
        parts in prop::collection::vec(prop::sample::select(vec![
            "storage", "storage_backend", "storage_config", "type", "config", "backend", "score_threshold", "min_baseline_score",
            "default_strategy", "optimizer", "cache_size", ":", ": ", "\n", "  ", "    ", "{", "}", "[", "]", ", ", "x", "1", "# c",
            "|\n", "'", "\"", "- ", "? ", "&a ", "*a", "!!str ", "é",
        ]), 0..24),
    ) {
        let old = parts.concat();
        if let Ok(once) = migrate(&old) {
            prop_assert_eq!(&migrate(&once.text).unwrap().text, &once.text);
            let before = scalars(&old);
            let after = scalars(&once.text);
            let superseded = once.changes.iter().any(|change| change.note.starts_with("superseded"));
            prop_assert!(superseded || before == after, "{:?} became {:?}", old, once.text);
        }
    }
}
