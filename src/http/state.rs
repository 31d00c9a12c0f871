//! What the handlers share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::Policy;
use crate::audit::{AuditLog, Draft};
use crate::jobs::JobQueue;
use crate::model::Timestamp;
use crate::optimizer::OptimizationSettings;
use crate::storage::{Acting, Action};
use crate::versions::VersionManager;

use super::HttpLimits;
use super::access::{Access, Refusals};
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
    policy: RwLock<Arc<Policy>>,
    audit: OnceLock<AuditLog>,
    audits_refusals: AtomicBool,
    refusals: Refusals,
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
            policy: RwLock::new(Arc::new(Policy::open())),
            audit: OnceLock::new(),
            audits_refusals: AtomicBool::new(false),
            refusals: Refusals::default(),
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

    /// Says who may do what from the next request on. Without it, whoever may open the socket may do everything.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says where changes are logged, so that the log can be read. Said once, at the start.
    pub fn set_audit(&self, audit: AuditLog) {
        let _said_before = self.0.audit.set(audit);
    }

    /// Says whether refused requests are logged there too.
    pub fn set_audits_refusals(&self, audits: bool) {
        self.0.audits_refusals.store(audits, Ordering::Relaxed);
    }

    /// Returns the log of changes, where there is one.
    #[must_use]
    pub fn audit(&self) -> Option<&AuditLog> {
        self.0.audit.get()
    }

    pub(super) async fn audit_refusal(&self, draft: Draft) {
        if let Some(audit) = self.audit()
            && self.0.audits_refusals.load(Ordering::Relaxed)
        {
            audit.note(draft).await;
        }
    }

    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Returns what makes versions on behalf of who asks.
    pub(super) fn versions_for(&self, access: &Access, put: Action) -> VersionManager {
        self.0.versions.acting(Acting {
            actor: access.actor(),
            put,
        })
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
