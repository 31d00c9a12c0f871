//! What routes are served over TCP.

use std::fmt;

/// What somebody over TCP may ask for. The route table has the class of each route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The numbers of the daemon.
    Metrics,
    /// How the daemon is.
    Health,
    /// Prompts, their histories and what is known of them.
    Read,
    /// Nothing that TCP serves, whatever is configured.
    Never,
}

impl Class {
    /// Returns the word by which the configuration names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Read => "read",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
