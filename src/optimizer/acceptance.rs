//! Whether a candidate may take the place of the original, and every reason why not.
//!
//! Everything is compared with the original, never with an earlier round.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::confidence::ScoreDeltas;
use super::references::{ReferenceDifference, reference_differences};
use super::settings::OptimizationSettings;

/// What came of looking at a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Decision {
    /// It may take the place of the original.
    Accepted,
    /// It may not.
    Refused {
        /// Every reason, in a fixed order of kinds.
        reasons: Vec<Refusal>,
    },
}

/// One reason why a candidate is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Refusal {
    /// The text is that of the original.
    Unchanged,
    /// Nothing but white space is left.
    Empty,
    /// A reference is gone, new, or there in another number.
    References {
        /// Each of them.
        differences: Vec<ReferenceDifference>,
    },
    /// The candidate is too long.
    TooLong {
        /// Its length in characters.
        length: usize,
        /// The greatest length that is allowed.
        limit: usize,
    },
    /// The candidate is too short.
    TooShort {
        /// Its length in characters.
        length: usize,
        /// The least length that is allowed.
        limit: usize,
    },
    /// A score or the confidence is no finite number.
    NotANumber,
    /// The gain is not positive.
    NoGain {
        /// Points of overall score.
        improvement: f64,
    },
    /// The gain is positive and too small.
    TooSmallGain {
        /// Points of overall score.
        improvement: f64,
        /// The least that is accepted.
        min_improvement: f64,
    },
    /// The confidence is too low.
    LowConfidence {
        /// 0 to 1.
        confidence: f64,
        /// The least that is accepted.
        min_confidence: f64,
    },
}

/// What is known about a candidate besides its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// What it gains over the original.
    pub deltas: ScoreDeltas,
    /// How sure the gain is.
    pub confidence: f64,
}

/// Decides about a candidate.
///
/// Gain and confidence are compared with `>=`: a candidate that reaches a minimum exactly has reached it. A gain of
/// nothing is refused even when `min_improvement` is 0. Differences of floats below a billionth of a point are rounding
/// and count as none.
#[must_use]
pub fn decide(
    original: &str,
    candidate: &str,
    figures: &Figures,
    settings: &OptimizationSettings,
) -> Decision {
    if original == candidate {
        return Decision::Refused {
            reasons: vec![Refusal::Unchanged],
        };
    }
    let mut reasons = text_reasons(original, candidate, settings);
    reasons.extend(figure_reasons(figures, settings));
    if reasons.is_empty() {
        Decision::Accepted
    } else {
        Decision::Refused { reasons }
    }
}

fn text_reasons(original: &str, candidate: &str, settings: &OptimizationSettings) -> Vec<Refusal> {
    let mut reasons = Vec::new();
    if candidate.trim().is_empty() {
        reasons.push(Refusal::Empty);
    }
    let differences = reference_differences(original, candidate);
    if !differences.is_empty() {
        reasons.push(Refusal::References { differences });
    }
    let (before, length) = (original.chars().count(), candidate.chars().count());
    let longest =
        ((before as f64 * settings.max_growth).floor() as usize).min(settings.max_prompt_length.max(before));
    let shortest = (before as f64 / settings.max_shrink).ceil() as usize;
    if length > longest {
        reasons.push(Refusal::TooLong {
            length,
            limit: longest,
        });
    }
    if length < shortest {
        reasons.push(Refusal::TooShort {
            length,
            limit: shortest,
        });
    }
    reasons
}

/// Sums of weighted deductions differ in their last digits from what they would be on paper.
const ROUNDING: f64 = 1e-9;

fn figure_reasons(figures: &Figures, settings: &OptimizationSettings) -> Vec<Refusal> {
    let Figures { deltas, confidence } = *figures;
    let all = [deltas.overall, deltas.clarity, deltas.efficiency, confidence];
    if !all.iter().all(|number| number.is_finite()) {
        return vec![Refusal::NotANumber];
    }
    let mut reasons = Vec::new();
    let improvement = deltas.overall;
    let OptimizationSettings {
        min_improvement,
        min_confidence,
        ..
    } = *settings;
    if improvement <= ROUNDING {
        reasons.push(Refusal::NoGain { improvement });
    } else if improvement < min_improvement - ROUNDING {
        reasons.push(Refusal::TooSmallGain {
            improvement,
            min_improvement,
        });
    }
    if confidence < min_confidence - ROUNDING {
        reasons.push(Refusal::LowConfidence {
            confidence,
            min_confidence,
        });
    }
    reasons
}

impl Decision {
    /// Tells whether the candidate may take the place of the original.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    /// Returns the reasons against the candidate; none when it is accepted.
    #[must_use]
    pub fn reasons(&self) -> &[Refusal] {
        match self {
            Self::Accepted => &[],
            Self::Refused { reasons } => reasons,
        }
    }
}

/// The reason as a sentence without its full stop.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("the text is that of the original"),
            Self::Empty => f.write_str("nothing but white space is left"),
            Self::References { differences } => write_differences(f, differences),
            Self::TooLong { length, limit } => {
                write!(f, "{length} characters are more than the {limit} allowed")
            }
            Self::TooShort { length, limit } => {
                write!(f, "{length} characters are fewer than the {limit} demanded")
            }
            Self::NotANumber => f.write_str("a score or the confidence is no finite number"),
            Self::NoGain { improvement } => write!(f, "the score does not rise ({improvement:+.2} points)"),
            Self::TooSmallGain {
                improvement,
                min_improvement,
            } => {
                write!(
                    f,
                    "the gain of {improvement:.2} points is below min_improvement {min_improvement}"
                )
            }
            Self::LowConfidence {
                confidence,
                min_confidence,
            } => {
                write!(
                    f,
                    "the confidence {confidence:.2} is below min_confidence {min_confidence}"
                )
            }
        }
    }
}

fn write_differences(f: &mut fmt::Formatter<'_>, differences: &[ReferenceDifference]) -> fmt::Result {
    f.write_str("references are not as in the original: ")?;
    for (index, difference) in differences.iter().enumerate() {
        let ReferenceDifference {
            reference,
            original,
            candidate,
        } = difference;
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{reference} {original} -> {candidate} times")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(overall: f64, confidence: f64) -> Figures {
        let deltas = ScoreDeltas {
            overall,
            clarity: overall,
            efficiency: overall,
        };
        Figures { deltas, confidence }
    }

    fn check(original: &str, candidate: &str, figures: &Figures, expected: &[&str]) {
        let decision = decide(original, candidate, figures, &OptimizationSettings::default());
        let reasons: Vec<String> = decision.reasons().iter().map(ToString::to_string).collect();
        assert_eq!(reasons, expected);
        assert_eq!(decision.is_accepted(), expected.is_empty());
    }

    #[test]
    fn a_minimum_that_is_reached_exactly_is_reached() {
        check("Do it now", "Do it", &figures(5.0, 0.6), &[]);
        check("Do it now", "Do it", &figures(0.1 + 0.2 + 4.7, 0.5 + 0.1), &[]);
        check(
            "Do it now",
            "Do it",
            &figures(4.999, 0.599),
            &[
                "the gain of 5.00 points is below min_improvement 5",
                "the confidence 0.60 is below min_confidence 0.6",
            ],
        );
    }

    #[test]
    fn no_gain_is_no_improvement_even_where_none_is_demanded() {
        let settings = OptimizationSettings {
            min_improvement: 0.0,
            min_confidence: 0.0,
            ..Default::default()
        };
        let reasons = |gain| decide("ab", "ac", &figures(gain, 0.5), &settings).reasons().len();
        assert_eq!((reasons(0.0), reasons(-1.0), reasons(0.01)), (1, 1, 0));
    }

    #[test]
    fn references_are_kept_and_none_is_new() {
        check("Use {{a}} now", "Use {{a}}", &figures(9.0, 0.9), &[]);
        check(
            "Use {{#1.a#}} and ${b}",
            "Use {{#1.a#}}, {{#1.a#}}",
            &figures(9.0, 0.9),
            &["references are not as in the original: ${b} 1 -> 0 times, {{#1.a#}} 1 -> 2 times"],
        );
    }

    #[test]
    fn lengths_have_bounds_and_the_bounds_themselves_are_allowed() {
        check(&"a".repeat(10), &"b".repeat(15), &figures(9.0, 0.9), &[]);
        check(&"a".repeat(10), &"b".repeat(4), &figures(9.0, 0.9), &[]);
        check(
            &"a".repeat(10),
            &"b".repeat(16),
            &figures(9.0, 0.9),
            &["16 characters are more than the 15 allowed"],
        );
        check(
            &"a".repeat(10),
            &"b".repeat(3),
            &figures(9.0, 0.9),
            &["3 characters are fewer than the 4 demanded"],
        );
    }

    #[test]
    fn nan_is_refused_and_so_is_nothing() {
        check(
            "a b",
            "a",
            &figures(f64::NAN, 0.9),
            &["a score or the confidence is no finite number"],
        );
        check(
            "a b",
            "a",
            &figures(9.0, f64::INFINITY),
            &["a score or the confidence is no finite number"],
        );
        check(
            "a",
            "a",
            &figures(9.0, 0.9),
            &["the text is that of the original"],
        );
        check("a", " ", &figures(9.0, 0.9), &["nothing but white space is left"]);
    }
}
