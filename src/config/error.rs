//! What can be wrong with a configuration, in words that say where and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::MAX_CONFIG_BYTES;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file; line 0 stands for the whole file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// An argument of the command line.
    Argument(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Argument(name) => f.write_str(name),
        }
    }
}

/// Why a configuration is refused, or could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is larger than [`MAX_CONFIG_BYTES`].
    #[error("configuration file {} is larger than {MAX_CONFIG_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is not YAML, repeats a key, or is beyond the limits of the parser.
    #[error("{}{message}", prefix(at))]
    Syntax {
        /// Where, when the parser knows.
        at: Option<Origin>,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{at}: unknown key `{key}`{}", did_you_mean(suggestion))]
    UnknownKey {
        /// Where it stands.
        at: Origin,
        /// The key with its section.
        key: String,
        /// A known name near to it.
        suggestion: Option<String>,
    },
    /// A variable with the prefix of the configuration that names no key.
    #[error(
        "environment variable {name} names no configuration key{}",
        did_you_mean(suggestion)
    )]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The variable that sets the nearest key.
        suggestion: Option<String>,
    },
    /// A key set by two variables whose names differ only in case.
    #[error("environment variables {first} and {second} set the same key: remove one")]
    RepeatedVariable {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// A key of the earlier system that has nothing to set here.
    #[error(
        "{at}: `{key}` is no setting of promptd: the weights of the scores are fixed, versions are always kept, and no \
         strategy falls back to another; remove it"
    )]
    Unsupported {
        /// Where it stands.
        at: Origin,
        /// The key with its section.
        key: String,
    },
    /// A name of an older configuration.
    #[error(
        "{at}: `{old}` is an old name, now `{new}`: run promptctl config migrate {}",
        file(at)
    )]
    OldName {
        /// Where it stands.
        at: Origin,
        /// The old name with its section.
        old: String,
        /// The present name with its section.
        new: String,
    },
    /// A value of another type than its key.
    #[error("{at}: `{key}` must be {expected}, not {found}")]
    WrongType {
        /// Where the value came from.
        at: Origin,
        /// The key.
        key: String,
        /// What the key takes.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A secret where everybody reads it.
    #[error(
        "{at}: `{key}` is not taken: a secret does not belong into the configuration; name a systemd credential in \
         `{section}.credential`, or a file that only promptd can read in `{section}.credential_file`",
        section = section_of_secret(key)
    )]
    Secret {
        /// Where it stands.
        at: Origin,
        /// The key with its section.
        key: String,
    },
    /// A value that its key does not allow.
    #[error("{at}: `{key}` is {value}, but must be {bounds}")]
    OutOfBounds {
        /// Where the value came from.
        at: Origin,
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What the key takes.
        bounds: String,
    },
    /// Two values that do not go together.
    #[error("{at}: {message}")]
    Contradiction {
        /// Where the later of the two came from.
        at: Origin,
        /// What contradicts what.
        message: String,
    },
    /// A path for a Unix socket that the kernel does not take.
    #[error(
        "socket path {} has {length} bytes, but a Unix socket takes at most {max}: choose a shorter path with \
         --socket or daemon.socket, such as /run/promptd/promptd.sock",
        path.display(),
        max = super::paths::MAX_SOCKET_PATH_BYTES
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// No directory for the store is given and none can be derived.
    #[error(
        "no store directory: set --store DIR, or one of STATE_DIRECTORY, XDG_STATE_HOME and HOME to an absolute path"
    )]
    NoStoreDirectory,
    /// A file that the migration cannot edit without a risk to its meaning; nothing was changed.
    #[error("{}cannot be migrated in place: {message}; nothing was changed", prefix(at))]
    NotMigratable {
        /// Where, when it is one line.
        at: Option<Origin>,
        /// What stands in the way, and what to do by hand.
        message: String,
    },
    /// The migrated file or its backup cannot be written; the original is as it was.
    #[error("cannot write {}: {source}; the original file is unchanged", path.display())]
    Write {
        /// The file that was being written.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

fn section_of_secret(key: &str) -> &'static str {
    if key.starts_with("daemon.tcp") {
        "daemon.tcp"
    } else {
        "optimizer.llm"
    }
}

fn prefix(at: &Option<Origin>) -> String {
    at.as_ref().map_or_else(String::new, |at| format!("{at}: "))
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

fn file(at: &Origin) -> String {
    match at {
        Origin::File { path, .. } => path.display().to_string(),
        Origin::Variable(_) | Origin::Argument(_) => "FILE".to_owned(),
    }
}
