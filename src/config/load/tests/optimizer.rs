//! Settings of the optimisation and of the language model.

use super::*;
use crate::model::OptimizationStrategy;
use crate::optimizer::ScoringProfile;

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
