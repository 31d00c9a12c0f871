//! The keys of `optimizer.optimization`.

use super::kind::KeyKind::{Choice, Choices, Count, Number};
use super::{Key, SectionInfo};

/// A factor of lengths: below 1 nothing could be kept, above 100 nothing is bounded.
const FACTOR: super::KeyKind = Number { min: 1.0, max: 100.0 };

pub(super) const SECTIONS: &[SectionInfo] = &[SectionInfo {
    path: "optimizer.optimization",
    description: "What an optimisation may do and what a candidate must reach, where a request does not say otherwise. \
                  docs/scoring.md explains scores, strategies and acceptance.",
}];

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "optimizer.optimization.min_baseline_score",
        kind: Number { min: 0.0, max: 100.0 },
        about: "A prompt that scores below this, in points, is worth optimising. Raise it to 100 to try every prompt \
                that has any fault.",
    },
    Key {
        path: "optimizer.optimization.min_improvement",
        kind: Number { min: 0.0, max: 100.0 },
        about: "The least gain of overall score over the original, in points, with which a candidate is accepted; exactly \
                this many are enough. A gain of nothing is never accepted.",
    },
    Key {
        path: "optimizer.optimization.min_confidence",
        kind: Number { min: 0.0, max: 1.0 },
        about: "The least confidence with which a candidate is accepted; exactly this much is enough. Any gain without a \
                loss has 0.6.",
    },
    Key {
        path: "optimizer.optimization.max_iterations",
        kind: Count { min: 1, max: 10 },
        about: "The most rounds of one strategy on its own result. Rules come to rest in one; language models may not.",
    },
    Key {
        path: "optimizer.optimization.strategies",
        kind: Choices(&[
            "clarity_focus",
            "efficiency_focus",
            "structure_focus",
            "conservative",
            "auto",
            "llm_guided",
            "llm_clarity",
            "llm_efficiency",
            "hybrid",
        ]),
        about: "What is tried, in this order. The value auto stands for the one that scores and test results ask for.",
    },
    Key {
        path: "optimizer.optimization.scoring_profile",
        kind: Choice(&["reference", "balanced"]),
        about: "What the scores of an optimisation are made by. The scores stored with versions are always those of the \
                reference profile.",
    },
    Key {
        path: "optimizer.optimization.max_prompt_length",
        kind: Count {
            min: 100,
            max: 100_000,
        },
        about: "The longest text that is optimised, in characters. Longer ones are stored and scored all the same.",
    },
    Key {
        path: "optimizer.optimization.max_growth",
        kind: FACTOR,
        about: "How many times as long as the original a candidate may be. Only language models make a text longer.",
    },
    Key {
        path: "optimizer.optimization.max_shrink",
        kind: FACTOR,
        about: "How many times as long as a candidate the original may be: with 3, two thirds of a text may go.",
    },
];

#[cfg(test)]
mod tests {
    use crate::config::keys::{KeyKind, find};
    use crate::model::OptimizationStrategy;

    #[test]
    fn the_strategies_are_those_of_the_model() {
        let kind = find("optimizer.optimization.strategies").unwrap().kind;
        let KeyKind::Choices(words) = kind else {
            panic!("{kind:?}")
        };
        assert_eq!(words, OptimizationStrategy::ALL.map(OptimizationStrategy::as_str));
    }
}
