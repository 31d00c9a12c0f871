//! The configuration: file, defaults, environment, validation, migration of old names.
//!
//! Four layers, each over the one before: the defaults ([`Config::default`]), the file, variables named
//! `PROMPTD__SECTION__KEY`, and the command line. [`load()`] puts them together and refuses what it does not know: an
//! unknown key, a wrong type, a value out of bounds, each with the place where it stands. Nothing here reads the
//! process environment or any file other than the one it is given, so that every layer can be tested.
//!
//! [`paths`] derives the default places of the store and the socket; [`migrate()`] renames what older configurations called
//! otherwise; [`keys()`] lists every key with bounds and manual text, from which `config/promptd.yaml` is made.

mod byte_size;
mod error;
#[cfg(test)]
mod fuzz;
mod keys;
mod load;
mod migrate;
pub mod paths;
mod render;
mod settings;
mod socket_mode;
mod suggest;
mod validate;
mod yaml;

pub use byte_size::{ByteSize, InvalidByteSize};
pub use error::{ConfigError, Origin};
pub use keys::{KeyInfo, KeyKind, SectionInfo, changed_keys, environment_name, keys, sections};
pub use load::{Sources, load};
pub use migrate::{Change, Migration, migrate, migrate_file};
pub use render::commented_defaults;
pub use settings::{
    AccessConfig, AccessRule, AuditConfig, AuditFailure, ColorChoice, Config, DaemonConfig, EvidenceConfig,
    ExternalEdit, FileStoreConfig, LimitsConfig, LogFormat, LogLevel, LoggingConfig, OptimizerConfig,
    RestartConfig, RetentionConfig, ScrubConfig, StorageBackend, StorageConfig, TcpConfig, TcpService,
    WatchConfig, WatchMode, WatchdogConfig,
};
pub use socket_mode::{InvalidSocketMode, SocketMode};

/// The largest configuration file that is read, in bytes.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;
