//! What the handlers share.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::jobs::JobQueue;
use crate::metrics::{Registry, Rejections};
use crate::model::Timestamp;
use crate::optimizer::OptimizationSettings;
use crate::versions::VersionManager;

use super::HttpLimits;
use super::health::Recent;
use super::metrics::{HttpCollector, HttpMetrics};
use super::peer::Users;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) versions: VersionManager,
    pub(super) jobs: JobQueue,
    limits: HttpLimits,
    optimization: OptimizationSettings,
    users: Users,
    in_flight: Semaphore,
    connections: Arc<Semaphore>,
    pub(super) metrics: HttpMetrics,
    registry: OnceLock<Registry>,
    recent: Recent,
    pub(super) stopping: CancellationToken,
    started_at: Timestamp,
    started: Instant,
}

impl AppState {
    /// Puts the parts together that requests are served with.
    #[must_use]
    pub fn new(
        versions: VersionManager,
        jobs: JobQueue,
        limits: HttpLimits,
        optimization: OptimizationSettings,
    ) -> Self {
        let parts = Parts {
            in_flight: Semaphore::new(limits.max_requests_in_flight.min(Semaphore::MAX_PERMITS)),
            connections: Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS))),
            versions,
            jobs,
            limits,
            optimization,
            users: Users::default(),
            metrics: HttpMetrics::default(),
            registry: OnceLock::new(),
            recent: Recent::default(),
            stopping: CancellationToken::new(),
            started_at: Timestamp::now(),
            started: Instant::now(),
        };
        Self(Arc::new(parts))
    }

    /// Returns what finds and makes versions.
    #[must_use]
    pub fn versions(&self) -> &VersionManager {
        &self.0.versions
    }

    /// Returns the job queue.
    #[must_use]
    pub fn jobs(&self) -> &JobQueue {
        &self.0.jobs
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.0.limits
    }

    /// Returns what an optimisation must reach where a request does not say.
    #[must_use]
    pub fn optimization(&self) -> &OptimizationSettings {
        &self.0.optimization
    }

    /// Returns the token that is cancelled when the server stops, so that long waits end.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    pub(super) fn users(&self) -> &Users {
        &self.0.users
    }

    pub(super) fn in_flight(&self) -> &Semaphore {
        &self.0.in_flight
    }

    pub(super) fn connections(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    pub(super) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// Gives everything that is measured here a name in a registry, and returns the limits that were run into.
    pub fn register_metrics(&self, registry: &mut Registry) -> Rejections {
        registry.register_collector(Box::new(HttpCollector(Arc::downgrade(&self.0))));
        self.0.metrics.rejections.clone()
    }

    /// Serves a registry at `/metrics`. The first one stays.
    pub fn publish_metrics(&self, registry: Registry) {
        if self.0.registry.set(registry).is_err() {
            tracing::debug!("there is a registry already");
        }
    }

    pub(super) fn registry(&self) -> Option<&Registry> {
        self.0.registry.get()
    }

    pub(super) fn requests_in_flight(&self) -> u64 {
        self.0.requests_in_flight()
    }

    pub(super) fn open_connections(&self) -> u64 {
        self.0.open_connections()
    }

    pub(super) fn started_at(&self) -> &Timestamp {
        &self.0.started_at
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        self.0.started.elapsed().as_secs()
    }
}

impl Parts {
    pub(super) fn requests_in_flight(&self) -> u64 {
        let max = self.limits.max_requests_in_flight;
        max.saturating_sub(self.in_flight.available_permits()) as u64
    }

    pub(super) fn open_connections(&self) -> u64 {
        let max = self.limits.max_connections;
        max.saturating_sub(self.connections.available_permits()) as u64
    }
}
