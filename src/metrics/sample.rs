//! Numbers that are looked up when they are asked for.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Writes numbers that a collector looked up.
#[derive(Debug)]
pub(crate) struct Samples<'a>(DescriptorEncoder<'a>);

impl<'a> Samples<'a> {
    /// Takes the encoder of a collector.
    pub(crate) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes a gauge.
    pub(crate) fn gauge<V: EncodeGaugeValue + Copy>(
        &mut self,
        name: &str,
        help: &str,
        value: V,
    ) -> Result<(), fmt::Error> {
        let mut metric = self.begin(name, help, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    /// Writes a gauge, if its value is known.
    pub(crate) fn known_gauge<V: EncodeGaugeValue + Copy>(
        &mut self,
        name: &str,
        help: &str,
        value: Option<V>,
    ) -> Result<(), fmt::Error> {
        value.map_or(Ok(()), |value| self.gauge(name, help, value))
    }

    /// Writes a gauge for each value of a label.
    pub(crate) fn gauges<'v, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, V)>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self.begin(name, help, MetricType::Gauge)?;
        for (word, value) in values {
            metric.encode_family(&[(label, word)])?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Writes a gauge for each pair of values of two labels.
    pub(crate) fn gauge_pairs<'v>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; 2],
        values: impl IntoIterator<Item = (&'v str, &'v str, u64)>,
    ) -> Result<(), fmt::Error> {
        let [first, second] = labels;
        let mut metric = self.begin(name, help, MetricType::Gauge)?;
        for (row, column, value) in values {
            let pair = [(first, row), (second, column)];
            metric.encode_family(&pair)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Writes a counter; its name gets the ending `_total`.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let mut metric = self.begin(name, help, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a counter that is not whole.
    pub(crate) fn counter_of_parts(&mut self, name: &str, help: &str, value: f64) -> Result<(), fmt::Error> {
        let mut metric = self.begin(name, help, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a counter for each value of a label.
    pub(crate) fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, u64)>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self.begin(name, help, MetricType::Counter)?;
        for (word, value) in values {
            metric
                .encode_family(&[(label, word)])?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        // The registry adds the full stop to what is registered, not here.
        let help = format!("{help}.");
        self.0.encode_descriptor(name, &help, None, kind)
    }
}
