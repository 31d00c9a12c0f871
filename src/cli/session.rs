//! What every verb gets: the environment, the console, the daemon.

use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::config::paths::client_socket_candidates;

use super::console::Console;
use super::environment::Environment;

/// One run of promptctl.
#[derive(Debug)]
pub(crate) struct Session {
    /// Variables and terminals.
    pub(crate) env: Environment,
    /// Where data and talk go.
    pub(crate) console: Console,
    socket: PathBuf,
    sockets_tried: Vec<PathBuf>,
}

impl Session {
    /// Begins a run; `socket` is `--socket`.
    pub(crate) fn new(env: Environment, console: Console, socket: Option<&Path>) -> Self {
        let candidates = client_socket_candidates(socket, env.vars());
        let socket = first_socket(candidates.clone(), Path::exists);
        Self {
            env,
            console,
            socket,
            sockets_tried: candidates,
        }
    }

    /// Talks to another daemon from now on.
    pub(crate) fn connect_to(&mut self, socket: PathBuf) {
        self.socket = socket;
    }

    /// Returns where the socket was looked for.
    pub(crate) fn sockets_tried(&self) -> &[PathBuf] {
        &self.sockets_tried
    }

    /// Returns a client of the daemon, with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.socket)
    }
}

/// Returns the first socket that exists. Where none does, the first place is named in the error that follows.
fn first_socket(candidates: Vec<PathBuf>, exists: impl Fn(&Path) -> bool) -> PathBuf {
    let found = candidates.iter().position(|path| exists(path)).unwrap_or(0);
    candidates.into_iter().nth(found).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(candidates: &[&str], existing: &[&str], expected: &str) {
        let candidates = candidates.iter().map(PathBuf::from).collect();
        let found = first_socket(candidates, |path| {
            existing.iter().any(|known| path == Path::new(known))
        });
        assert_eq!(found, Path::new(expected));
    }

    #[test]
    fn the_first_socket_that_exists_is_taken_and_without_any_the_first_is_named() {
        check(&["/a", "/b", "/c"], &["/b", "/c"], "/b");
        check(&["/a", "/b"], &[], "/a");
    }
}
