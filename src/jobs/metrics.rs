//! What the job queue measures, and what it says of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::http::wire::{JobState, JobView, QueueActor};
use crate::metrics::{ByTwo, Counter, Histogram, LONG_BOUNDS, Registry, Rejections, Samples};

use super::shared::Shared;
use super::{JobKind, JobQueue};

/// The kinds of jobs, as labels.
const KINDS: &[&str] = &[
    "import",
    "optimize",
    "verify",
    "rebuild_index",
    "collect",
    "backup",
    "verify_backup",
    "restore",
    "other",
];
/// How a job can end, as labels.
const ENDS: &[&str] = &["succeeded", "failed", "cancelled", "other"];
/// Every state of a job.
const STATES: [JobState; 5] = [
    JobState::Queued,
    JobState::Running,
    JobState::Succeeded,
    JobState::Failed,
    JobState::Cancelled,
];

/// What the queue measures.
#[derive(Debug)]
pub(super) struct JobMetrics {
    took: ByTwo<Histogram>,
    restarts: Counter,
    last_error: Mutex<Option<String>>,
    /// When the newest backup was finished, in seconds since 1970; 0 when none is known.
    last_backup: AtomicI64,
    pub(super) rejections: Rejections,
}

impl Default for JobMetrics {
    fn default() -> Self {
        Self {
            took: ByTwo::new(["kind", "state"], KINDS, ENDS, || Histogram::seconds(LONG_BOUNDS)),
            restarts: Counter::default(),
            last_error: Mutex::default(),
            last_backup: AtomicI64::new(0),
            rejections: Rejections::default(),
        }
    }
}

impl JobMetrics {
    /// Notes that a job ended.
    pub(super) fn note_end(&self, view: &JobView) {
        let (Some(began), Some(ended)) = (view.started_at.as_ref(), view.finished_at.as_ref()) else {
            return;
        };
        let took = ended.instant().duration_since(began.instant());
        if let Some(histogram) = self.took.of(&view.kind, word(view.state)) {
            histogram.observe(Duration::try_from(took).unwrap_or_default());
        }
        self.note_backup(view);
    }

    /// Notes the time of a backup, if the job made one.
    pub(super) fn note_backup(&self, view: &JobView) {
        if view.kind == JobKind::Backup.as_str()
            && view.state == JobState::Succeeded
            && let Some(ended) = view.finished_at.as_ref()
        {
            self.saw_backup(ended.instant().as_second());
        }
    }

    fn saw_backup(&self, at: i64) {
        self.last_backup.fetch_max(at, Ordering::Relaxed);
    }

    /// Notes that the actor ended and is started again.
    pub(super) fn note_restart(&self, why: &str) {
        self.restarts.inc();
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }
}

impl JobQueue {
    /// Gives everything that is measured here a name in a registry, and returns the limits that were run into.
    pub fn register_metrics(&self, registry: &mut Registry) -> Rejections {
        let metrics = &self.shared.metrics;
        registry.register(
            "promptd_job_duration_seconds",
            "How long jobs ran, by kind and by how they ended",
            metrics.took.clone(),
        );
        registry.register(
            "promptd_job_queue_restarts",
            "How often the actor of the job queue was started again",
            metrics.restarts.clone(),
        );
        registry.register_collector(Box::new(JobCollector(std::sync::Arc::downgrade(&self.shared))));
        metrics.rejections.clone()
    }

    /// Notes that there is a backup of this time, in seconds since 1970.
    pub fn saw_backup(&self, at: i64) {
        self.shared.metrics.saw_backup(at);
    }

    /// Returns when the newest backup that is known was finished, in seconds since 1970.
    #[must_use]
    pub fn last_backup(&self) -> Option<i64> {
        known(self.shared.metrics.last_backup.load(Ordering::Relaxed))
    }

    /// Returns the state of the actor that decides what starts.
    #[must_use]
    pub fn actor_status(&self) -> QueueActor {
        let metrics = &self.shared.metrics;
        QueueActor {
            up: self.health().is_ok(),
            silent: self.shared.is_silent(),
            restarts: metrics.restarts.get(),
            last_error: metrics
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// Looks at the table when it is asked.
#[derive(Debug)]
struct JobCollector(Weak<Shared>);

impl Collector for JobCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(shared) = self.0.upgrade() else {
            return Ok(());
        };
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for kind in JobKind::ALL {
            for state in STATES {
                counts.insert((kind.as_str(), word(state)), 0);
            }
        }
        for (kind, state) in shared.table.kinds_and_states() {
            *counts.entry((kind.as_str(), word(state))).or_default() += 1;
        }
        let mut samples = Samples::new(encoder);
        samples.gauge_pairs(
            "promptd_jobs",
            "Jobs that are known, by kind and state",
            ["kind", "state"],
            counts
                .into_iter()
                .map(|((kind, state), count)| (kind, state, count)),
        )?;
        samples.gauge(
            "promptd_job_queue_up",
            "Whether jobs are being started",
            u64::from(shared.actor.borrow().is_some()),
        )?;
        samples.gauge(
            "promptd_job_queue_silent",
            "Whether the actor that starts jobs did not answer when the watchdog asked it last",
            u64::from(shared.is_silent()),
        )?;
        samples.known_gauge(
            "promptd_backup_last_success_timestamp_seconds",
            "When the newest backup that is known was finished, in seconds since 1970; absent when none is known",
            known(shared.metrics.last_backup.load(Ordering::Relaxed)),
        )
    }
}

fn known(at: i64) -> Option<i64> {
    (at > 0).then_some(at)
}

const fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_every_end_of_a_job_is_a_label() {
        for kind in JobKind::ALL {
            assert!(KINDS.contains(&kind.as_str()), "{kind:?}");
        }
        for state in STATES.into_iter().filter(|state| state.is_final()) {
            assert!(ENDS.contains(&word(state)), "{state:?}");
        }
    }
}
