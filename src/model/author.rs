//! Who makes a change.

use serde::{Deserialize, Serialize};

/// The one who makes a change: the user behind a connection, as the kernel says, or a part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Author {
    /// The user's name; `uid:N` when the host knows no name for it.
    pub name: String,
    /// The user's number, where a user is behind the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

impl Author {
    /// The daemon itself.
    #[must_use]
    pub fn daemon() -> Self {
        Self {
            name: "promptd".to_owned(),
            uid: None,
        }
    }
}
