//! The running daemon: what it is made of, and the order in which that starts and stops.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::audit::{AuditLog, Draft, Outcome};
use crate::config::paths::Paths;
use crate::config::{Config, LimitsConfig, RetentionConfig};
use crate::evidence::EvidenceRules;
use crate::http::socket::{BindError, SocketFile};
use crate::http::tcp::{TcpDoor, TcpGate};
use crate::http::{AppState, HttpLimits, serve, serve_tcp, socket};
use crate::jobs::{JobError, JobLimits, JobQueue, Ledger};
use crate::log_events::LogEvent;
use crate::storage::filesystem::{FileSystemStorage, OpenError, Recovery};
use crate::storage::{Action, Actor, VersionStorage};
use crate::versions::VersionManager;

use super::activation::{PassedSocket, PassedSockets};
use super::manager::StatusLine;
use super::metrics::ConfiguredLimits;
use super::predecessor;
use super::storage::Opened;
use super::tcp::TcpError;
use super::watchdog::{Patients, Watchdog};

/// The variable that names the directory of this user's sockets.
const RUNTIME_DIR_VARIABLE: &str = "XDG_RUNTIME_DIR";

/// A daemon that serves. Dropping it without [`Daemon::stop`] leaves its tasks running.
#[derive(Debug)]
pub struct Daemon {
    storage: Arc<dyn VersionStorage>,
    files: Option<Arc<FileSystemStorage>>,
    jobs: JobQueue,
    state: AppState,
    socket: Socket,
    /// What each request over TCP has to pass, where there is TCP.
    gate: Option<Arc<TcpGate>>,
    /// Serving ends with it.
    stop_serving: DropGuard,
    server: JoinHandle<()>,
    /// What is kept, and the task that collects the rest.
    kept: RetentionConfig,
    retention: Option<JoinHandle<()>>,
    /// Looks how old the newest backup is, once.
    looking: JoinHandle<()>,
    watchdog: Option<Watchdog>,
    /// The numbers of the configuration, as they are shown.
    limits: ConfiguredLimits,
}

/// Where clients find the daemon.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    /// The socket's file, when it is ours to remove.
    _file: Option<SocketFile>,
}

/// Why the daemon could not start. What it had opened is closed again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The language model.
    #[error("the language model cannot be used: {0}; without optimizer.llm.endpoint none is")]
    Llm(String),
    /// The ledger of jobs.
    #[error("the job queue cannot start: {0}")]
    Jobs(#[from] JobError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The group of the socket.
    #[error("daemon.access.socket_group: there is no group {0:?} on this host: make it, or name another")]
    NoGroup(String),
    /// TCP.
    #[error(transparent)]
    Tcp(#[from] TcpError),
}

impl Daemon {
    /// Opens the store, goes on with the jobs that had not ended, and then opens the socket. When this returns, requests are served.
    ///
    /// # Errors
    /// [`StartError`] says what to do.
    pub async fn start(config: &Config, paths: &Paths) -> Result<Self, StartError> {
        Self::start_on(config, paths, PassedSockets::default(), &watch::Sender::default()).await
    }

    /// As [`Daemon::start`], on the sockets that were passed; tells how far the recovery is.
    pub(super) async fn start_on(
        config: &Config,
        paths: &Paths,
        passed: PassedSockets,
        progress: &watch::Sender<Recovery>,
    ) -> Result<Self, StartError> {
        let PassedSockets {
            control: passed, tcp, ..
        } = passed;
        let group = match &passed {
            Some(_) => None,
            None => socket_group(config).await?,
        };
        // Who comes before everything is open waits.
        let door = super::tcp::open(&config.daemon.tcp, tcp).await?;
        let Opened {
            storage,
            files,
            ledger,
            audit,
            metrics,
        } = super::storage::open(config, paths, progress).await?;
        let rules = EvidenceRules {
            min_results: config.optimizer.evidence.min_results,
        };
        let versions = VersionManager::new(Arc::clone(&storage)).with_evidence_rules(rules);
        let jobs = match start_jobs(&versions, ledger, config, paths).await {
            Ok(jobs) => jobs,
            Err(error) => {
                storage.close().await;
                return Err(error);
            }
        };
        let (listener, socket) = match listen(config, paths, passed, group).await {
            Ok(bound) => bound,
            Err(error) => {
                jobs.close().await;
                storage.close().await;
                return Err(error.into());
            }
        };
        let retention = super::retention::start(&config.optimizer.storage.config.retention, jobs.clone());
        let optimization = config.optimizer.optimization.clone();
        let state = AppState::new(
            versions,
            jobs.clone(),
            http_limits(&config.daemon.limits),
            optimization,
        );
        if let Some(audit) = audit {
            state.set_audit(audit);
        }
        super::access::apply(&state, config).await;
        let limits = metrics.publish(config, &jobs, &state);
        let looking = tokio::spawn(find_last_backup(Arc::clone(&storage), jobs.clone()));
        let version = format!("promptd {}", env!("CARGO_PKG_VERSION"));
        note(state.audit(), Action::Start, version).await;
        let gate = door.as_ref().map(|door| Arc::clone(door.gate()));
        gate.iter().for_each(|gate| state.set_tcp(Arc::clone(gate)));
        let told_to_stop = CancellationToken::new();
        let server = tokio::spawn(serve_all(state.clone(), listener, door, told_to_stop.clone()));
        Ok(Self {
            storage,
            files,
            jobs,
            state,
            socket,
            gate,
            stop_serving: told_to_stop.drop_guard(),
            server,
            kept: config.optimizer.storage.config.retention.clone(),
            retention,
            looking,
            watchdog: None,
            limits,
        })
    }

    /// Writes into the audit log that the configuration was read again.
    pub(super) async fn note_reload(&self, detail: String) {
        note(self.state.audit(), Action::Reload, detail).await;
    }

    /// Returns where clients find the daemon.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket.path
    }

    /// Returns what is served over TCP, if anything is.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpGate> {
        self.gate.as_deref()
    }

    /// Returns the storage, for what needs no request: status, health.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn VersionStorage> {
        &self.storage
    }

    /// Lets the watchdog ask every actor from now on. Without it the daemon serves as well.
    pub(super) fn watch_over(&mut self, line: &Arc<StatusLine>, period: Duration) {
        let patients = Patients {
            storage: Arc::clone(&self.storage),
            files: self.files.clone(),
            jobs: self.jobs.clone(),
            state: self.state.clone(),
        };
        match Watchdog::start(patients, line, period) {
            Ok(watchdog) => self.watchdog = watchdog,
            Err(error) => tracing::error!(%error, "the watchdog cannot be started"),
        }
    }

    /// Takes what of a configuration can change without a restart: the limits, who may do what, watching, retention.
    pub(super) async fn take(&mut self, config: &Config) {
        self.state.set_limits(http_limits(&config.daemon.limits));
        let feed = self.state.versions().storage().feed();
        feed.set_capacity(config.daemon.limits.max_events_kept);
        self.jobs.set_limits(job_limits(config)).await;
        if let Some(files) = &self.files {
            files.change_settings(&super::storage::options_of(config));
        }
        super::access::apply(&self.state, config).await;
        super::tcp::renew_token(self.gate.as_deref(), config).await;
        self.limits.show(config);
        let kept = &config.optimizer.storage.config.retention;
        // The same settings begin no new pause: who reloads every day would never collect.
        if self.kept != *kept {
            if let Some(task) = self.retention.take() {
                task.abort();
            }
            self.kept = kept.clone();
            self.retention = super::retention::start(kept, self.jobs.clone());
        }
    }

    /// Resolves when the server ends without having been told to: that is a mistake in the daemon.
    pub(super) async fn server_ended(&mut self) {
        if let Err(error) = (&mut self.server).await {
            tracing::error!(%error, "the server failed");
        }
    }

    /// Stops accepting, lets requests end within `drain_timeout_ms`, then stops the jobs, which run again at the next
    /// start, and closes the store.
    pub async fn stop(self) {
        let Self {
            storage,
            files,
            jobs,
            state,
            socket,
            gate: _,
            stop_serving,
            server,
            kept: _,
            retention,
            looking,
            watchdog,
            limits: _,
        } = self;
        looking.abort();
        drop((watchdog, files, state));
        if let Some(task) = retention {
            task.abort();
        }
        // New clients find nobody from here on, or wait in a socket that was passed until the next start; those that are
        // connected are served to their end.
        drop(socket);
        drop(stop_serving);
        if !server.is_finished()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "the server failed while it stopped");
        }
        jobs.close().await;
        storage.close().await;
    }
}

/// Serves on every listener until it is told to stop.
async fn serve_all(
    state: AppState,
    listener: UnixListener,
    door: Option<TcpDoor>,
    told_to_stop: CancellationToken,
) {
    let over_tcp = async {
        if let Some(door) = door {
            serve_tcp(state.clone(), door, told_to_stop.cancelled()).await;
        }
    };
    tokio::join!(serve(state.clone(), listener, told_to_stop.cancelled()), over_tcp);
}

async fn start_jobs(
    versions: &VersionManager,
    ledger: Arc<dyn Ledger>,
    config: &Config,
    paths: &Paths,
) -> Result<JobQueue, StartError> {
    let model = super::llm::open(config, paths).await.map_err(StartError::Llm)?;
    Ok(JobQueue::start_with_model(versions.clone(), ledger, job_limits(config), model).await?)
}

/// The ledger forgets old jobs, and backups may have been made before there was one.
async fn find_last_backup(storage: Arc<dyn VersionStorage>, jobs: JobQueue) {
    match storage.backups().await {
        Ok(backups) => {
            let finished = backups
                .iter()
                .map(|backup| backup.finished_at.instant().as_second());
            finished.for_each(|at| jobs.saw_backup(at));
        }
        Err(error) => tracing::debug!(%error, "it is not known how old the newest backup is"),
    }
}

/// Finds the group of the socket, before anything is opened.
async fn socket_group(config: &Config) -> Result<Option<u32>, StartError> {
    let Some(name) = config.daemon.access.socket_group.clone() else {
        return Ok(None);
    };
    let asked = name.clone();
    let found = tokio::task::spawn_blocking(move || super::access::group(&asked)).await;
    match found.ok().flatten() {
        Some(gid) => Ok(Some(gid)),
        None => Err(StartError::NoGroup(name)),
    }
}

async fn note(audit: Option<&AuditLog>, action: Action, detail: String) {
    if let Some(audit) = audit {
        let mut draft = Draft::new(&Actor::daemon(), action, Outcome::Done);
        draft.detail = Some(detail);
        audit.note(draft).await;
    }
}

/// Takes the socket that was passed, or makes one.
async fn listen(
    config: &Config,
    paths: &Paths,
    passed: Option<PassedSocket>,
    group: Option<u32>,
) -> Result<(UnixListener, Socket), BindError> {
    let Some(PassedSocket { listener, path }) = passed else {
        let mode = config.daemon.socket_mode.bits();
        let attempt = || ready(bind(&paths.socket, mode, group));
        let is_held = |error: &BindError| matches!(error, BindError::InUse(_));
        let (listener, file) = predecessor::outlast(attempt, is_held).await?;
        let path = file.path().to_owned();
        let _file = Some(file);
        return Ok((listener, Socket { path, _file }));
    };
    let is_elsewhere = |configured: &PathBuf| *configured != path;
    if config.daemon.socket.as_ref().is_some_and(is_elsewhere) || config.daemon.access.socket_group.is_some()
    {
        tracing::warn!(
            event = %LogEvent::ConfigDoubtful,
            path = %path.display(),
            "the socket was passed by the service manager: daemon.socket, daemon.socket_mode and \
             daemon.access.socket_group are not used"
        );
    }
    let listener = UnixListener::from_std(listener).map_err(|source| BindError::Io {
        doing: "listening on",
        path: path.clone(),
        source,
    })?;
    Ok((listener, Socket { path, _file: None }))
}

fn bind(path: &Path, mode: u32, group: Option<u32>) -> Result<(UnixListener, SocketFile), BindError> {
    let private_root = std::env::var_os(RUNTIME_DIR_VARIABLE);
    let (listener, socket) = socket::bind(path, mode, private_root.as_deref().map(Path::new), group)?;
    let listener = UnixListener::from_std(listener).map_err(|source| BindError::Io {
        doing: "listening on",
        path: path.to_owned(),
        source,
    })?;
    Ok((listener, socket))
}

fn http_limits(limits: &LimitsConfig) -> HttpLimits {
    HttpLimits {
        max_body_bytes: limits.max_body_bytes.as_usize(),
        max_import_bytes: limits.max_import_bytes.as_usize(),
        max_connections: limits.max_connections,
        max_connections_per_peer: limits.max_connections_per_peer,
        max_requests_in_flight: limits.max_requests_in_flight,
        max_requests_in_flight_per_peer: limits.max_requests_in_flight_per_peer,
        max_bytes_in_flight: limits.max_bytes_in_flight.as_usize(),
        header_timeout_ms: limits.header_timeout_ms,
        body_timeout_ms: limits.body_timeout_ms,
        request_timeout_ms: limits.request_timeout_ms,
        idle_timeout_ms: limits.idle_timeout_ms,
        drain_timeout_ms: limits.drain_timeout_ms,
        max_watch_streams: limits.max_watch_streams,
        max_watch_streams_per_peer: limits.max_watch_streams_per_peer,
        watch_heartbeat_ms: limits.watch_heartbeat_ms,
        max_page_items: limits.max_page_items,
        default_page_items: limits.default_page_items,
        max_history_documents: limits.max_history_documents,
    }
}

fn job_limits(config: &Config) -> JobLimits {
    let limits = &config.daemon.limits;
    let mut job_limits = JobLimits {
        max_jobs_queued: limits.max_jobs_queued,
        max_jobs_queued_per_author: limits.max_jobs_queued_per_author,
        max_jobs_kept: limits.max_jobs_kept,
        max_job_seconds: limits.max_job_seconds,
        max_concurrent_prompts: limits.max_concurrent_prompts,
        optimization: config.optimizer.optimization.clone(),
        ..JobLimits::default()
    };
    let documents = &mut job_limits.extract.limits;
    documents.max_document_bytes = limits.max_import_bytes.as_usize();
    documents.max_prompts = limits.max_import_prompts;
    job_limits
}

impl StartError {
    /// Returns the exit code of a daemon that could not start (sysexits.h): 75 when another daemon is in the way, 73 when
    /// the store or the socket cannot be made, 78 when the language model is configured wrongly or the group of the socket
    /// does not exist, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Store(OpenError::Locked { .. }) | Self::Socket(BindError::InUse(_)) => 75,
            Self::Store(OpenError::Directory { .. }) | Self::Socket(_) => 73,
            Self::Store(_) | Self::Jobs(_) => 1,
            Self::Llm(_) | Self::NoGroup(_) => 78,
            Self::Tcp(error) => error.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Admission, Bounds, Claimant};
    use crate::jobs::JobKind;

    #[test]
    fn the_defaults_of_the_configuration_are_the_defaults_of_the_server() {
        assert_eq!(http_limits(&LimitsConfig::default()), HttpLimits::default());
    }

    #[test]
    fn with_the_defaults_one_process_cannot_fill_the_queue_of_a_shard() {
        let config = Config::default();
        let limits = &config.daemon.limits;
        let connections = Admission::new(Bounds {
            all: limits.max_connections,
            per_peer: limits.max_connections_per_peer,
        });
        let process = Claimant {
            peer: Some(1),
            process: Some(1),
        };
        let writes = std::iter::from_fn(|| connections.try_enter(process).ok());
        let writes = writes.collect::<Vec<_>>().len();
        let jobs = JobKind::Import.max_running() + JobKind::Optimize.max_running();
        let of_jobs = jobs * limits.max_concurrent_prompts;
        let queue = config.optimizer.storage.config.max_queue_depth;
        assert!(writes + of_jobs < queue, "{writes} and {of_jobs} of {queue}");
    }
}
