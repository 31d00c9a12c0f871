//! The section `daemon`.

mod access;
mod tcp;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, SocketMode};

pub use access::{AccessConfig, AccessRule, AuditConfig, AuditFailure};
pub use tcp::{TcpConfig, TcpService};

/// The daemon: socket, limits, logging.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DaemonConfig {
    /// The Unix socket; `None` is the default of [`paths`](crate::config::paths).
    pub socket: Option<PathBuf>,
    /// The permission bits of the socket file.
    pub socket_mode: SocketMode,
    /// Who may do what.
    pub access: AccessConfig,
    /// The log of every change.
    pub audit: AuditConfig,
    /// What is served over TCP.
    pub tcp: TcpConfig,
    /// What one client, and all clients together, may ask for.
    pub limits: LimitsConfig,
    /// Whether the parts of the daemon still answer.
    pub watchdog: WatchdogConfig,
    /// What is logged, and how.
    pub logging: LoggingConfig,
}

/// What one client, and all clients together, may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// The largest request body.
    pub max_body_bytes: ByteSize,
    /// The largest request body of an import.
    pub max_import_bytes: ByteSize,
    /// The most open connections.
    pub max_connections: usize,
    /// The most open connections of one user.
    pub max_connections_per_peer: usize,
    /// The most requests that are worked on at one time.
    pub max_requests_in_flight: usize,
    /// The most requests of one user that are worked on at one time.
    pub max_requests_in_flight_per_peer: usize,
    /// The most bytes of request bodies and answers that are held at one time.
    pub max_bytes_in_flight: ByteSize,
    /// Milliseconds in which the head of a request must arrive.
    pub header_timeout_ms: u64,
    /// Milliseconds in which the body of a request must arrive.
    pub body_timeout_ms: u64,
    /// Milliseconds in which a request must be answered.
    pub request_timeout_ms: u64,
    /// Milliseconds after which a connection without a request is closed.
    pub idle_timeout_ms: u64,
    /// The most streams of changes.
    pub max_watch_streams: usize,
    /// The most streams of changes of one user.
    pub max_watch_streams_per_peer: usize,
    /// Milliseconds after which a stream of changes says that it is still there.
    pub watch_heartbeat_ms: u64,
    /// The most changes that are kept for those who follow them.
    pub max_events_kept: usize,
    /// The most items on one page of a list.
    pub max_page_items: usize,
    /// The items on one page when the client does not say.
    pub default_page_items: usize,
    /// The most whole documents on one page of a history.
    pub max_history_documents: usize,
    /// The most jobs that wait.
    pub max_jobs_queued: usize,
    /// The most jobs of one author that wait.
    pub max_jobs_queued_per_author: usize,
    /// The most finished jobs that are remembered.
    pub max_jobs_kept: usize,
    /// Seconds after which a running job is stopped.
    pub max_job_seconds: u64,
    /// Milliseconds that running requests get to finish when the daemon stops.
    pub drain_timeout_ms: u64,
    /// The most prompts in one import.
    pub max_import_prompts: usize,
    /// The most prompts that one job works on at a time.
    pub max_concurrent_prompts: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_body_bytes: ByteSize::mib(4),
            max_import_bytes: ByteSize::mib(16),
            max_connections: 256,
            max_connections_per_peer: 192,
            max_requests_in_flight: 1_024,
            max_requests_in_flight_per_peer: 768,
            max_bytes_in_flight: ByteSize::mib(128),
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            request_timeout_ms: 30_000,
            idle_timeout_ms: 300_000,
            max_watch_streams: 64,
            max_watch_streams_per_peer: 32,
            watch_heartbeat_ms: 15_000,
            max_events_kept: 10_000,
            max_page_items: 1_000,
            default_page_items: 50,
            max_history_documents: 200,
            max_jobs_queued: 64,
            max_jobs_queued_per_author: 48,
            max_jobs_kept: 1_000,
            max_job_seconds: 3_600,
            drain_timeout_ms: 20_000,
            max_import_prompts: 5_000,
            max_concurrent_prompts: 16,
        }
    }
}

/// Whether the parts of the daemon still answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchdogConfig {
    /// Milliseconds between two rounds of questions; 0 asks nobody.
    pub period_ms: u64,
}

impl Default for WatchdogConfig {
    fn default() -> Self {
        Self { period_ms: 10_000 }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
    /// Whether lines are coloured.
    pub color: ColorChoice,
    /// The most lines of one kind about one subject in a minute; 0 is no limit.
    pub max_events_per_minute: u32,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::default(),
            format: LogFormat::default(),
            color: ColorChoice::default(),
            max_events_per_minute: 10,
        }
    }
}

/// The levels of logging, from nothing to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What went wrong and needs someone.
    Error,
    /// What went wrong and was dealt with.
    Warn,
    /// What the daemon does: start, stop, recovery, jobs.
    #[default]
    Info,
    /// Each request and each commit.
    Debug,
    /// Each step.
    Trace,
}

impl LogLevel {
    /// Returns the name, as it is written in the file and as a tracing filter takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Entries of the journal where standard error leads there, else text.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
    /// Entries of the journal; text where there is none.
    Journal,
}

/// Whether log lines are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}
