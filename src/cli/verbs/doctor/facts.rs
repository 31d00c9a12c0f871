//! What the doctor looks at: plain facts about an installation, gathered before anything is judged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// Everything that was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) user: User,
    pub(super) config: ConfigFacts,
    pub(super) socket: SocketFacts,
    pub(super) daemon: DaemonFacts,
    pub(super) store: Option<StoreFacts>,
    pub(super) inotify: InotifyFacts,
    pub(super) units: Vec<UnitFacts>,
    pub(super) clock: ClockFacts,
    pub(super) shell: ShellFacts,
    /// When the newest backup was finished, in seconds since 1970.
    pub(super) last_backup: Option<i64>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) name: String,
}

/// The configuration that a promptd started here would have.
#[derive(Debug, Clone, Default)]
pub(super) struct ConfigFacts {
    /// The file; `None` when there is none and the defaults hold.
    pub(super) file: Option<PathBuf>,
    /// Why it is refused.
    pub(super) error: Option<String>,
    /// Whether everything is kept in memory.
    pub(super) in_memory: bool,
}

/// The place where promptd is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct SocketFacts {
    pub(super) path: PathBuf,
    /// Where it was looked for.
    pub(super) tried: Vec<PathBuf>,
    pub(super) state: SocketState,
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum SocketState {
    /// Nothing.
    #[default]
    Missing,
    /// Something that is no socket.
    NotASocket,
    /// A socket on which nobody listens: its daemon was killed.
    Stale,
    /// The user may not open it, or not reach it.
    Denied {
        /// The group that may.
        group: Option<String>,
        /// The mode of the socket, or of the directory that is in the way.
        mode: u32,
    },
    /// Somebody listens.
    Open,
    /// Something else is wrong with it.
    Broken(String),
}

/// The daemon, if it answers.
#[derive(Debug, Clone, Default)]
pub(super) struct DaemonFacts {
    /// What it says of itself.
    pub(super) status: Option<Value>,
    /// Why it did not answer.
    pub(super) error: Option<String>,
}

/// The directory of the store.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreFacts {
    pub(super) path: PathBuf,
    pub(super) kind: StoreKind,
    pub(super) owner: u32,
    pub(super) owner_name: String,
    pub(super) mode: u32,
    /// Whether the user may read and write it.
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    pub(super) is_read_only: bool,
    pub(super) free: u64,
    pub(super) total: u64,
    /// What is to stay free.
    pub(super) min_free: u64,
    /// The name of a file system on which nothing may be durable.
    pub(super) doubtful_file_system: Option<&'static str>,
    /// The process that holds the lock.
    pub(super) locked_by: Option<u32>,
    /// The process that the lock file names.
    pub(super) lock_names: Option<u32>,
    /// Directories that want a watch.
    pub(super) directories: u64,
    /// When something in it was last changed, in seconds since 1970.
    pub(super) changed_at: i64,
}

/// What stands where the store belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// Nothing: the first start makes it.
    #[default]
    Missing,
    /// A directory.
    Directory,
    /// Something else.
    Other,
}

/// The limits of inotify.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct InotifyFacts {
    pub(super) limit: Option<u64>,
}

/// A unit of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UnitFacts {
    /// Such as `promptd.service`.
    pub(super) name: String,
    /// Whether it belongs to the user's own systemd.
    pub(super) is_of_user: bool,
    pub(super) properties: BTreeMap<String, String>,
}

/// The time of day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ClockFacts {
    /// In seconds since 1970.
    pub(super) now: i64,
    /// Whether it is kept right over the network, where systemd says.
    pub(super) is_synchronized: Option<bool>,
}

/// What makes promptctl comfortable.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShellFacts {
    pub(super) has_manual: bool,
    pub(super) has_completions: bool,
}

impl UnitFacts {
    pub(super) fn get(&self, property: &str) -> &str {
        self.properties.get(property).map_or("", String::as_str)
    }

    /// Tells whether systemd knows the unit.
    pub(super) fn is_loaded(&self) -> bool {
        self.get("LoadState") == "loaded"
    }

    /// Returns how systemctl is called for it.
    pub(super) fn systemctl(&self) -> &'static str {
        if self.is_of_user {
            "systemctl --user"
        } else {
            "sudo systemctl"
        }
    }
}
