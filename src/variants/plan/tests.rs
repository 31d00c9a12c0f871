//! Plans as they are written.

use super::*;

/// The shape of the earlier system, with every key that it has.
const OLD: &str = r#"
meta: {plan_id: p1, environment: staging}
workflows:
  - catalog_id: bot
    enabled: true
    dataset_refs: [smoke]
    weight: 2.0
    prompt_optimization:
      - variant_id: brief
        description: Shorter
        weight: 0.5
        fallback_variant: other
        nodes:
          - selector: {by_id: "1", by_type: llm, by_label: answer, constraints: {if_missing: error, workflow_type: chatflow}}
            strategy: {mode: prepend, content: Be brief.}
      - variant_id: other
        nodes:
          - selector: {by_path: /graph/nodes/3}
            strategy:
              mode: template
              template: {file: t.j2, variables: {tone: warm}}
              fallback_value: Answer.
test_data:
  datasets:
    - name: smoke
      scenario: boundary
      description: d
      weight: 1.0
      parameters:
        q: {type: string, values: [a, b], default: a}
        n: {type: int, range: {min: 1, max: 3, step: 1}}
      pairwise_dimensions: [q, n]
      conversation_flows:
        - {title: t, steps: [{role: user, message: hi, wait_for_response: false}], expected_outcome: bye}
  strategy: {pairwise_mode: PICT, max_cases_per_variant: 10}
execution:
  concurrency: 3
  batch_size: 5
  rate_control: {per_minute: 60, burst: 5}
  backoff_seconds: 2.0
  retry_policy: {max_attempts: 3, backoff_seconds: 2.0, backoff_multiplier: 1.5}
  stop_conditions: {max_failures: 5, timeout_minutes: 30, min_success_rate: 0.8}
validation: {any: thing}
outputs: {formats: [xlsx]}
"#;

/// The smallest plan with one patch.
fn plan(selector: &str, strategy: &str) -> String {
    format!(
        "workflows:\n- catalog_id: w\n  prompt_optimization:\n  - variant_id: v\n    nodes:\n    - selector: {selector}\n      \
         strategy: {strategy}\n"
    )
}

fn check_error(text: &str, line: usize, words: &str) {
    let error = parse_plan(text, None).unwrap_err();
    let (found, message) = match &error {
        PlanError::Syntax { line, message } | PlanError::Invalid { line, message } => (*line, message),
        PlanError::TooLarge => panic!("{error}"),
    };
    assert_eq!(found, line, "{message}");
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_plan_of_the_earlier_system_loads_and_idle_keys_are_named() {
    let plan = parse_plan(OLD, None).unwrap();
    let entry = &plan.workflows[0].value;
    assert_eq!(entry.variants().len(), 2);
    let patch = &entry.variants()[0].value.nodes[0];
    assert_eq!((patch.line, patch.value.strategy.mode), (14, PatchMode::Prepend));
    assert_eq!(patch.value.selector.constraints.if_missing, IfMissing::Error);
    assert_eq!(plan.test_data.strategy.max_cases, Some(10));
    assert_eq!(plan.execution.rate_control.unwrap().per_minute, 60);
    assert_eq!(
        plan.idle_keys(),
        [
            "weight",
            "validation",
            "outputs",
            "test_data.strategy.pairwise_mode"
        ]
    );
}

#[test]
fn a_small_plan_has_defaults() {
    let plan = parse_plan(&plan("{by_id: a}", "{mode: append, content: x}"), None).unwrap();
    assert_eq!(plan.execution, ExecutionPolicy::default());
    assert_eq!(plan.execution.retry_policy.max_attempts, 3);
    assert!(plan.idle_keys().is_empty() && plan.test_data.datasets.is_empty());
    let constraints = plan.workflows[0].value.variants()[0].value.nodes[0]
        .value
        .selector
        .constraints;
    assert_eq!(
        (constraints.if_missing, constraints.references),
        (IfMissing::Skip, References::Keep)
    );
}

#[test]
fn unknown_keys_are_refused_with_their_line() {
    check_error("workflows: []\nmore: 1\n", 2, "more");
    check_error(
        &plan("{by_id: a, by_nmae: b}", "{mode: append, content: x}"),
        6,
        "by_nmae",
    );
    check_error(
        &plan("{by_id: a}", "{mode: append, content: x, templat: y}"),
        7,
        "templat",
    );
    check_error(
        &plan("{by_id: a, constraints: {if_mising: error}}", "{mode: append}"),
        6,
        "if_mising",
    );
    check_error(
        "workflows:\n- catalog_id: w\nexecution:\n  concurency: 2\n",
        4,
        "concurency",
    );
    check_error("workflows:\n- catalog_id: w\n- catalog_id: [\n", 3, "");
}

#[test]
fn a_patch_that_makes_no_sense_is_refused_with_its_line() {
    let fine = "{mode: append, content: x}";
    for (selector, strategy, words) in [
        ("{}", fine, "would change every prompt"),
        (
            "{constraints: {if_missing: error}}",
            fine,
            "would change every prompt",
        ),
        ("{by_label: ''}", fine, "empty text"),
        ("{by_id: a}", "{mode: replace}", "there is no text"),
        (
            "{by_id: a}",
            "{mode: replace, content: ' '}",
            "nothing would change",
        ),
        (
            "{by_id: a}",
            "{mode: append, content: x, ref: p@1.0.0}",
            "give one",
        ),
        (
            "{by_id: a}",
            "{mode: append, content: x, template: {inline: y}}",
            "for mode `template`",
        ),
        ("{by_id: a}", "{mode: template, content: x}", "not `content`"),
        ("{by_id: a}", "{mode: template}", "either `file` or `inline`"),
        (
            "{by_id: a}",
            "{mode: template, template: {file: f, inline: y}}",
            "either `file` or `inline`",
        ),
    ] {
        check_error(&plan(selector, strategy), 6, words);
    }
    check_error(&plan("{by_id: a}", "{mode: swap, content: x}"), 7, "swap");
    check_error(
        &plan("{by_id: a}", "{mode: replace, ref: ../x@1.0.0}"),
        7,
        "prompt id",
    );
    check_error(&plan("{by_prompt: a/b}", fine), 6, "prompt id");
}

#[test]
fn variants_datasets_and_limits_are_checked() {
    let variants =
        |variants: &str| format!("workflows:\n- catalog_id: w\n  prompt_optimization:\n{variants}");
    let one = |id: &str, more: &str| {
        format!(
            "  - variant_id: {id}\n    nodes: [{{selector: {{by_id: a}}, strategy: {{mode: append, content: x}}}}]\n{more}"
        )
    };
    check_error(&variants(&one("default", "")), 4, "the workflow as it is");
    check_error(&variants(&(one("a", "") + &one("a", ""))), 4, "twice");
    check_error(
        &variants(&one("a", "    fallback_variant: b\n")),
        4,
        "which is not there",
    );
    check_error(&variants(&one("a", "    fallback_variant: a\n")), 4, "itself");
    check_error(
        &variants("  - {variant_id: a, nodes: []}\n"),
        4,
        "changes nothing",
    );
    check_error("workflows: []\n", 1, "empty");
    let data =
        |datasets: &str| format!("workflows: [{{catalog_id: w}}]\ntest_data:\n  datasets:\n{datasets}");
    check_error(&data("  - {name: a}\n  - {name: a}\n"), 5, "twice");
    check_error(
        &data("  - {name: a, pairwise_dimensions: [x]}\n"),
        4,
        "no parameter",
    );
    check_error(
        &data("  - {name: a, parameters: {x: {type: int, values: [y]}}}\n"),
        4,
        "not a whole number",
    );
    check_error(
        &data("  - {name: a, parameters: {x: {type: number}}}\n"),
        4,
        "number",
    );
    for (policy, words) in [
        ("{concurrency: 0}", "concurrency"),
        ("{rate_control: {per_minute: 0}}", "per_minute"),
        ("{retry_policy: {max_attempts: 0}}", "max_attempts"),
        ("{retry_policy: {backoff_multiplier: 0.5}}", "backoff_multiplier"),
        ("{backoff_seconds: .nan}", "backoff_seconds"),
        ("{stop_conditions: {timeout: 0}}", "timeout"),
        ("{stop_conditions: {timeout: 1, timeout_minutes: 1}}", "give one"),
        ("{stop_conditions: {min_success_rate: 80}}", "min_success_rate"),
        ("{stop_conditions: {max_failures: 0}}", "max_failures"),
    ] {
        check_error(
            &format!("workflows: [{{catalog_id: w}}]\nexecution: {policy}\n"),
            1,
            words,
        );
    }
}

#[test]
fn a_document_beyond_all_limits_is_refused() {
    assert_eq!(
        parse_plan(&"#".repeat(MAX_PLAN_BYTES + 1), None),
        Err(PlanError::TooLarge)
    );
    let deep = format!("meta: {}1", "{a: ".repeat(5_000));
    assert!(matches!(parse_plan(&deep, None), Err(PlanError::Syntax { .. })));
    assert!(parse_catalog("{workflows: [{id: a, dsl_path: x}, {id: a, dsl_path: y}]}").is_err());
}

#[test]
fn variables_of_the_environment_are_put_in_only_when_asked_and_only_once() {
    let text = plan(
        "{by_id: '${ID}'}",
        "{mode: append, content: 'a ${TONE} ${UNSET} $ID'}",
    );
    let variables = |name: &str| match name {
        "ID" => Some("node".to_owned()),
        "TONE" => Some("${ID}: {x".to_owned()),
        _ => None,
    };
    let shown = |plan: &TestPlan| {
        let patch = plan.workflows[0].value.variants()[0].value.nodes[0].value.clone();
        [patch.selector.by_id.unwrap(), patch.strategy.content.unwrap()]
    };
    let plain = parse_plan(&text, None).unwrap();
    assert_eq!(shown(&plain), ["${ID}", "a ${TONE} ${UNSET} $ID"]);
    let expanded = parse_plan(&text, Some(&variables)).unwrap();
    assert_eq!(shown(&expanded), ["node", "a ${ID}: {x ${UNSET} $ID"]);
}
