//! Who is at the other end of a connection, as the kernel says.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Principal;
use crate::admission::Claimant;
use crate::model::Author;

/// How many names are remembered; past that, all are forgotten and looked up again.
const MAX_REMEMBERED_NAMES: usize = 1_024;

/// The name in the log of somebody over TCP.
const TCP: &str = "tcp";

/// How long the host may take to find a name or groups; a name service over a network may hang.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the groups of a user are remembered.
const GROUPS_ARE_KEPT: Duration = Duration::from_secs(10);

/// The user behind a connection. It travels with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Who changes are recorded for.
    pub(super) author: Author,
    /// Who rules are about; `None` over TCP, where nobody knows.
    pub(super) principal: Option<Principal>,
    /// The primary group of the process.
    pub(super) gid: Option<u32>,
    /// The process, for logs alone: by the time that somebody looks, the number may be another's.
    pub(super) pid: Option<i32>,
}

impl Peer {
    /// Returns who takes places among requests.
    pub(super) const fn claimant(&self) -> Claimant {
        Claimant {
            peer: self.author.uid,
            process: self.pid,
        }
    }

    /// Somebody over TCP who has the token.
    pub(super) fn over_tcp() -> Self {
        Self {
            author: Author {
                name: TCP.to_owned(),
                uid: None,
            },
            principal: None,
            gid: None,
            pid: None,
        }
    }

    /// Returns the number of the user.
    pub(super) fn uid(&self) -> Option<u32> {
        self.principal.as_ref().map(|principal| principal.uid)
    }
}

/// Returns who wants to connect. Those of whom the kernel does not tell are one.
pub(super) fn claimant_of(socket: impl AsFd) -> Claimant {
    rustix::net::sockopt::socket_peercred(socket).map_or_else(
        |_| Claimant::default(),
        |credentials| Claimant {
            peer: Some(credentials.uid.as_raw()),
            process: Some(credentials.pid.as_raw_pid()),
        },
    )
}

/// The names and groups of users, looked up once each.
#[derive(Debug, Default)]
pub(super) struct Users {
    names: Mutex<HashMap<u32, String>>,
    groups: Mutex<HashMap<(u32, u32), Membership>>,
}

/// The groups of a user, and when they were looked up.
#[derive(Debug)]
struct Membership {
    at: Instant,
    gids: Vec<u32>,
}

impl Users {
    /// Finds the user at the other end of a connected socket.
    ///
    /// # Errors
    /// When the kernel does not tell; then the connection must not be served.
    pub(super) async fn peer_of(&self, socket: impl AsFd) -> std::io::Result<Peer> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        let (uid, gid) = (credentials.uid.as_raw(), credentials.gid.as_raw());
        let name = self.name_of(uid).await;
        let gids = self.groups_of(uid, gid, &name).await;
        Ok(Peer {
            author: Author { name, uid: Some(uid) },
            principal: Some(Principal { uid, gids }),
            gid: Some(gid),
            pid: Some(credentials.pid.as_raw_pid()),
        })
    }

    /// Returns the groups of a user: the one of the process, which the kernel says, and those that the user database has now.
    /// What other groups the process itself has would be `SO_PEERGROUPS`, which nothing safe asks for.
    async fn groups_of(&self, uid: u32, gid: u32, name: &str) -> Vec<u32> {
        let groups = || self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = groups().get(&(uid, gid))
            && known.at.elapsed() < GROUPS_ARE_KEPT
        {
            return known.gids.clone();
        }
        let owned = name.to_owned();
        let lookup = tokio::task::spawn_blocking(move || {
            let found = uzers::get_user_groups(&owned, gid).unwrap_or_default();
            let numbers = found.iter().map(uzers::Group::gid).filter(|other| *other != gid);
            std::iter::once(gid).chain(numbers).collect::<Vec<u32>>()
        });
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(gids)) => {
                let mut groups = groups();
                if groups.len() >= MAX_REMEMBERED_NAMES {
                    groups.clear();
                }
                let known = Membership {
                    at: Instant::now(),
                    gids: gids.clone(),
                };
                groups.insert((uid, gid), known);
                gids
            }
            _ => {
                tracing::warn!(
                    peer_uid = uid,
                    "the host does not tell the groups of a user in time: rules for groups do not name them"
                );
                vec![gid]
            }
        }
    }

    async fn name_of(&self, uid: u32) -> String {
        if let Some(name) = self.remembered(uid) {
            return name;
        }
        let lookup = tokio::task::spawn_blocking(move || {
            uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned())
        });
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(Some(name))) => {
                self.remember(uid, &name);
                name
            }
            // Not remembered: the host may learn the name, or its name service come back.
            _ => format!("uid:{uid}"),
        }
    }

    fn remembered(&self, uid: u32) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&uid).cloned()
    }

    fn remember(&self, uid: u32, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MAX_REMEMBERED_NAMES {
            names.clear();
        }
        names.insert(uid, name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_other_end_of_a_pair_is_this_process_and_its_user() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let users = Users::default();
        let first = users.peer_of(&one).await.unwrap();
        assert_eq!(first.author.uid, Some(rustix::process::getuid().as_raw()));
        assert!(!first.author.name.is_empty());
        assert_eq!(first.uid(), Some(rustix::process::getuid().as_raw()));
        let gids = &first.principal.as_ref().unwrap().gids;
        assert_eq!(gids.first(), Some(&rustix::process::getgid().as_raw()));
        assert_eq!(first.pid, Some(rustix::process::getpid().as_raw_pid()));
        assert_eq!(users.peer_of(&one).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_user_without_a_name_goes_by_the_number() {
        assert_eq!(Users::default().name_of(4_000_123_456).await, "uid:4000123456");
    }
}
