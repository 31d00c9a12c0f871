//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::jobs::JobQueue;
use crate::model::Timestamp;
use crate::optimizer::OptimizationSettings;
use crate::versions::VersionManager;

use super::HttpLimits;
use super::peer::Users;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    versions: VersionManager,
    jobs: JobQueue,
    limits: HttpLimits,
    optimization: OptimizationSettings,
    users: Users,
    in_flight: Semaphore,
    connections: Arc<Semaphore>,
    refused_connections: AtomicU64,
    refused_requests: AtomicU64,
    stopping: CancellationToken,
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
            refused_connections: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
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

    pub(super) fn count_refused_connection(&self) {
        self.0.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused_request(&self) {
        self.0.refused_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) -> (u64, u64) {
        (
            self.0.refused_connections.load(Ordering::Relaxed),
            self.0.refused_requests.load(Ordering::Relaxed),
        )
    }

    pub(super) fn started_at(&self) -> &Timestamp {
        &self.0.started_at
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        self.0.started.elapsed().as_secs()
    }
}
