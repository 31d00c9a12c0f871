use super::*;
use crate::optimizer::acceptance::Refusal;
use OptimizationStrategy::{Auto, ClarityFocus, EfficiencyFocus, Hybrid, LlmGuided, StructureFocus};

const WORDY: &str = "Please note that the goal is clear. Please answer {{q}} in order to help, and make use of {{notes}} \
                     due to the fact that it is very important.";

fn settings(strategies: &[OptimizationStrategy]) -> OptimizationSettings {
    OptimizationSettings {
        strategies: strategies.to_vec(),
        min_baseline_score: 100.0,
        ..OptimizationSettings::default()
    }
}

fn rewriting(text: &str) -> Rewriting {
    Rewriting {
        text: text.to_owned(),
        changes: Vec::new(),
        model_use: None,
    }
}

#[test]
fn a_wordy_prompt_is_accepted_with_its_references_and_its_changes() {
    let outcome = run("p", WORDY, settings(&[EfficiencyFocus]), None);
    let best = outcome.best().unwrap();
    assert_eq!(
        best.text,
        "The goal is clear. Answer {{q}} to help, and use {{notes}} because it is important."
    );
    assert!(best.gain.overall >= 5.0 && best.confidence >= 0.6, "{best:?}");
    let result = outcome.result_of(best, WORDY);
    assert_eq!(result.improvement_score, best.gain.overall);
    assert_eq!(result.metadata["scoring_profile"], "balanced");
    let whole: Vec<char> = WORDY.chars().collect();
    let first = result
        .changes
        .iter()
        .find(|change| change.rule_id == "wordy-phrase")
        .unwrap();
    let (start, end) = first.location.unwrap();
    assert_eq!(
        whole[start as usize..end as usize].iter().collect::<String>(),
        *first.before.as_ref().unwrap()
    );
}

#[test]
fn the_same_input_gives_the_same_candidates() {
    let texts = |outcome: Outcome| -> Vec<(String, Decision)> {
        outcome
            .candidates
            .into_iter()
            .map(|c| (c.text, c.decision))
            .collect()
    };
    let all = settings(&[ClarityFocus, EfficiencyFocus, StructureFocus]);
    let (first, second) = (run("p", WORDY, all.clone(), None), run("p", WORDY, all, None));
    assert_eq!(first.best, second.best);
    assert_eq!(texts(first), texts(second));
}

#[test]
fn a_prompt_that_is_good_enough_is_left_alone_unless_its_tests_went_badly() {
    let good = "Translate {{text}} into French.";
    let defaults = OptimizationSettings::default();
    assert!(!run("p", good, defaults.clone(), None).is_wanted);
    let failing = TestFigures {
        total_tests: 10,
        success_rate: 0.5,
        avg_response_time_ms: 1.0,
        cost_per_request: 0.0,
        timeout_errors: 0,
    };
    let outcome = run("p", good, defaults, Some(&failing));
    assert!(outcome.is_wanted);
    assert_eq!(outcome.candidates[0].decision.reasons(), [Refusal::Unchanged]);
    assert_eq!(outcome.best, None);
}

#[test]
fn a_person_may_ask_for_what_the_score_does_not() {
    let text = "Translate {{text}} into French.  Be brief.";
    let cycle = Cycle::unconditional("p", text, OptimizationSettings::default(), None);
    let outcome = drive(cycle);
    assert!(!outcome.is_wanted);
    assert_eq!(
        outcome.candidates[0].text,
        "Translate {{text}} into French. Be brief."
    );
    assert!(matches!(
        outcome.candidates[0].decision.reasons(),
        [Refusal::TooSmallGain { .. }]
    ));
}

#[test]
fn timeouts_ask_auto_for_clarity_and_the_candidate_says_both_names() {
    let slow = TestFigures {
        total_tests: 10,
        success_rate: 1.0,
        avg_response_time_ms: 1.0,
        cost_per_request: 0.0,
        timeout_errors: 2,
    };
    let outcome = run("p", WORDY, OptimizationSettings::default(), Some(&slow));
    assert_eq!(
        (outcome.candidates[0].requested, outcome.candidates[0].strategy),
        (Auto, ClarityFocus)
    );
}

#[test]
fn a_strategy_that_auto_stands_for_is_not_tried_twice() {
    let outcome = run(
        "p",
        WORDY,
        settings(&[Auto, ClarityFocus, EfficiencyFocus, StructureFocus]),
        None,
    );
    let mut used: Vec<_> = outcome
        .candidates
        .iter()
        .filter(|c| c.round == 1)
        .map(|c| c.strategy)
        .collect();
    assert_eq!(used.len(), 3);
    used.dedup();
    assert_eq!(used.len(), 3);
}

#[test]
fn later_rounds_are_measured_against_the_original() {
    let mut cycle = Cycle::new("p", WORDY, settings(&[LlmGuided]), None);
    let first = "Please answer {{q}} in order to help, and make use of {{notes}} as it is very important.";
    let before = cycle.analysis.overall_score;
    let gain = cycle.offer(rewriting(first)).unwrap().gain.overall;
    let step = cycle.next_step().unwrap();
    assert_eq!((step.text.as_str(), step.round), (first, 2));
    let second = cycle
        .offer(rewriting(
            "Answer {{q}} to help, and use {{notes}}, as it is important.",
        ))
        .unwrap();
    assert!(second.gain.overall > gain);
    assert_eq!(second.gain.overall, second.analysis.overall_score - before);
    assert_eq!(cycle.next_step().unwrap().round, 3);
    assert!(
        cycle
            .offer(rewriting(
                "Answer {{q}} to help, and use {{notes}}, as it is important."
            ))
            .is_none()
    );
    assert_eq!(cycle.next_step(), None);
    assert_eq!(cycle.finish().best, Some(1));
}

#[test]
fn rounds_end_at_their_limit_and_where_the_score_does_not_rise() {
    let mut limited = settings(&[LlmGuided, Hybrid]);
    limited.max_iterations = 1;
    let mut cycle = Cycle::new("p", WORDY, limited, None);
    cycle.offer(rewriting("Answer {{q}} with {{notes}}."));
    let step = cycle.next_step().unwrap();
    assert_eq!(
        (step.strategy, step.round, step.text.as_str()),
        (Hybrid, 1, WORDY)
    );
    let worse = format!("{WORDY} Maybe do stuff, etc.");
    cycle.offer(rewriting(&worse));
    assert_eq!(cycle.next_step(), None);
    assert_eq!(cycle.offer(rewriting("late")), None);
}

#[test]
fn a_candidate_that_loses_a_reference_is_kept_with_the_reason_and_never_best() {
    let mut cycle = Cycle::new("p", WORDY, settings(&[LlmGuided, Hybrid]), None);
    let lost = cycle
        .offer(rewriting(
            "Answer {{q}} and use the notes of the company as far as they go.",
        ))
        .unwrap();
    assert!(
        matches!(lost.decision.reasons(), [Refusal::References { .. }]),
        "{:?}",
        lost.decision
    );
    cycle.skip();
    cycle.skip();
    assert_eq!(cycle.next_step(), None);
    let outcome = cycle.finish();
    assert_eq!((outcome.candidates.len(), outcome.best), (1, None));
}

#[test]
fn a_blank_and_an_overlong_prompt_have_no_candidates() {
    let long = "maybe ".repeat(2_000);
    for text in ["", " \n", long.as_str()] {
        let outcome = run("p", text, settings(&[Auto]), None);
        assert!(!outcome.is_wanted && outcome.candidates.is_empty());
    }
}

#[test]
fn an_outcome_goes_through_json_unchanged() {
    let outcome = run("p", WORDY, settings(&[ClarityFocus]), None);
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

#[test]
fn what_a_language_model_took_is_in_the_record_of_its_candidate() {
    let mut cycle = Cycle::new("p", WORDY, settings(&[EfficiencyFocus, LlmGuided]), None);
    let step = drive_rules(&mut cycle).unwrap();
    assert_eq!(
        (step.requested, step.strategy, step.round),
        (LlmGuided, LlmGuided, 1)
    );
    let model_use = ModelUse {
        model: "m".into(),
        prompt_tokens: 3,
        answer_tokens: 4,
        cost: None,
        is_kept: false,
    };
    cycle.offer(Rewriting {
        model_use: Some(model_use.clone()),
        ..rewriting("Answer {{q}} with {{notes}}.")
    });
    assert_eq!(drive_rules(&mut cycle).map(|step| step.round), Some(2));
    cycle.skip();
    let outcome = cycle.finish();
    let [by_rules, by_model] = &outcome.candidates[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (&by_rules.model_use, &by_model.model_use),
        (&None, &Some(model_use))
    );
    let record = |candidate| {
        outcome
            .result_of(candidate, WORDY)
            .metadata
            .get("language_model")
            .cloned()
    };
    assert_eq!(record(by_rules), None);
    assert_eq!(record(by_model).unwrap()["answer_tokens"], 4);
}
