//! Tests of the layers: what is accepted, and the words in which the rest is refused.

use super::super::{ByteSize, StorageBackend, WatchMode};
use super::*;
use crate::model::OptimizationStrategy;
use crate::optimizer::ScoringProfile;

fn env(variables: &[(&str, &str)]) -> Sources {
    let env = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        env,
        ..Sources::default()
    }
}

fn load_text(text: &str) -> Result<Config, ConfigError> {
    assemble(Some((Path::new("p.yaml"), text)), &Sources::default())
}

/// Checks that a file is refused with exactly these words.
fn check_refused(text: &str, expected: &str) {
    assert_eq!(load_text(text).unwrap_err().to_string(), expected, "{text}");
}

fn check_variable_refused(name: &str, value: &str, expected: &str) {
    assert_eq!(
        assemble(None, &env(&[(name, value)])).unwrap_err().to_string(),
        expected
    );
}

/// A file that sets one key.
fn file_with(path: &str, value: &str) -> String {
    let names: Vec<&str> = path.split('.').collect();
    let last = names.len() - 1;
    let lines = names.iter().enumerate().map(|(depth, name)| {
        let value = if depth == last { value } else { "" };
        format!("{}{name}: {value}\n", "  ".repeat(depth))
    });
    lines.collect()
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "optimizer:\ndaemon:\n  limits:\n",
        "{}",
    ] {
        assert_eq!(load_text(text).unwrap(), Config::default(), "{text:?}");
    }
}

#[test]
fn a_file_sets_what_it_names_and_leaves_the_rest() {
    let config = load_text(
        "optimizer:\n  storage:\n    backend: memory\n    config:\n      max_cache_bytes: 4 MB\n      watch: {mode: off}\n\
         daemon: {socket: /s, socket_mode: 0600}\n",
    )
    .unwrap();
    let mut expected = Config::default();
    expected.optimizer.storage.backend = StorageBackend::Memory;
    expected.optimizer.storage.config.max_cache_bytes = ByteSize::new(4_000_000);
    expected.optimizer.storage.config.watch.mode = WatchMode::Off;
    expected.daemon.socket = Some("/s".into());
    expected.daemon.socket_mode = "0600".parse().unwrap();
    assert_eq!(config, expected);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    check_refused(
        "daemon:\n  limits:\n    max_connection: 5\n",
        "p.yaml:3: unknown key `daemon.limits.max_connection`: did you mean `max_connections`?",
    );
    check_refused(
        "demon:\n  x: 1\n",
        "p.yaml:1: unknown key `demon`: did you mean `daemon`?",
    );
    check_refused(
        "\nlevel: info\n",
        "p.yaml:2: unknown key `level`: did you mean `daemon.logging.level`?",
    );
    check_refused(
        "daemon: {colour_scheme: 1}\n",
        "p.yaml:1: unknown key `daemon.colour_scheme`",
    );
    check_refused(
        "daemon:\n  access:\n    default_rol: read\n",
        "p.yaml:3: unknown key `daemon.access.default_rol`: did you mean `default_role`?",
    );
}

fn check_rule(rule: &str, reason: &str) {
    let text =
        format!("daemon:\n  access:\n    rules:\n      - {{groups: [a], role: write}}\n      - {rule}\n");
    let expected = format!(
        "p.yaml:3: `daemon.access.rules` is wrong in rule 2 ({reason}), but must be a list of rules {{users, groups, \
         role, prompts, labels}}"
    );
    check_refused(&text, &expected);
}

#[test]
fn a_rule_of_access_that_means_nothing_is_refused_with_its_number_and_the_reason() {
    check_rule(
        "{groups: [a], rol: write}",
        "unknown field `rol`, expected one of `users`, `groups`, `role`, `prompts`, `labels`",
    );
    check_rule("{role: write}", "it names neither users nor groups");
    check_rule(
        "{users: [a], role: write, prompts: []}",
        "its list of prompts or labels is empty: leave the key away to cover all",
    );
    check_rule(
        "{users: [a], role: admin, labels: [production]}",
        "a rule with labels lets them be moved and nothing else: its role must be write",
    );
    check_rule(
        "{users: [a], role: read, prompts: [\"a b\"]}",
        "\"a b\" cannot begin the id of a prompt",
    );
}

#[test]
fn rules_of_access_come_from_the_file_and_from_the_environment() {
    let text =
        "daemon: {access: {default_role: none, socket_group: 50, rules: [{users: [ann, 7], role: admin}]}}";
    let from_file = assemble(Some((Path::new("p.yaml"), text)), &Sources::default()).unwrap();
    let sources = Sources {
        env: [
            ("PROMPTD__DAEMON__ACCESS__DEFAULT_ROLE", "none"),
            ("PROMPTD__DAEMON__ACCESS__SOCKET_GROUP", "50"),
            (
                "PROMPTD__DAEMON__ACCESS__RULES",
                r#"[{"users": ["ann", 7], "role": "admin"}]"#,
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Sources::default()
    };
    let from_environment = assemble(None, &sources).unwrap();
    assert_eq!(from_file.daemon.access, from_environment.daemon.access);
    let access = from_file.daemon.access;
    assert_eq!(access.socket_group.as_deref(), Some("50"));
    assert_eq!(access.rules[0].users, ["ann", "7"]);
}

#[test]
fn a_wrong_type_is_refused_with_its_line() {
    check_refused(
        "daemon:\n  limits:\n    max_connections: many\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, not the text \"many\"",
    );
    check_refused(
        "daemon:\n  limits:\n    max_connections: 1.5\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, not the number 1.5",
    );
    check_refused(
        "daemon:\n  logging:\n    level: [info]\n",
        "p.yaml:3: `daemon.logging.level` must be one of error, warn, info, debug, trace, not a list",
    );
    check_refused(
        "optimizer:\n  storage:\n    config:\n      use_cache: yes\n",
        "p.yaml:4: `optimizer.storage.config.use_cache` must be true or false, not the text \"yes\"",
    );
    check_refused(
        "daemon:\n  limits: 5\n",
        "p.yaml:2: `daemon.limits` must be a section with keys, not the number 5",
    );
    check_refused(
        "- daemon\n",
        "p.yaml:1: `(the whole file)` must be a section with keys, not a list",
    );
    check_refused(
        "daemon:\n  socket_mode: 660\n",
        "p.yaml:2: `daemon.socket_mode` must be octal digits in quotes, \"0600\" to \"0777\", owner included, \
         not the number 660",
    );
    check_refused(
        "daemon:\n  limits:\n    max_connections:\n",
        "p.yaml:3: `daemon.limits.max_connections` must be a whole number, 1 to 65536, \
         not empty (remove the key for its default)",
    );
}

#[test]
fn a_value_out_of_bounds_is_refused_with_key_value_and_bound() {
    check_refused(
        "daemon: {limits: {max_connections: 0}}",
        "p.yaml:1: `daemon.limits.max_connections` is 0, but must be a whole number, 1 to 65536",
    );
    check_refused(
        "daemon: {limits: {max_body_bytes: 1GiB}}",
        "p.yaml:1: `daemon.limits.max_body_bytes` is 1GiB, but must be a size, 1KiB to 256MiB",
    );
    check_refused(
        "daemon: {logging: {format: xml}}",
        "p.yaml:1: `daemon.logging.format` is xml, but must be one of auto, text, json, journal",
    );
    check_refused(
        "daemon: {socket: ~/x.sock}",
        "p.yaml:1: `daemon.socket` is ~/x.sock, but must be a path, not beginning with ~, or null",
    );
}

#[test]
fn both_bounds_of_every_number_hold_in_the_file_and_in_the_environment() {
    for key in keys::table() {
        let (keys::KeyKind::Count { min, max } | keys::KeyKind::Size { min, max }) = key.kind else {
            continue;
        };
        let mut refused = vec![u128::from(max) + 1];
        if min > 0 {
            refused.push(u128::from(min) - 1);
        }
        for value in refused {
            let error = load_text(&file_with(key.path, &value.to_string())).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfBounds { .. }), "{error}");
            let variable = keys::environment_name(key.path);
            let error = assemble(None, &env(&[(&variable, &value.to_string())])).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfBounds { .. }), "{error}");
        }
        for value in [min, max] {
            match load_text(&file_with(key.path, &value.to_string())) {
                Ok(_) | Err(ConfigError::Contradiction { .. }) => {}
                Err(error) => panic!("{}: {error}", key.path),
            }
        }
    }
}

#[test]
fn every_word_of_every_choice_is_accepted() {
    for key in keys::table() {
        let keys::KeyKind::Choice(words) = key.kind else {
            continue;
        };
        for word in words {
            let config = load_text(&file_with(key.path, word)).unwrap();
            let tree = keys::values_of(&config);
            assert_eq!(
                keys::value_at(&tree, key.path),
                &Value::from(*word),
                "{}",
                key.path
            );
        }
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_where_one_was_set() {
    check_refused(
        "daemon:\n  limits:\n    default_page_items: 2000\n",
        "p.yaml:3: `daemon.limits.default_page_items` is 2000, but must not be above \
         `daemon.limits.max_page_items`, which is 1000",
    );
    check_refused(
        "optimizer:\n  storage:\n    config:\n      max_file_bytes: 8MiB\n",
        "p.yaml:4: `optimizer.storage.config.max_file_bytes` is 8388608, but must not be above \
         `optimizer.storage.config.max_batch_bytes`, which is 4194304",
    );
    check_refused(
        "optimizer: {storage: {config: {restart: {max_backoff_ms: 5}}}}",
        "p.yaml:1: `optimizer.storage.config.restart.min_backoff_ms` is 10, but must not be above \
         `optimizer.storage.config.restart.max_backoff_ms`, which is 5",
    );
}

#[test]
fn broken_and_repeated_keys_are_refused_with_their_line() {
    let error = load_text("daemon:\n  limits: {}\n  limits: {}\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("p.yaml:3: ") && error.contains("limits"),
        "{error}"
    );
    let error = load_text("daemon:\n\t- x\n").unwrap_err().to_string();
    assert!(error.starts_with("p.yaml:2: "), "{error}");
}

#[test]
fn old_names_send_to_the_migration() {
    check_refused(
        "optimizer:\n  storage: \"memory\"\n",
        "p.yaml:2: `optimizer.storage` is an old name, now `optimizer.storage.backend`: \
         run promptctl config migrate p.yaml",
    );
    check_refused(
        "optimizer:\n  optimization:\n    score_threshold: 70\n",
        "p.yaml:3: `optimizer.optimization.score_threshold` is an old name, now \
         `optimizer.optimization.min_baseline_score`: run promptctl config migrate p.yaml",
    );
}

#[test]
fn keys_of_the_earlier_system_that_set_nothing_are_refused_with_the_reason() {
    let words = "is no setting of promptd: the weights of the scores are fixed, versions are always kept, and no strategy \
                 falls back to another; remove it";
    check_refused(
        "optimizer:\n  optimization: {strategy_fallback: true}\n",
        &format!("p.yaml:2: `optimizer.optimization.strategy_fallback` {words}"),
    );
    check_refused(
        "optimizer:\n  scoring_weights:\n    clarity: 0.6\n",
        &format!("p.yaml:2: `optimizer.scoring_weights` {words}"),
    );
    check_variable_refused(
        "PROMPTD__OPTIMIZER__ENABLE_VERSION_TRACKING",
        "1",
        &format!("PROMPTD__OPTIMIZER__ENABLE_VERSION_TRACKING: `optimizer.enable_version_tracking` {words}"),
    );
}

#[test]
fn the_optimisation_is_read_with_whole_numbers_fractions_and_lists() {
    let found = load_text(
        "optimizer:\n  optimization:\n    min_baseline_score: 72\n    min_improvement: 2.5\n    max_iterations: 7\n    \
         strategies: [clarity_focus, auto]\n    scoring_profile: reference\n",
    )
    .unwrap()
    .optimizer
    .optimization;
    assert_eq!(
        (
            found.min_baseline_score,
            found.min_improvement,
            found.max_iterations
        ),
        (72.0, 2.5, 7)
    );
    assert_eq!(
        found.strategies,
        [OptimizationStrategy::ClarityFocus, OptimizationStrategy::Auto]
    );
    assert_eq!(found.scoring_profile, ScoringProfile::Reference);
    let one = load_text("optimizer: {optimization: {strategies: conservative}}")
        .unwrap()
        .optimizer
        .optimization;
    assert_eq!(one.strategies, [OptimizationStrategy::Conservative]);
}

#[test]
fn settings_of_the_optimisation_out_of_bounds_are_refused_with_them() {
    let at = "p.yaml:2: `optimizer.optimization";
    for (setting, message) in [
        (
            "min_confidence: 1.5",
            ".min_confidence` is 1.5, but must be a number, 0 to 1",
        ),
        (
            "max_iterations: 11",
            ".max_iterations` is 11, but must be a whole number, 1 to 10",
        ),
        (
            "strategies: [auto, auto]",
            ".strategies` is [auto, auto], but must be a list of some of ",
        ),
        (
            "strategies: [clarity]",
            ".strategies` is [clarity], but must be a list of some of ",
        ),
        (
            "strategies: []",
            ".strategies` is [], but must be a list of some of ",
        ),
        (
            "min_improvement: [5]",
            ".min_improvement` must be a number, 0 to 100, ",
        ),
    ] {
        let error = load_text(&format!("optimizer:\n  optimization: {{{setting}}}\n"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("{at}{message}")), "{error}");
    }
}

/// What the rules of migration make of the names in older documents is what the daemon reads.
#[test]
fn a_migrated_configuration_of_every_older_form_loads_with_its_values() {
    for old in [
        "optimizer:\n  score_threshold: 70\n  improvement_threshold: 3\n  confidence_threshold: 0.5\n  \
         max_optimization_iterations: 7\n  default_strategy: clarity_focus\n",
        "optimizer:\n  optimization:\n    score_threshold: 70\n    improvement_threshold: 3.0\n    \
         confidence_threshold: 0.5\n    max_optimization_iterations: 7\n    default_strategy: clarity_focus\n",
        "optimizer:\n  min_improvement: 3.0\n  improvement_threshold: 9.0\n  max_iterations: 7\n  strategies: \
         [clarity_focus]\n  optimization:\n    min_confidence: 0.5\n    min_baseline_score: 70\n",
    ] {
        let migrated = crate::config::migrate(old).unwrap().text;
        assert_eq!(
            crate::config::migrate(&migrated).unwrap().text,
            migrated,
            "{migrated}"
        );
        let found = load_text(&migrated).unwrap().optimizer.optimization;
        let numbers = (
            found.min_baseline_score,
            found.min_improvement,
            found.min_confidence,
        );
        assert_eq!(
            (numbers, found.max_iterations),
            ((70.0, 3.0, 0.5), 7),
            "{migrated}"
        );
        assert_eq!(found.strategies, [OptimizationStrategy::ClarityFocus]);
    }
}

#[test]
fn the_environment_overrides_the_file_and_the_command_line_overrides_both() {
    let sources = Sources {
        store: Some("/from/argument".into()),
        ..env(&[
            (
                "PROMPTD__OPTIMIZER__STORAGE__CONFIG__STORAGE_DIR",
                "/from/variable",
            ),
            ("promptd__Daemon__Socket", "/from/variable.sock"),
            ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__SHARD_DEPTH", "0"),
            ("PROMPTD__OPTIMIZER__STORAGE__CONFIG__WATCH__MODE", "off"),
            ("PROMPTD__DAEMON__LIMITS__MAX_BODY_BYTES", "2 MiB"),
            ("PROMPTD__DAEMON__SOCKET_MODE", "0666"),
            ("PROMPTD_SOCKET", "not ours"),
            ("PATH", "/bin"),
            ("ÄÖÜ", "short and not ASCII"),
        ])
    };
    let text = "optimizer: {storage: {config: {storage_dir: /from/file, shard_depth: 3}}}\ndaemon: {socket: /from/file}\n";
    let config = assemble(Some((Path::new("p.yaml"), text)), &sources).unwrap();
    let storage = &config.optimizer.storage.config;
    assert_eq!(storage.storage_dir.as_deref(), Some(Path::new("/from/argument")));
    assert_eq!(storage.shard_depth, crate::model::ShardDepth::FLAT);
    assert_eq!(storage.watch.mode, WatchMode::Off);
    assert_eq!(
        config.daemon.socket.as_deref(),
        Some(Path::new("/from/variable.sock"))
    );
    assert_eq!(config.daemon.limits.max_body_bytes, ByteSize::mib(2));
    assert_eq!(config.daemon.socket_mode.bits(), 0o666);
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_key() {
    check_variable_refused(
        "PROMPTD__DAEMON__LOGING__LEVEL",
        "debug",
        "environment variable PROMPTD__DAEMON__LOGING__LEVEL names no configuration key: did you mean \
         `PROMPTD__DAEMON__LOGGING__LEVEL`?",
    );
    check_variable_refused(
        "PROMPTD__SHARD_DEPTH",
        "1",
        "environment variable PROMPTD__SHARD_DEPTH names no configuration key: did you mean \
         `PROMPTD__OPTIMIZER__STORAGE__CONFIG__SHARD_DEPTH`?",
    );
    check_variable_refused(
        "PROMPTD__",
        "1",
        "environment variable PROMPTD__ names no configuration key",
    );
}

#[test]
fn a_wrong_value_of_a_variable_is_refused_with_its_name() {
    check_variable_refused(
        "PROMPTD__DAEMON__LOGGING__LEVEL",
        "loud",
        "PROMPTD__DAEMON__LOGGING__LEVEL: `daemon.logging.level` is loud, but must be one of error, warn, info, \
         debug, trace",
    );
    let twice = env(&[
        ("PROMPTD__DAEMON__SOCKET", "/a"),
        ("promptd__daemon__socket", "/b"),
    ]);
    assert_eq!(
        assemble(None, &twice).unwrap_err().to_string(),
        "environment variables PROMPTD__DAEMON__SOCKET and promptd__daemon__socket set the same key: remove one"
    );
}

#[test]
fn a_store_on_the_command_line_is_not_silently_kept_in_memory() {
    let sources = Sources {
        store: Some("/s".into()),
        ..env(&[("PROMPTD__OPTIMIZER__STORAGE__BACKEND", "memory")])
    };
    let error = assemble(None, &sources).unwrap_err().to_string();
    assert!(
        error.starts_with("PROMPTD__OPTIMIZER__STORAGE__BACKEND: --store names"),
        "{error}"
    );
}

#[test]
fn a_socket_path_that_the_kernel_refuses_is_refused_here() {
    let sources = Sources {
        socket: Some(format!("/{}", "s".repeat(107)).into()),
        ..Sources::default()
    };
    assert!(matches!(
        load(&sources),
        Err(ConfigError::SocketPathTooLong { length: 108, .. })
    ));
}

#[test]
fn files_that_are_missing_unreadable_or_no_text_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &Path, words: &str| {
        let error = load(&Sources {
            file: Some(path.to_owned()),
            ..Sources::default()
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains(words) && error.contains(&path.display().to_string()),
            "{error}"
        );
    };
    check(&dir.path().join("none.yaml"), "cannot read");
    check(dir.path(), "cannot read");
    let latin = dir.path().join("latin.yaml");
    std::fs::write(&latin, b"daemon:\n  socket: /caf\xe9\n").unwrap();
    check(&latin, "latin.yaml:2: the file is not UTF-8");
    let large = dir.path().join("large.yaml");
    std::fs::write(&large, "#".repeat(MAX_CONFIG_BYTES + 1)).unwrap();
    check(&large, "larger than");
    let good = dir.path().join("good.yaml");
    std::fs::write(&good, "daemon: {logging: {level: warn}}\n").unwrap();
    let config = load(&Sources {
        file: Some(good),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(config.daemon.logging.level.as_str(), "warn");
}

#[test]
fn the_configuration_itself_refuses_unknown_fields_everywhere() {
    for section in keys::sections() {
        let mut tree = keys::values_of(&Config::default());
        keys::set_value(&mut tree, &format!("{}.stranger", section.path), Value::Null);
        assert!(
            serde_json::from_value::<Config>(tree).is_err(),
            "{}",
            section.path
        );
    }
}

#[test]
fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
    let check = |error: ConfigError, place: &str| {
        let text = error.to_string();
        assert!(
            text.starts_with(place) && text.contains("`optimizer.llm.credential`"),
            "{text}"
        );
        assert!(!text.contains("sesame"), "{text}");
    };
    for name in ["api_key", "api_key_env", "key", "token", "password", "secret"] {
        let text = format!("optimizer:\n  llm:\n    {name}: sesame\n");
        check(load_text(&text).unwrap_err(), "p.yaml:3: ");
    }
    let variable = env(&[("PROMPTD__OPTIMIZER__LLM__API_KEY", "sesame")]);
    check(
        assemble(None, &variable).unwrap_err(),
        "PROMPTD__OPTIMIZER__LLM__API_KEY: ",
    );
}

#[test]
fn a_language_model_that_cannot_be_used_is_refused_where_it_is_set() {
    let check = |keys: &str, expected: &str| {
        let text = format!("optimizer:\n  llm:\n{keys}");
        assert_eq!(
            load_text(&text)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default(),
            expected,
            "{keys}"
        );
    };
    let endpoint = "    endpoint: \"https://models.example/v1\"\n";
    check(&format!("{endpoint}    model: m\n"), "");
    check(
        endpoint,
        "p.yaml:3: `optimizer.llm.model` is missing: set it to the name by which the endpoint knows the model",
    );
    check(
        "    credential: k\n    credential_file: /k\n",
        "p.yaml:3: `optimizer.llm.credential` and `optimizer.llm.credential_file` are both set: keep one of them",
    );
    check(
        "    budget: {max_cost_per_job: 1}\n",
        "p.yaml:3: `optimizer.llm.budget.max_cost_per_job` needs the prices: set \
         `optimizer.llm.budget.price_per_million_prompt_tokens` and \
         `optimizer.llm.budget.price_per_million_answer_tokens`, to 0 for a model that costs nothing",
    );
}
