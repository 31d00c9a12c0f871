//! Keys of older plans that steer nothing.

use super::TestPlan;

impl TestPlan {
    /// Returns the keys that are given and steer nothing, so that somebody can be told.
    #[must_use]
    pub fn idle_keys(&self) -> Vec<&'static str> {
        let is_weighed = |weight: f64| (weight - 1.0).abs() > f64::EPSILON;
        let entries = || self.workflows.iter().map(|entry| &entry.value);
        let has_weight = entries().any(|entry| {
            is_weighed(entry.weight) || entry.variants().iter().any(|one| is_weighed(one.value.weight))
        }) || self
            .test_data
            .datasets
            .iter()
            .any(|one| is_weighed(one.value.weight));
        [
            ("weight", has_weight),
            ("validation", !self.validation.is_empty()),
            ("outputs", !self.outputs.is_empty()),
            (
                "test_data.strategy.pairwise_mode",
                self.test_data.strategy.pairwise_mode.is_some(),
            ),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
        .collect()
    }
}
