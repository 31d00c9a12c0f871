//! Names of keys: unknown, old, repeated.

use super::*;
use crate::model::OptimizationStrategy;

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
