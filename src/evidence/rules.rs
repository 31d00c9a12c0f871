//! Which of two versions is better by what was measured. docs/scoring.md explains it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Figures;
use crate::optimizer::ScoringRules;

/// Rates of success that differ by no more than this are equal.
const RATE_MARGIN: f64 = 0.02;
/// A time or cost is clearly higher from this factor on.
const CLEARLY_HIGHER: f64 = 1.2;

/// How much evidence counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceRules {
    /// Fewer results than this say nothing (`optimizer.evidence.min_results`).
    pub min_results: u64,
}

/// What was measured of two versions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceComparison {
    /// Of the first; null without results.
    #[schema(required)]
    pub from: Option<Figures>,
    /// Of the second.
    #[schema(required)]
    pub to: Option<Figures>,
    /// The second less the first, where both have results.
    #[schema(required)]
    pub difference: Option<FigureDifference>,
    /// Why the second counts as worse than the first; null when it does not, or when there are too few results.
    #[schema(required)]
    pub worse: Option<String>,
}

/// How far the figures of two versions are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FigureDifference {
    /// Rate of success gained; negative when lost.
    pub success_rate: f64,
    /// Seconds on average.
    pub avg_execution_time: f64,
    /// Seconds at the 95th percentile.
    pub p95_execution_time: f64,
    /// Tokens on average.
    pub avg_tokens_per_request: f64,
    /// US dollars on average.
    pub cost_per_request: f64,
}

impl Default for EvidenceRules {
    fn default() -> Self {
        Self { min_results: 20 }
    }
}

impl EvidenceRules {
    /// Tells whether there are enough results to say anything.
    #[must_use]
    pub fn are_enough(self, figures: &Figures) -> bool {
        figures.count >= self.min_results.max(1)
    }

    /// Returns the figures when there are enough results.
    #[must_use]
    pub fn enough(self, figures: Option<Figures>) -> Option<Figures> {
        figures.filter(|figures| self.are_enough(figures))
    }

    /// Returns why a candidate is worse than what it would replace, if it is: both have enough results, and its rate of
    /// success is more than 2 points lower; or it is not, and the 95th percentile of its time or its cost per request is
    /// at least 20 % higher while its rate is not more than 2 points higher.
    #[must_use]
    pub fn worse(self, parent: Option<&Figures>, candidate: Option<&Figures>) -> Option<String> {
        let parent = parent.filter(|figures| self.are_enough(figures))?;
        let candidate = candidate.filter(|figures| self.are_enough(figures))?;
        let gained = candidate.success_rate - parent.success_rate;
        let tests = format!("in {} tests, {} of its parent", candidate.count, parent.count);
        if gained < -RATE_MARGIN {
            return Some(format!(
                "it succeeds less often: {:.1} % against {:.1} % ({tests})",
                candidate.success_rate * 100.0,
                parent.success_rate * 100.0
            ));
        }
        if gained > RATE_MARGIN {
            return None;
        }
        let (old, new) = (parent.p95_execution_time, candidate.p95_execution_time);
        if is_clearly_higher(new, old) {
            return Some(format!(
                "it is as good and slower: 95 % within {new:.2} s against {old:.2} s ({tests})"
            ));
        }
        let (old, new) = (parent.cost_per_request, candidate.cost_per_request);
        is_clearly_higher(new, old).then(|| {
            format!("it is as good and dearer: {new:.6} USD a request against {old:.6} USD ({tests})")
        })
    }

    /// Compares two versions.
    #[must_use]
    pub fn compare(self, from: Option<Figures>, to: Option<Figures>) -> EvidenceComparison {
        let difference = from.as_ref().zip(to.as_ref()).map(|(from, to)| FigureDifference {
            success_rate: to.success_rate - from.success_rate,
            avg_execution_time: to.avg_execution_time - from.avg_execution_time,
            p95_execution_time: to.p95_execution_time - from.p95_execution_time,
            avg_tokens_per_request: to.avg_tokens_per_request - from.avg_tokens_per_request,
            cost_per_request: to.cost_per_request - from.cost_per_request,
        });
        let worse = self.worse(from.as_ref(), to.as_ref());
        EvidenceComparison {
            from,
            to,
            difference,
            worse,
        }
    }

    /// Returns the order of two versions by quality, the better one greater. A version that was measured well stands above
    /// one that was not measured, and that above one that was measured badly: one whose rate of success is below
    /// `min_success_rate` of the scoring rules. Among measured ones decide the rate of success, then the 95th percentile of
    /// the time, then the cost per request; then, as among those that were not measured, the overall score.
    #[must_use]
    pub fn by_quality(self, one: (Option<&Figures>, f64), other: (Option<&Figures>, f64)) -> Ordering {
        let enough =
            |figures: Option<&'_ Figures>| figures.filter(|figures| self.are_enough(figures)).cloned();
        let (a, b) = (enough(one.0), enough(other.0));
        let class = |figures: Option<&Figures>| match figures {
            Some(figures) if figures.success_rate >= ScoringRules::default().min_success_rate => 2,
            None => 1,
            Some(_) => 0,
        };
        let by_figures = match (&a, &b) {
            (Some(a), Some(b)) => a
                .success_rate
                .total_cmp(&b.success_rate)
                .then(b.p95_execution_time.total_cmp(&a.p95_execution_time))
                .then(b.cost_per_request.total_cmp(&a.cost_per_request)),
            _ => Ordering::Equal,
        };
        class(a.as_ref())
            .cmp(&class(b.as_ref()))
            .then(by_figures)
            .then(one.1.total_cmp(&other.1))
    }
}

fn is_clearly_higher(new: f64, old: f64) -> bool {
    new > old && new >= old * CLEARLY_HIGHER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TestStatus::{Failed, Success};
    use crate::model::test_result::tests::result;

    const RULES: EvidenceRules = EvidenceRules { min_results: 20 };

    /// So many tests of which so many fail, each in so many seconds and at a cost.
    fn figures(count: usize, failed: usize, seconds: f64, cost: f64) -> Figures {
        let results: Vec<_> = (0..count)
            .map(|n| {
                let status = if n < failed { Failed } else { Success };
                let mut result = result(&n.to_string(), status, seconds);
                result.cost = cost;
                result
            })
            .collect();
        Figures::of(&results).unwrap()
    }

    fn check(parent: &Figures, candidate: &Figures, expected: Option<&str>) {
        let found = RULES.worse(Some(parent), Some(candidate));
        match expected {
            None => assert_eq!(found, None),
            Some(expected) => assert!(
                found.as_ref().is_some_and(|why| why.contains(expected)),
                "{found:?}"
            ),
        }
    }

    #[test]
    fn a_candidate_is_worse_by_success_first_then_by_time_then_by_cost() {
        let parent = figures(100, 5, 1.0, 0.01);
        check(&parent, &figures(100, 7, 1.0, 0.01), None);
        check(
            &parent,
            &figures(100, 8, 0.1, 0.001),
            Some("less often: 92.0 % against 95.0 %"),
        );
        check(&parent, &figures(100, 5, 1.1, 0.011), None);
        check(&parent, &figures(100, 5, 1.2, 0.01), Some("slower"));
        check(&parent, &figures(100, 5, 1.0, 0.013), Some("dearer"));
        check(&parent, &figures(100, 0, 9.0, 9.0), None);
        check(&figures(100, 5, 0.0, 0.0), &figures(100, 5, 0.0, 0.0), None);
    }

    #[test]
    fn too_few_results_say_nothing() {
        let parent = figures(100, 0, 1.0, 0.01);
        check(&parent, &figures(19, 19, 1.0, 0.01), None);
        check(&figures(19, 0, 1.0, 0.01), &figures(100, 100, 1.0, 0.01), None);
        assert_eq!(RULES.worse(None, Some(&parent)), None);
        check(&parent, &figures(20, 20, 1.0, 0.01), Some("less often"));
    }

    #[test]
    fn measured_well_is_better_than_not_measured_and_that_than_measured_badly() {
        let (well, better, badly) = (
            figures(20, 4, 1.0, 0.01),
            figures(20, 0, 1.0, 0.01),
            figures(20, 5, 1.0, 0.01),
        );
        let (few, fast, cheap) = (
            figures(19, 19, 1.0, 0.01),
            figures(20, 0, 0.5, 0.01),
            figures(20, 0, 0.5, 0.001),
        );
        let order: [(Option<&Figures>, f64); 8] = [
            (Some(&badly), 99.0),
            (None, 50.0),
            (Some(&few), 60.0),
            (Some(&well), 10.0),
            (Some(&better), 1.0),
            (Some(&fast), 0.0),
            (Some(&cheap), 0.0),
            (Some(&cheap), 1.0),
        ];
        for (place, one) in order.iter().enumerate() {
            for (other_place, other) in order.iter().enumerate() {
                assert_eq!(
                    RULES.by_quality(*one, *other),
                    place.cmp(&other_place),
                    "{place} {other_place}"
                );
            }
        }
    }

    #[test]
    fn a_comparison_shows_both_sides_and_the_difference() {
        let compared = RULES.compare(Some(figures(20, 0, 1.0, 0.01)), Some(figures(20, 10, 0.5, 0.01)));
        let difference = compared.difference.unwrap();
        assert_eq!(
            (difference.success_rate, difference.p95_execution_time),
            (-0.5, -0.5)
        );
        assert!(compared.worse.unwrap().contains("less often"));
        assert_eq!(
            RULES.compare(None, Some(figures(1, 0, 1.0, 0.0))).difference,
            None
        );
    }
}
