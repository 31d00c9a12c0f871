//! The configuration as plain data: one struct per section, one field per key.
//!
//! Defaults live here and nowhere else; bounds and the text of the manual are in [`keys`](super::keys()). Building one of
//! these by hand skips validation, which is right for tests; the daemon only uses what [`load`](super::load()) returns.

mod daemon;
mod evidence;
mod storage;

use serde::{Deserialize, Serialize};

use crate::llm::LlmSettings;
use crate::optimizer::OptimizationSettings;

pub use daemon::{
    AccessConfig, AccessRule, AuditConfig, AuditFailure, ColorChoice, DaemonConfig, LimitsConfig, LogFormat,
    LogLevel, LoggingConfig, TcpConfig, TcpService, WatchdogConfig,
};
pub use evidence::EvidenceConfig;
pub use storage::{
    ExternalEdit, FileStoreConfig, RestartConfig, RetentionConfig, ScrubConfig, StorageBackend,
    StorageConfig, WatchConfig, WatchMode,
};

/// Everything that can be configured: the shape of `promptd.yaml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where prompts are kept.
    pub optimizer: OptimizerConfig,
    /// The daemon: socket, limits, logging.
    pub daemon: DaemonConfig,
}

/// The section `optimizer`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The version store.
    pub storage: StorageConfig,
    /// What an optimisation may do and must reach.
    pub optimization: OptimizationSettings,
    /// The language model that strategies may ask.
    pub llm: LlmSettings,
    /// Test results.
    pub evidence: EvidenceConfig,
}
