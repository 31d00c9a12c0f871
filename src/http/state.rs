//! What the handlers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::access::Policy;
use crate::admission::Admission;
use crate::audit::{AuditLog, Draft};
use crate::jobs::JobQueue;
use crate::metrics::{Registry, Rejections};
use crate::model::Timestamp;
use crate::optimizer::OptimizationSettings;
use crate::storage::{Acting, Action};
use crate::versions::VersionManager;

use super::HttpLimits;
use super::access::{Access, Refusals};
use super::health::Recent;
use super::metrics::{HttpCollector, HttpMetrics};
use super::peer::Users;
use super::tcp::TcpGate;
use super::watch::Streams;

/// How many pages of whole documents are gathered at once: each may take 16 MiB, and once more while it is put together.
const MAX_PAGES_IN_THE_MAKING: usize = 8;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) versions: VersionManager,
    pub(super) jobs: JobQueue,
    limits: RwLock<Arc<HttpLimits>>,
    optimization: OptimizationSettings,
    users: Users,
    policy: RwLock<Arc<Policy>>,
    audit: OnceLock<AuditLog>,
    audits_refusals: AtomicBool,
    refusals: Refusals,
    pub(super) in_flight: Admission,
    pub(super) connections: Admission,
    tcp: OnceLock<Arc<TcpGate>>,
    pub(super) streams: Streams,
    pub(super) bytes: Admission,
    page_makers: Semaphore,
    silences: Mutex<Vec<String>>,
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
            in_flight: Admission::new(limits.requests()),
            connections: Admission::new(limits.connections()),
            bytes: Admission::new(limits.bytes()),
            page_makers: Semaphore::new(MAX_PAGES_IN_THE_MAKING),
            tcp: OnceLock::new(),
            streams: Streams::default(),
            silences: Mutex::default(),
            versions,
            jobs,
            limits: RwLock::new(Arc::new(limits)),
            optimization,
            users: Users::default(),
            policy: RwLock::new(Arc::new(Policy::open())),
            audit: OnceLock::new(),
            audits_refusals: AtomicBool::new(false),
            refusals: Refusals::default(),
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

    /// Returns the limits as they now are.
    #[must_use]
    pub fn limits(&self) -> Arc<HttpLimits> {
        Arc::clone(&self.0.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limits while requests are served. Connections that are open keep the times that they began with.
    pub fn set_limits(&self, limits: HttpLimits) {
        self.0.in_flight.set_bounds(limits.requests());
        self.0.connections.set_bounds(limits.connections());
        self.0.bytes.set_bounds(limits.bytes());
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// Says which parts of the daemon do not answer, as the watchdog found them; for the status and `/readyz`.
    pub fn set_silences(&self, silences: Vec<String>) {
        *self.0.silences.lock().unwrap_or_else(PoisonError::into_inner) = silences;
    }

    /// Returns which parts of the daemon do not answer.
    #[must_use]
    pub fn silences(&self) -> Vec<String> {
        self.0.silences()
    }

    /// Tells whether every part of the store and the job queue are up: for the status, `/readyz`, the metrics and the
    /// watchdog alike.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn health(&self) -> Result<(), String> {
        self.0.health()
    }

    pub(super) fn concerns(&self) -> Vec<String> {
        self.0.concerns()
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

    /// Says what is served over TCP. Said once, at the start; without it, nothing is.
    pub fn set_tcp(&self, gate: Arc<TcpGate>) {
        let _said_before = self.0.tcp.set(gate);
    }

    pub(super) fn tcp(&self) -> Option<&TcpGate> {
        self.0.tcp()
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

    pub(super) fn in_flight(&self) -> &Admission {
        &self.0.in_flight
    }

    pub(super) fn connections(&self) -> &Admission {
        &self.0.connections
    }

    pub(super) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    pub(super) fn bytes(&self) -> &Admission {
        &self.0.bytes
    }

    /// Waits for leave to gather a page of whole documents.
    pub(super) async fn page_maker(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.0.page_makers.acquire().await.ok()
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

    pub(super) fn started_at(&self) -> &Timestamp {
        &self.0.started_at
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        self.0.started.elapsed().as_secs()
    }
}

impl Parts {
    pub(super) fn tcp(&self) -> Option<&TcpGate> {
        self.tcp.get().map(Arc::as_ref)
    }

    fn silences(&self) -> Vec<String> {
        self.silences
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells whether every part of the store and the job queue are up.
    pub(super) fn health(&self) -> Result<(), String> {
        self.versions.storage().health().and_then(|()| self.jobs.health())
    }

    /// Returns what somebody should look at although everything is served.
    pub(super) fn concerns(&self) -> Vec<String> {
        let mut concerns = self.silences();
        concerns.extend(self.versions.storage().concerns());
        concerns
    }
}
