//! Who is at the other end of a connection, as the kernel says.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::Author;

/// How many names are remembered; past that, all are forgotten and looked up again.
const MAX_REMEMBERED_NAMES: usize = 1_024;

/// How long the host may take to find a name; a name service over a network may hang.
const NAME_LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// The user behind a connection. It travels with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Who changes are recorded for.
    pub(super) author: Author,
}

/// The names of users, looked up once each.
#[derive(Debug, Default)]
pub(super) struct Users {
    names: Mutex<HashMap<u32, String>>,
}

impl Users {
    /// Finds the user at the other end of a connected socket.
    ///
    /// # Errors
    /// When the kernel does not tell; then the connection must not be served.
    pub(super) async fn peer_of(&self, socket: impl AsFd) -> std::io::Result<Peer> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        let uid = credentials.uid.as_raw();
        let author = Author {
            name: self.name_of(uid).await,
            uid: Some(uid),
        };
        Ok(Peer { author })
    }

    async fn name_of(&self, uid: u32) -> String {
        if let Some(name) = self.remembered(uid) {
            return name;
        }
        let lookup = tokio::task::spawn_blocking(move || {
            uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned())
        });
        match tokio::time::timeout(NAME_LOOKUP_TIMEOUT, lookup).await {
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
        assert_eq!(users.peer_of(&one).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_user_without_a_name_goes_by_the_number() {
        assert_eq!(Users::default().name_of(4_000_123_456).await, "uid:4000123456");
    }
}
