use serde_json::{Value, json};

use super::*;
use crate::optimizer::golden::{items, number, read, text};

const FINE: TestFigures = TestFigures {
    total_tests: 100,
    success_rate: 0.95,
    avg_response_time_ms: 1000.0,
    cost_per_request: 0.01,
    timeout_errors: 0,
};

fn scores(overall: f64, clarity: f64, efficiency: f64) -> Scores {
    Scores {
        overall,
        clarity,
        efficiency,
        critical_issues: 0,
    }
}

fn check_should(overall: f64, tests: Option<TestFigures>, threshold: Option<f64>, expected: bool) {
    let found =
        ScoringRules::default().should_optimize(&scores(overall, 90.0, 90.0), tests.as_ref(), threshold);
    assert_eq!(found, expected, "{overall} {tests:?} {threshold:?}");
}

fn check_strategy(clarity: f64, efficiency: f64, tests: Option<TestFigures>, expected: OptimizationStrategy) {
    let found = ScoringRules::default().select_strategy(&scores(90.0, clarity, efficiency), tests.as_ref());
    assert_eq!(found, expected, "{clarity} {efficiency} {tests:?}");
}

fn check_legacy(metrics: &Value, expected: Option<(f64, f64)>) {
    let parsed: LegacyMetrics = serde_json::from_value(metrics.clone()).unwrap();
    let found = TestFigures::from_legacy(&parsed).map(|f| (f.success_rate, f.avg_response_time_ms));
    assert_eq!(found, expected, "{metrics}");
}

#[test]
fn a_score_must_lie_below_the_threshold_and_a_test_figure_beyond_its_limit() {
    check_should(80.0, None, None, false);
    check_should(79.999, None, None, true);
    check_should(60.0, None, Some(50.0), false);
    check_should(90.0, None, Some(95.0), true);
    check_should(90.0, Some(FINE), None, false);
    check_should(70.0, Some(FINE), None, true);
    let worse = [
        TestFigures {
            success_rate: 0.79,
            ..FINE
        },
        TestFigures {
            avg_response_time_ms: 5000.1,
            ..FINE
        },
        TestFigures {
            cost_per_request: 0.1001,
            ..FINE
        },
        TestFigures {
            timeout_errors: 6,
            ..FINE
        },
    ];
    for tests in worse {
        check_should(90.0, Some(tests), None, true);
    }
    let limit = TestFigures {
        total_tests: 100,
        success_rate: 0.8,
        avg_response_time_ms: 5000.0,
        cost_per_request: 0.1,
        timeout_errors: 5,
    };
    check_should(90.0, Some(limit), None, false);
    check_should(
        90.0,
        Some(TestFigures {
            total_tests: 0,
            ..FINE
        }),
        None,
        false,
    );
}

#[test]
fn one_critical_issue_is_enough_and_many_warnings_are_not() {
    let mut analysis = crate::optimizer::analyze("p", "maybe", 0);
    assert_eq!(Scores::from(&analysis).critical_issues, 0);
    analysis.issues.first_mut().unwrap().severity = IssueSeverity::Critical;
    analysis.overall_score = 100.0;
    assert!(ScoringRules::default().should_optimize(&Scores::from(&analysis), None, None));
}

#[test]
fn the_strategy_follows_the_tests_then_the_gap_then_the_level() {
    use OptimizationStrategy::{ClarityFocus, EfficiencyFocus, StructureFocus};
    check_strategy(50.0, 60.0, None, StructureFocus);
    check_strategy(50.0, 60.1, None, ClarityFocus);
    check_strategy(60.1, 50.0, None, EfficiencyFocus);
    check_strategy(70.0, 69.9, None, ClarityFocus);
    check_strategy(
        90.0,
        50.0,
        Some(TestFigures {
            timeout_errors: 11,
            ..FINE
        }),
        ClarityFocus,
    );
    check_strategy(
        90.0,
        50.0,
        Some(TestFigures {
            timeout_errors: 10,
            ..FINE
        }),
        EfficiencyFocus,
    );
    check_strategy(10.0, 69.0, Some(FINE), EfficiencyFocus);
    check_strategy(10.0, 70.0, Some(FINE), ClarityFocus);
}

#[test]
fn gains_raise_the_number_by_their_size() {
    for (improvement, bump) in [
        (15.0, Bump::Major),
        (14.999, Bump::Minor),
        (5.0, Bump::Minor),
        (4.999, Bump::Patch),
        (0.0, Bump::Patch),
        (-20.0, Bump::Patch),
        (f64::NAN, Bump::Patch),
        (f64::INFINITY, Bump::Major),
    ] {
        assert_eq!(bump_for(improvement), bump, "{improvement}");
    }
}

#[test]
fn confidence_is_compared_with_both_its_limits() {
    let rules = ScoringRules::default();
    assert!(rules.is_confident(0.6) && !rules.is_confident(0.59) && !rules.is_confident(f64::NAN));
    assert!(
        rules.is_high_quality(0.8, 5.0)
            && !rules.is_high_quality(0.8, 4.9)
            && !rules.is_high_quality(0.79, 50.0)
    );
}

#[test]
fn loose_figures_become_whole_tests() {
    check_legacy(&json!({}), None);
    check_legacy(&json!({"avg_response_time": 99.0}), None);
    check_legacy(&json!({"success_rate": 0.75}), Some((1.0, 0.0)));
    check_legacy(&json!({"success_rate": 0.5, "total_tokens": 7}), Some((0.0, 0.0)));
    check_legacy(
        &json!({"success_rate": 0.75, "total_tests": 100, "avg_response_time": 5.1}),
        Some((0.75, 5100.0)),
    );
    check_legacy(&json!({"success_rate": 1.5}), None);
    check_legacy(&json!({"success_rate": 0.5, "total_tests": 0}), None);
}

#[test]
fn unknown_rules_are_refused_and_missing_ones_take_their_default() {
    let given: ScoringRules = serde_json::from_value(json!({"min_confidence": 0.7})).unwrap();
    assert_eq!(
        given,
        ScoringRules {
            min_confidence: 0.7,
            ..ScoringRules::default()
        }
    );
    assert!(serde_json::from_value::<ScoringRules>(json!({"min_confidense": 0.7})).is_err());
}

#[test]
fn the_decisions_are_those_of_the_python_system() {
    let Some(golden) = read("scoring_rules.json") else {
        return;
    };
    let rules = ScoringRules::default();
    assert_eq!(serde_json::to_value(&rules).unwrap(), golden["defaults"]);
    for case in items(&golden["should_optimize"]) {
        let severities = items(&case["analysis"]["issues"]);
        let figures = Scores {
            critical_issues: severities.iter().filter(|s| text(s) == "critical").count(),
            ..scores(number(&case["analysis"]["overall"]), 90.0, 90.0)
        };
        let tests: Option<TestFigures> = match (case.get("test"), case.get("baseline_metrics")) {
            (Some(test), _) => Some(serde_json::from_value(test.clone()).unwrap()),
            (None, Some(loose)) => TestFigures::from_legacy(&serde_json::from_value(loose.clone()).unwrap()),
            (None, None) => None,
        };
        let threshold = case.get("config_score_threshold").map(number);
        let found = rules.should_optimize(&figures, tests.as_ref(), threshold);
        assert_eq!(json!(found), case["should_optimize"], "{}", case["name"]);
    }
    for case in items(&golden["select_strategy"]) {
        let tests = case["has_test"].as_bool().unwrap().then(|| TestFigures {
            timeout_errors: case["timeouts_of_total"][0].as_u64().unwrap(),
            total_tests: case["timeouts_of_total"][1].as_u64().unwrap(),
            ..FINE
        });
        let figures = scores(90.0, number(&case["clarity"]), number(&case["efficiency"]));
        let found = rules.select_strategy(&figures, tests.as_ref());
        assert_eq!(json!(found), case["strategy"], "{case}");
    }
    for case in items(&golden["high_quality"]) {
        let found = rules.is_high_quality(number(&case["confidence"]), number(&case["improvement"]));
        assert_eq!(json!(found), case["high_quality"], "{case}");
    }
}

#[test]
fn the_bumps_are_those_of_the_python_system() {
    let Some(golden) = read("versions.json") else {
        return;
    };
    let custom = ScoringRules {
        major_version_min_improvement: 30.0,
        minor_version_min_improvement: 10.0,
        ..ScoringRules::default()
    };
    for (table, rules) in [
        ("bump_type_default", ScoringRules::default()),
        ("bump_type_custom_30_10", custom),
    ] {
        for case in items(&golden[table]) {
            let improvement = case["improvement"].as_f64().unwrap_or(f64::NAN);
            assert_eq!(json!(rules.bump_for(improvement)), case["bump"], "{table} {case}");
        }
    }
}
