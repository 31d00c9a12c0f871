//! Every number of this process in one registry.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use serde_json::Value;

use crate::config::{Config, KeyKind, keys};
use crate::http::AppState;
use crate::jobs::JobQueue;
use crate::metrics::{ProcessMetrics, Registry, Rejections, Samples, TotalRejections};

use super::logging::UnwrittenLines;

/// What the layers below measure, gathered while the daemon starts.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) registry: Registry,
    pub(super) rejections: Vec<Rejections>,
}

impl Gathered {
    /// Adds what is left, and serves all of it. Returns what is shown of the configuration, so that it can be kept true.
    pub(super) fn publish(self, config: &Config, jobs: &JobQueue, state: &AppState) -> ConfiguredLimits {
        let Self {
            mut registry,
            mut rejections,
        } = self;
        rejections.push(jobs.register_metrics(&mut registry));
        rejections.push(state.register_metrics(&mut registry));
        registry.register_collector(Box::new(TotalRejections(rejections)));
        let limits = ConfiguredLimits::default();
        limits.show(config);
        registry.register_collector(Box::new(limits.clone()));
        registry.register_collector(Box::new(BuildInfo));
        registry.register_collector(Box::new(ProcessMetrics));
        registry.register_collector(Box::new(UnwrittenLines));
        state.publish_metrics(registry);
        limits
    }
}

/// Which program this is.
#[derive(Debug)]
struct BuildInfo;

impl Collector for BuildInfo {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        Samples::new(encoder).gauges(
            "promptd_build_info",
            "The version that runs; the value is always 1",
            "version",
            [(env!("CARGO_PKG_VERSION"), 1_u64)],
        )
    }
}

/// Every number of the configuration that is in force. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfiguredLimits(Arc<RwLock<Numbers>>);

impl ConfiguredLimits {
    /// Shows the numbers of this configuration from now on.
    pub(super) fn show(&self, config: &Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Numbers::of(config);
    }
}

/// Every number of a configuration, by its unit.
#[derive(Debug, Default)]
struct Numbers {
    bytes: Vec<(&'static str, f64)>,
    seconds: Vec<(&'static str, f64)>,
    counts: Vec<(&'static str, f64)>,
}

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "the format knows floats alone")]
    fn of(config: &Config) -> Self {
        let values = serde_json::to_value(config).unwrap_or_default();
        let mut limits = Self::default();
        for key in keys() {
            let at = key
                .path
                .split('.')
                .try_fold(&values, |value, name| value.get(name));
            let number = match at {
                Some(Value::Number(number)) => number.as_u64().map(|whole| whole as f64).or(number.as_f64()),
                _ => None,
            };
            let Some(number) = number else { continue };
            match (key.kind, seconds_per_unit(key.path)) {
                (KeyKind::Size { .. }, _) => limits.bytes.push((key.path, number)),
                (_, Some(seconds)) => limits.seconds.push((key.path, number * seconds)),
                _ => limits.counts.push((key.path, number)),
            }
        }
        limits
    }
}

/// Returns how many seconds the unit is that ends the name of a key.
fn seconds_per_unit(path: &str) -> Option<f64> {
    let units = [
        ("_ms", 0.001),
        ("_seconds", 1.0),
        ("_hours", 3_600.0),
        ("_days", 86_400.0),
    ];
    let found = units.into_iter().find(|(ending, _)| path.ends_with(ending));
    found.map(|(_, seconds)| seconds)
}

impl Collector for ConfiguredLimits {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let numbers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut samples = Samples::new(encoder);
        let lists = [
            (
                "promptd_config_bytes",
                "Sizes of the configuration, by key",
                &numbers.bytes,
            ),
            (
                "promptd_config_seconds",
                "Times of the configuration, by key",
                &numbers.seconds,
            ),
            (
                "promptd_config_value",
                "Every other number of the configuration, by key",
                &numbers.counts,
            ),
        ];
        for (name, help, values) in lists {
            samples.gauges(name, help, "key", values.iter().copied())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Limit, render};

    #[test]
    fn every_number_of_the_configuration_is_there_in_its_base_unit() {
        let mut registry = Registry::default();
        let limits = ConfiguredLimits::default();
        limits.show(&Config::default());
        registry.register_collector(Box::new(limits));
        let text = render(&registry).unwrap();
        let numbers = keys().into_iter().filter(|key| {
            matches!(
                key.kind,
                KeyKind::Count { .. } | KeyKind::Size { .. } | KeyKind::Number { .. }
            )
        });
        for key in numbers {
            assert!(
                text.contains(&format!("{{key=\"{}\"}}", key.path)),
                "{}",
                key.path
            );
        }
        for line in [
            "promptd_config_bytes{key=\"daemon.limits.max_body_bytes\"} 4194304.0",
            "promptd_config_seconds{key=\"daemon.limits.request_timeout_ms\"} 30.0",
            "promptd_config_seconds{key=\"optimizer.storage.config.scrub.pause_hours\"} 86400.0",
            "promptd_config_value{key=\"daemon.limits.max_connections\"} 256.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn after_a_reload_the_numbers_of_the_new_configuration_are_there() {
        let (mut registry, limits) = (Registry::default(), ConfiguredLimits::default());
        registry.register_collector(Box::new(limits.clone()));
        let mut config = Config::default();
        limits.show(&config);
        config.daemon.limits.max_connections = 7;
        limits.show(&config);
        let text = render(&registry).unwrap();
        let line = "promptd_config_value{key=\"daemon.limits.max_connections\"} 7.0";
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[test]
    fn every_limit_that_is_counted_has_its_value_beside_it() {
        let limits = Numbers::of(&Config::default());
        let shown: Vec<&str> = [&limits.bytes, &limits.seconds, &limits.counts]
            .into_iter()
            .flatten()
            .map(|(key, _)| *key)
            .collect();
        for limit in Limit::all() {
            assert!(shown.contains(&limit.key()), "{limit:?}");
        }
    }
}
