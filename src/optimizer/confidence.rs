//! How sure a rewriting is, by what it does to the scores.

/// Points gained or lost between two texts; negative for a loss.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ScoreDeltas {
    /// Of the overall score.
    pub overall: f64,
    /// Of clarity.
    pub clarity: f64,
    /// Of efficiency.
    pub efficiency: f64,
}

/// Returns the confidence in a rewriting, 0 to 1, bit for bit as the Python system has it.
///
/// It begins at 0.5. A gain of more than 10, 5 or 0 points overall adds 0.3, 0.2 or 0.1; a gain in both parts adds 0.15; a
/// loss of more than 5 points in either takes 0.2. NaN gains and loses nothing.
///
/// ```
/// use promptd::optimizer::confidence::{ScoreDeltas, confidence};
/// assert_eq!(confidence(ScoreDeltas { overall: 6.0, clarity: 10.0, efficiency: 0.0 }), 0.7);
/// ```
#[must_use]
pub fn confidence(deltas: ScoreDeltas) -> f64 {
    let mut confidence: f64 = 0.5;
    if deltas.overall > 10.0 {
        confidence += 0.3;
    } else if deltas.overall > 5.0 {
        confidence += 0.2;
    } else if deltas.overall > 0.0 {
        confidence += 0.1;
    }
    if deltas.clarity > 0.0 && deltas.efficiency > 0.0 {
        confidence += 0.15;
    }
    if deltas.clarity < -5.0 || deltas.efficiency < -5.0 {
        confidence -= 0.2;
    }
    confidence.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::golden::{items, number, read};

    #[test]
    fn the_numbers_are_those_of_the_python_system() {
        let Some(golden) = read("confidence.json") else {
            return;
        };
        let cases = items(&golden);
        assert!(cases.len() > 20);
        for case in cases {
            let deltas = ScoreDeltas {
                overall: number(&case["d_overall"]),
                clarity: number(&case["d_clarity"]),
                efficiency: number(&case["d_efficiency"]),
            };
            assert_eq!(confidence(deltas), number(&case["confidence"]), "{case}");
        }
    }

    #[test]
    fn nothing_and_nan_leave_the_beginning() {
        for value in [0.0, f64::NAN] {
            let deltas = ScoreDeltas {
                overall: value,
                clarity: value,
                efficiency: value,
            };
            assert_eq!(confidence(deltas), 0.5);
        }
    }
}
