//! The strategies: which rules each has, and which one `auto` takes.

use serde_json::{Map, Value};

use super::rewrite::{Change, Rewritten, Rule, rewrite, rules};
use super::rules::{Scores, ScoringRules, TestFigures};
use crate::model::{OptimizationChange, OptimizationStrategy};

/// What every strategy does: what a careful editor changes without asking.
const CAREFUL: [&Rule; 9] = [
    &rules::DOUBLED_WORD,
    &rules::LIST_MARKER_SPACE,
    &rules::HEADING_SPACE,
    &rules::SPACE_BEFORE_PUNCTUATION,
    &rules::DOUBLED_PUNCTUATION,
    &rules::FULL_WIDTH_PUNCTUATION,
    &rules::DOUBLED_SPACE,
    &rules::TRAILING_WHITESPACE,
    &rules::BLANK_LINES,
];

/// Plain tasks and plain words; enumerations as lists.
const CLARITY: [&Rule; 6] = [
    &rules::EMPTY_OPENING,
    &rules::DIRECT_INSTRUCTION,
    &rules::WORDY_PHRASE,
    &rules::VAGUE_WORDING,
    &rules::CHINESE_WORDY,
    &rules::INLINE_ENUMERATION,
];

/// Fewer words.
const EFFICIENCY: [&Rule; 8] = [
    &rules::EMPTY_OPENING,
    &rules::DIRECT_INSTRUCTION,
    &rules::COURTESY,
    &rules::WORDY_PHRASE,
    &rules::INTENSIFIER,
    &rules::CHINESE_WORDY,
    &rules::REPEATED_SENTENCE,
    &rules::REPEATED_LINE,
];

/// Lists and headings as Markdown has them.
const STRUCTURE: [&Rule; 4] = [
    &rules::INLINE_ENUMERATION,
    &rules::BULLET_MARKER,
    &rules::IDEOGRAPHIC_NUMBERING,
    &rules::HEADING_BLANK_LINE,
];

/// The strategies that rewrite by rules alone, in the order in which they are documented.
pub const RULE_STRATEGIES: [OptimizationStrategy; 4] = [
    OptimizationStrategy::Conservative,
    OptimizationStrategy::ClarityFocus,
    OptimizationStrategy::EfficiencyFocus,
    OptimizationStrategy::StructureFocus,
];

/// Returns the rules of a strategy in the order in which they are applied, or `None` for one that has none of its own:
/// `auto`, which [`resolve`] turns into another, and those of language models.
///
/// Every strategy has the rules of `conservative` as well, in the order of [`rules::ALL`].
#[must_use]
pub fn rules_of(strategy: OptimizationStrategy) -> Option<Vec<&'static Rule>> {
    let own: &[&Rule] = match strategy {
        OptimizationStrategy::Conservative => &[],
        OptimizationStrategy::ClarityFocus => &CLARITY,
        OptimizationStrategy::EfficiencyFocus => &EFFICIENCY,
        OptimizationStrategy::StructureFocus => &STRUCTURE,
        OptimizationStrategy::Auto
        | OptimizationStrategy::LlmGuided
        | OptimizationStrategy::LlmClarity
        | OptimizationStrategy::LlmEfficiency
        | OptimizationStrategy::Hybrid => return None,
    };
    let is_in = |rule: &&Rule| CAREFUL.contains(rule) || own.contains(rule);
    Some(rules::ALL.into_iter().filter(is_in).collect())
}

/// Returns the strategy that is meant: `auto` becomes what the scores and the tests ask for, any other stays itself.
#[must_use]
pub fn resolve(
    strategy: OptimizationStrategy,
    scores: &Scores,
    tests: Option<&TestFigures>,
    rules: &ScoringRules,
) -> OptimizationStrategy {
    match strategy {
        OptimizationStrategy::Auto => rules.select_strategy(scores, tests),
        other => other,
    }
}

/// Rewrites a text by a strategy of rules, or returns `None` for one that has none.
///
/// ```
/// use promptd::model::OptimizationStrategy::EfficiencyFocus;
/// use promptd::optimizer::strategy::apply;
/// let done = apply(EfficiencyFocus, "Please answer {{question}} in order to help.").unwrap();
/// assert_eq!(done.text, "Answer {{question}} to help.");
/// ```
#[must_use]
pub fn apply(strategy: OptimizationStrategy, text: &str) -> Option<Rewritten> {
    rules_of(strategy).map(|rules| rewrite(text, &rules))
}

/// Does what a strategy of language models does by rules before the model is asked: `hybrid` applies the rules of
/// `clarity_focus` and of `efficiency_focus`, in the order of [`rules::ALL`]. `None` for one that does nothing.
#[must_use]
pub fn prepare(strategy: OptimizationStrategy, text: &str) -> Option<Rewritten> {
    let is_in = |rule: &&Rule| {
        [&CAREFUL[..], &CLARITY, &EFFICIENCY]
            .iter()
            .any(|rules| rules.contains(rule))
    };
    let rules: Vec<&Rule> = rules::ALL.into_iter().filter(is_in).collect();
    (strategy == OptimizationStrategy::Hybrid).then(|| rewrite(text, &rules))
}

impl From<&Change> for OptimizationChange {
    fn from(change: &Change) -> Self {
        let place = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        Self {
            rule_id: change.rule.id.to_owned(),
            description: change.rule.summary.to_owned(),
            location: Some((place(change.original.0), place(change.original.1))),
            before: Some(change.before.clone()),
            after: Some(change.after.clone()),
        }
    }
}

/// Returns how often each rule made a change, in the order of their first change.
#[must_use]
pub fn tally(changes: &[OptimizationChange]) -> Map<String, Value> {
    let mut counts = Map::new();
    for change in changes {
        let count = counts.get(&change.rule_id).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(change.rule_id.clone(), Value::from(count + 1));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use OptimizationStrategy::{Auto, ClarityFocus, Conservative, EfficiencyFocus, Hybrid, StructureFocus};

    fn check(strategy: OptimizationStrategy, text: &str, expected: &str) {
        assert_eq!(apply(strategy, text).unwrap().text, expected, "{strategy:?}");
    }

    const TEXT: &str = "Please note that  the the goal is this: 1) in order to help, 2) be very clear. \n\n\n\nPlease stop.\n";

    #[test]
    fn each_strategy_does_its_own_work_and_that_of_the_careful_editor() {
        check(
            Conservative,
            TEXT,
            "Please note that the goal is this: 1) in order to help, 2) be very clear.\n\nPlease stop.\n",
        );
        check(
            ClarityFocus,
            TEXT,
            "The goal is this:\n1) to help,\n2) be very clear.\n\nPlease stop.\n",
        );
        check(
            EfficiencyFocus,
            TEXT,
            "The goal is this: 1) to help, 2) be clear.\n\nStop.\n",
        );
        check(
            StructureFocus,
            TEXT,
            "Please note that the goal is this:\n1) in order to help,\n2) be very clear.\n\nPlease stop.\n",
        );
    }

    #[test]
    fn hybrid_prepares_its_text_by_the_rules_of_clarity_and_efficiency() {
        let prepared = prepare(Hybrid, TEXT).unwrap().text;
        assert_eq!(
            prepared,
            "The goal is this:\n1) to help,\n2) be clear.\n\nStop.\n"
        );
        assert!(
            OptimizationStrategy::ALL
                .iter()
                .all(|s| prepare(*s, TEXT).is_some() == (*s == Hybrid))
        );
    }

    #[test]
    fn the_order_within_a_strategy_is_that_of_all_rules() {
        for strategy in RULE_STRATEGIES {
            let rules = rules_of(strategy).unwrap();
            let order: Vec<usize> = rules
                .iter()
                .map(|rule| rules::ALL.iter().position(|other| other == rule).unwrap())
                .collect();
            assert!(order.is_sorted(), "{strategy:?}");
            assert!(rules.len() >= CAREFUL.len());
        }
        let used = |rule: &&Rule| {
            RULE_STRATEGIES
                .iter()
                .any(|s| rules_of(*s).unwrap().contains(rule))
        };
        assert!(rules::ALL.iter().all(used), "a rule that no strategy has is dead");
        assert_eq!((rules_of(Auto), rules_of(Hybrid)), (None, None));
    }

    #[test]
    fn auto_is_what_scores_and_tests_ask_for() {
        let scores = |clarity, efficiency| Scores {
            overall: 50.0,
            clarity,
            efficiency,
            critical_issues: 0,
        };
        let rules = ScoringRules::default();
        let check = |clarity, efficiency, expected| {
            assert_eq!(
                resolve(Auto, &scores(clarity, efficiency), None, &rules),
                expected
            );
        };
        check(40.0, 80.0, ClarityFocus);
        check(80.0, 40.0, EfficiencyFocus);
        check(60.0, 60.0, StructureFocus);
        assert_eq!(
            resolve(Conservative, &scores(1.0, 99.0), None, &rules),
            Conservative
        );
    }

    #[test]
    fn a_change_becomes_the_record_of_one() {
        let done = apply(Conservative, "é the the end").unwrap();
        let record = OptimizationChange::from(&done.changes[0]);
        assert_eq!(
            (record.rule_id.as_str(), record.location),
            ("doubled-word", Some((5, 9)))
        );
        assert_eq!(
            (record.before.as_deref(), record.after.as_deref()),
            (Some(" the"), Some(""))
        );
        assert_eq!(tally(&[record.clone(), record])["doubled-word"], 2);
    }
}
