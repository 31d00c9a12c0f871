//! Why a call failed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket.
    #[error("cannot reach promptd at {socket} ({reason}): {remedy}", socket = .socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the operating system said.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The daemon refused.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The answer did not come in time.
    #[error("{doing}: no answer within {} s; if it was a change, it may still be done", .after.as_secs_f32())]
    Timeout {
        /// Which request.
        doing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection ended before the answer came.
    #[error("{doing}: the connection was lost ({reason}); if it was a change, it may or may not be done")]
    Lost {
        /// Which request.
        doing: String,
        /// What happened.
        reason: String,
    },
    /// The answer exceeds [`super::Limits::max_answer_bytes`].
    #[error("{doing}: the answer has more than {limit} bytes")]
    TooLarge {
        /// Which request.
        doing: String,
        /// The limit.
        limit: usize,
    },
    /// The answer is not what this client understands.
    #[error(
        "the answer of promptd is not understood ({reason}): are promptctl and promptd of the same version?"
    )]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// The request cannot be written.
    #[error("the request cannot be sent: {reason}")]
    Unsendable {
        /// What is wrong with it.
        reason: String,
    },
}

/// What the daemon says when it refuses (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{}", if detail.is_empty() { title } else { detail })]
pub struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// The kind of problem, in words.
    #[serde(default)]
    pub title: String,
    /// What is wrong this time.
    #[serde(default)]
    pub detail: String,
    /// After how long to try again, where the daemon says so.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl ClientError {
    /// Returns the stable code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Returns after how long to try again, where the daemon says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after,
            _ => None,
        }
    }

    /// Tells whether the same request may work in a moment, and was surely not carried out.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.code(), Some("busy" | "unavailable"))
    }

    pub(super) fn unreachable(socket: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "join the group that owns the socket, or name another one with --socket"
            }
            _ => "start it with 'promptd' or 'systemctl start promptd', or name its socket with --socket",
        };
        Self::Unreachable {
            socket: socket.to_owned(),
            reason: plain_reason(error),
            remedy,
        }
    }

    pub(super) fn malformed(reason: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Malformed {
            reason: reason.to_string(),
        }
    }
}

fn plain_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: io::ErrorKind, expected: &str) {
        let error = ClientError::unreachable(Path::new("/run/p.sock"), &kind.into());
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn who_cannot_be_reached_and_what_to_do_is_said() {
        check(
            io::ErrorKind::NotFound,
            "cannot reach promptd at /run/p.sock (there is no such socket): start it with 'promptd' or \
             'systemctl start promptd', or name its socket with --socket",
        );
        check(
            io::ErrorKind::PermissionDenied,
            "cannot reach promptd at /run/p.sock (permission denied): join the group that owns the socket, or name \
             another one with --socket",
        );
    }
}
