//! Why there was no place, in words.

use super::fairness::{Found, Verdict};

/// Whose bound it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// That of all together.
    All,
    /// That of one user.
    Peer,
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Whose bound it was.
    pub scope: Scope,
    /// That bound.
    pub max: usize,
    /// How many places the user has, or the process where it is about those of the user.
    pub held: usize,
    /// Whether there are places left, which are kept for others.
    pub is_kept: bool,
}

impl Refusal {
    /// Makes the refusal that follows from a verdict; none when there is a place.
    pub(super) fn of(verdict: Verdict, found: &Found) -> Option<Self> {
        let (scope, is_kept, max, held) = match verdict {
            Verdict::Fits => return None,
            Verdict::Full => (Scope::All, false, found.all, found.of_peer),
            Verdict::KeptForPeers => (Scope::All, true, found.all, found.of_peer),
            Verdict::PeerFull => (Scope::Peer, false, found.limit_of_peer(), found.of_peer),
            Verdict::KeptForProcesses => {
                let held = found.of_process.unwrap_or(found.of_peer);
                (Scope::Peer, true, found.share_of_peer(), held)
            }
        };
        Some(Self {
            scope,
            max,
            held,
            is_kept,
        })
    }

    /// Says it: what there is a bound on, and the keys of the configuration that set that of all and that of one user.
    #[must_use]
    pub fn describe(&self, what: &str, key: &str, key_of_peer: &str) -> String {
        let Self { max, held, .. } = self;
        match (self.scope, self.is_kept) {
            (Scope::All, false) => format!("there is no room for more than {max} {what} ({key}): try again"),
            (Scope::All, true) => format!(
                "your user has {held} of {max} {what} ({key}), and what is left is kept for other users: try again \
                 when some of yours are done"
            ),
            (Scope::Peer, false) => format!(
                "your user has as many {what} as one user may have, which is {max} ({key_of_peer}): try again \
                 when some of them are done"
            ),
            (Scope::Peer, true) => format!(
                "your process has {held} of the {max} {what} that one user may have now ({key_of_peer}), and \
                 what is left is kept for their other processes: try again when some of yours are done"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scope: Scope, is_kept: bool, parts: &[&str]) {
        let refusal = Refusal {
            scope,
            max: 8,
            held: 6,
            is_kept,
        };
        let said = refusal.describe("connections", "max_connections", "max_connections_per_peer");
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn a_refusal_names_the_key_and_what_to_do() {
        check(
            Scope::All,
            false,
            &["8 connections", "(max_connections)", "try again"],
        );
        check(
            Scope::All,
            true,
            &["6 of 8", "(max_connections)", "for other users"],
        );
        check(
            Scope::Peer,
            false,
            &["is 8", "(max_connections_per_peer)", "try again"],
        );
        check(
            Scope::Peer,
            true,
            &["6 of the 8", "(max_connections_per_peer)", "other processes"],
        );
    }
}
