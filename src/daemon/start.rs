//! The running daemon: what it is made of, and the order in which that starts and stops.

use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::access::{Policy, Role};
use crate::audit::{AuditLog, Draft, Outcome};
use crate::config::paths::Paths;
use crate::config::{Config, LimitsConfig};
use crate::http::socket::{BindError, SocketFile};
use crate::http::{AppState, HttpLimits, serve, socket};
use crate::jobs::{JobError, JobLimits, JobQueue};
use crate::storage::filesystem::OpenError;
use crate::storage::{Action, Actor, VersionStorage};
use crate::versions::VersionManager;

use super::storage::Opened;

/// The variable that names the directory of this user's sockets.
const RUNTIME_DIR_VARIABLE: &str = "XDG_RUNTIME_DIR";

/// A daemon that serves. Dropping it without [`Daemon::stop`] leaves its tasks running.
#[derive(Debug)]
pub struct Daemon {
    storage: Arc<dyn VersionStorage>,
    jobs: JobQueue,
    socket: SocketFile,
    stop_serving: oneshot::Sender<()>,
    server: JoinHandle<()>,
    retention: Option<JoinHandle<()>>,
    control: AccessControl,
}

/// What changes who may do what while the daemon runs.
#[derive(Debug)]
struct AccessControl {
    state: AppState,
}

impl AccessControl {
    /// Finds the numbers of all names and takes the rules over, from the next request on.
    async fn apply(&self, config: &Config) {
        let access = config.daemon.access.clone();
        let policy = tokio::task::spawn_blocking(move || super::access::policy(&access)).await;
        match policy {
            Ok(policy) => self.state.set_policy(policy),
            Err(error) => {
                tracing::error!(%error, "the rules of access could not be read: nobody but root and the daemon's user may do anything");
                self.state.set_policy(Policy::new(
                    Role::None,
                    Vec::new(),
                    rustix::process::geteuid().as_raw(),
                ));
            }
        }
        self.state.set_audits_refusals(config.daemon.audit.log_refused);
    }
}

/// Why the daemon could not start. What it had opened is closed again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The ledger of jobs.
    #[error("the job queue cannot start: {0}")]
    Jobs(#[from] JobError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The group of the socket.
    #[error("daemon.access.socket_group: there is no group {0:?} on this host: make it, or name another")]
    NoGroup(String),
}

impl Daemon {
    /// Opens the store, goes on with the jobs that had not ended, and then opens the socket. When this returns, requests are served.
    ///
    /// # Errors
    /// [`StartError`] says what to do.
    pub async fn start(config: &Config, paths: &Paths) -> Result<Self, StartError> {
        let group = socket_group(config).await?;
        let Opened {
            storage,
            ledger,
            audit,
        } = super::storage::open(config, paths).await?;
        let limits = &config.daemon.limits;
        let versions = VersionManager::new(Arc::clone(&storage));
        let jobs = match JobQueue::start(versions.clone(), ledger, job_limits(config)).await {
            Ok(jobs) => jobs,
            Err(error) => {
                storage.close().await;
                return Err(error.into());
            }
        };
        let (listener, socket) = match bind(&paths.socket, config.daemon.socket_mode.bits(), group) {
            Ok(bound) => bound,
            Err(error) => {
                jobs.close().await;
                storage.close().await;
                return Err(error.into());
            }
        };
        let retention = super::retention::start(&config.optimizer.storage.config.retention, jobs.clone());
        let optimization = config.optimizer.optimization.clone();
        let state = AppState::new(versions, jobs.clone(), http_limits(limits), optimization);
        if let Some(audit) = &audit {
            state.set_audit(audit.clone());
        }
        let control = AccessControl { state: state.clone() };
        control.apply(config).await;
        note(
            audit.as_ref(),
            Action::Start,
            format!("promptd {}", env!("CARGO_PKG_VERSION")),
        )
        .await;
        let (stop_serving, told_to_stop) = oneshot::channel();
        let server = tokio::spawn(serve(state, listener, async {
            // A sender that is gone means the same as a message.
            let _told = told_to_stop.await;
        }));
        Ok(Self {
            storage,
            jobs,
            socket,
            stop_serving,
            server,
            retention,
            control,
        })
    }

    /// Takes over who may do what from a configuration that was read again.
    pub(super) async fn reload_access(&self, config: &Config) {
        self.control.apply(config).await;
    }

    /// Writes into the audit log that the configuration was read again.
    pub(super) async fn note_reload(&self, detail: String) {
        note(self.control.state.audit(), Action::Reload, detail).await;
    }

    /// Returns where clients find the daemon.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// Returns the storage, for what needs no request: status, health.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn VersionStorage> {
        &self.storage
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
            jobs,
            socket,
            stop_serving,
            server,
            retention,
            control: _,
        } = self;
        if let Some(task) = retention {
            task.abort();
        }
        // New clients find nobody from here on; those that are connected are served to their end.
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
        max_requests_in_flight: limits.max_requests_in_flight,
        header_timeout_ms: limits.header_timeout_ms,
        body_timeout_ms: limits.body_timeout_ms,
        request_timeout_ms: limits.request_timeout_ms,
        idle_timeout_ms: limits.idle_timeout_ms,
        drain_timeout_ms: limits.drain_timeout_ms,
        max_page_items: limits.max_page_items,
        default_page_items: limits.default_page_items,
        max_history_documents: limits.max_history_documents,
    }
}

fn job_limits(config: &Config) -> JobLimits {
    let limits = &config.daemon.limits;
    let mut job_limits = JobLimits {
        max_jobs_queued: limits.max_jobs_queued,
        max_jobs_kept: limits.max_jobs_kept,
        max_job_seconds: limits.max_job_seconds,
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
    /// the store or the socket cannot be made, 78 when the group of the socket does not exist, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Store(OpenError::Locked { .. }) | Self::Socket(BindError::InUse(_)) => 75,
            Self::Store(OpenError::Directory { .. }) | Self::Socket(_) => 73,
            Self::Store(_) | Self::Jobs(_) => 1,
            Self::NoGroup(_) => 78,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_the_defaults_of_the_server() {
        assert_eq!(http_limits(&LimitsConfig::default()), HttpLimits::default());
    }
}
