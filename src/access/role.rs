//! What somebody may do, in four steps that hold each other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody may do. Each role may do what the roles before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing but asking whether the daemon is alive.
    None,
    /// Read prompts, their history and what is in the trash.
    Read,
    /// Make versions, delete them to the trash, bring them back, move labels that are not guarded.
    Write,
    /// Everything, also what cannot be undone.
    #[default]
    Admin,
}

impl Role {
    /// Returns the name, as it stands in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
