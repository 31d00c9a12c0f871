//! Starting, stopping and running the daemon in this process.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::activation::PassedSockets;
use super::signals::{Signal, SignalSource};
use super::{Daemon, RunError, StartError, run};
use crate::client::Client;
use crate::config::paths::Paths;
use crate::config::{Config, WatchMode};
use crate::model::PromptId;
use crate::versions::NewVersion;

struct Place {
    directory: TempDir,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let mut config = Config::default();
        config.optimizer.storage.config.watch.mode = WatchMode::Off;
        let directory = tempfile::tempdir().unwrap();
        Self { directory, config }
    }

    fn paths(&self, store: Option<&str>, socket: &str) -> Paths {
        let within = |name: &str| self.directory.path().join(name);
        Paths {
            store: store.map(within),
            socket: within(socket),
        }
    }

    async fn start(&self, store: &str, socket: &str) -> Result<Daemon, StartError> {
        Daemon::start(&self.config, &self.paths(Some(store), socket)).await
    }
}

fn client(socket: &Path) -> Client {
    Client::new(socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_the_next_start() {
    let place = Place::new();
    let id = PromptId::new("greet").unwrap();
    let daemon = place.start("store", "p.sock").await.unwrap();
    let new = NewVersion::of_text("Say hello.");
    let stored = client(daemon.socket()).create_version(&id, &new).await.unwrap();
    assert!(stored.is_new);
    daemon.stop().await;
    let again = place.start("store", "p.sock").await.unwrap();
    assert_eq!(again.storage().totals(), (1, 1));
    let unchanged = client(again.socket()).create_version(&id, &new).await.unwrap();
    assert!(!unchanged.is_new);
    assert_eq!(unchanged.document.bytes, stored.document.bytes);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_kept_out_and_leaves_the_first_one_alone() {
    let place = Place::new();
    let first = place.start("store", "p.sock").await.unwrap();
    let same_store = place.start("store", "q.sock").await.unwrap_err();
    assert_eq!(same_store.exit_code(), 75, "{same_store}");
    let same_socket = place.start("other", "p.sock").await.unwrap_err();
    assert_eq!(same_socket.exit_code(), 75, "{same_socket}");
    let closed_again = place.start("other", "q.sock").await.unwrap();
    closed_again.stop().await;
    client(first.socket()).health().await.unwrap();
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_used_is_told_with_its_exit_code() {
    let place = Place::new();
    std::fs::write(place.directory.path().join("file"), "precious").unwrap();
    let store = place.start("file", "p.sock").await.unwrap_err();
    assert_eq!(store.exit_code(), 73, "{store}");
    let socket = place.start("store", "file").await.unwrap_err();
    assert_eq!(socket.exit_code(), 73, "{socket}");
    let nowhere = place.start("store", "absent/p.sock").await.unwrap_err();
    assert_eq!(nowhere.exit_code(), 73, "{nowhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_runs_until_it_is_told_to_stop() {
    let place = Place::new();
    let paths = place.paths(None, "p.sock");
    let (send, signals) = SignalSource::manual();
    let (config, running) = (place.config.clone(), paths.clone());
    let life =
        tokio::spawn(async move { run(&config, &running, PassedSockets::default(), signals, None).await });
    let answered = async {
        while client(&paths.socket).health().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered)
        .await
        .unwrap();
    send.send(Signal::Reload).await.unwrap();
    client(&paths.socket).health().await.unwrap();
    send.send(Signal::Terminate).await.unwrap();
    life.await.unwrap().unwrap();
    assert!(!paths.socket.exists(), "the socket is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_cannot_start_ends_with_the_reason() {
    let place = Place::new();
    let (_send, signals) = SignalSource::manual();
    let paths = place.paths(None, "absent/p.sock");
    let error = run(&place.config, &paths, PassedSockets::default(), signals, None)
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Start(StartError::Socket(_))), "{error}");
    assert_eq!(error.exit_code(), 73);
}
