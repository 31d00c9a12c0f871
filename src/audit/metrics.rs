//! What is measured of the log, looked up when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::mpsc::WeakSender;

use crate::metrics::{Registry, Samples};

use super::AuditLog;
use super::tally::Tally;
use super::writer::Command;

impl AuditLog {
    /// Gives everything that is measured here a name in a registry.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(AuditCollector {
            tally: Arc::clone(&self.tally),
            commands: self.commands.downgrade(),
        }));
    }
}

/// Looks at a log when it is asked. Does not keep its thread.
#[derive(Debug)]
struct AuditCollector {
    tally: Arc<Tally>,
    commands: WeakSender<Command>,
}

impl Collector for AuditCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (mut samples, counts) = (Samples::new(encoder), self.tally.counts());
        let (waiting, places) = self.commands.upgrade().map_or((0, 0), |commands| {
            let places = commands.max_capacity();
            (places.saturating_sub(commands.capacity()), places)
        });
        samples.gauge(
            "promptd_audit_entries",
            "The number of the last entry of the audit log",
            counts.entries,
        )?;
        samples.gauge(
            "promptd_audit_failing",
            "Whether the last write of the audit log failed",
            u64::from(counts.fails),
        )?;
        samples.counter(
            "promptd_audit_write_failures",
            "How often the audit log could not be written",
            counts.failures,
        )?;
        samples.counter(
            "promptd_audit_missed_changes",
            "Changes and notes without an entry in the audit log",
            counts.missed,
        )?;
        samples.gauge(
            "promptd_audit_queue_depth",
            "Entries that wait for the thread that writes the audit log",
            waiting as u64,
        )?;
        samples.gauge(
            "promptd_audit_queue_limit",
            "How many entries may wait; who comes then waits for a place",
            places as u64,
        )
    }
}
