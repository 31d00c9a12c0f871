//! A store with prompts, a daemon on it, and clients that write all the time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use promptd::client::{Client, ClientError};
use promptd::model::{ShardDepth, Version};
use promptd::versions::NewVersion;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::disk::{scan, serves};
use crate::harness::{Daemon, Host, by_hand, id, prompt_dir};

/// Clients that write meanwhile.
const WRITERS: usize = 8;
/// Prompts that are there from the beginning.
pub const PROMPTS: usize = 24;
/// Versions that each of them has: 1.0.0 to 1.0.3.
pub const VERSIONS: u64 = 4;
/// What is promised: so long after the last change everything is seen.
const PROMISE: Duration = Duration::from_secs(1);
/// A machine with other things to do may take so many times as long before a test fails. What was measured is printed.
const SLACK: u32 = 10;

/// One acknowledged write.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub prompt: String,
    pub version: Version,
    pub text: String,
    /// When it was sent.
    pub sent: Instant,
}

/// The world.
pub struct World {
    pub host: Host,
    pub daemon: Daemon,
    /// How many times as long as is promised it may take before a test fails.
    pub slack: u32,
    writers: Vec<JoinHandle<Vec<Acknowledged>>>,
    stop: Arc<AtomicBool>,
}

impl World {
    /// Makes a store, starts a daemon on it, and lets clients write.
    pub async fn begin(environment: &[(&str, &str)]) -> Self {
        let mut host = Host::new();
        for n in 0..PROMPTS {
            for patch in 0..VERSIONS {
                let file = host.version_file(&prompt(n), &format!("1.0.{patch}"));
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                let text = format!("Version {patch} of prompt {n}.");
                let bytes = by_hand(&prompt(n), &Version::release(1, 0, patch), &text);
                std::fs::write(file, bytes).unwrap();
            }
        }
        for (key, value) in environment {
            let key = format!("PROMPTD__OPTIMIZER__STORAGE__CONFIG__{key}");
            host.environment.push((key, (*value).to_owned()));
        }
        let daemon = host.start().await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut world = Self {
            host,
            daemon,
            slack: SLACK,
            writers: Vec::new(),
            stop,
        };
        world.write();
        world
    }

    /// Lets clients write.
    fn write(&mut self) {
        self.stop = Arc::new(AtomicBool::new(false));
        self.writers = (0..WRITERS)
            .map(|number| tokio::spawn(writer(self.daemon.client(), number, Arc::clone(&self.stop))))
            .collect();
    }

    pub fn store(&self) -> PathBuf {
        self.host.store()
    }

    /// Returns the directory of a prompt.
    pub fn dir(&self, prompt: &str) -> PathBuf {
        self.store().join(prompt_dir(prompt))
    }

    /// Returns the directory of the shard of a prompt.
    pub fn shard(&self, prompt: &str) -> PathBuf {
        self.store()
            .join(ShardDepth::DEFAULT.shard_of(&id(prompt)).as_str())
    }

    /// Called right after the last change. Stops the clients, waits until the daemon serves what is on disk, checks that
    /// it took no longer than is promised, and that every acknowledged write is there, unless it is explained. Then the
    /// clients go on.
    pub async fn settle(&mut self, what: &str, is_explained: impl Fn(&Acknowledged) -> bool) {
        let last_change = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for writer in std::mem::take(&mut self.writers) {
            acknowledged.extend(writer.await.unwrap());
        }
        let store = self.store();
        let scan = tokio::task::spawn_blocking(move || scan(&store));
        let still_since = self.last_revision(last_change, &scan).await;
        let content = scan.await.unwrap();
        let client = self.daemon.client();
        let took = loop {
            let begun = last_change.elapsed();
            match serves(&client, &content).await {
                // To read a large store takes longer than the daemon may: then it counts when its catalog last changed.
                Ok(()) if begun > PROMISE => break still_since.min(begun),
                Ok(()) => break begun,
                Err(difference) => assert!(
                    begun < still_since + PROMISE * self.slack,
                    "{what}: {difference} after {begun:?}\n{}",
                    self.daemon.read_log()
                ),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(took < PROMISE * self.slack, "{what}: seen after {took:?}");
        let mut explained = 0;
        for write in &acknowledged {
            let found = content
                .get(&write.prompt)
                .and_then(|versions| versions.get(&write.version));
            match found {
                Some(text) => assert_eq!(*text, write.text, "{what}: another content: {write:?}"),
                None if is_explained(write) => explained += 1,
                None => panic!("{what}: acknowledged and lost: {write:?}"),
            }
        }
        eprintln!(
            "covered: outside changes: {what}: seen at most {} ms after the last change; {} acknowledged writes \
             meanwhile, {explained} of them removed by the change itself",
            took.as_millis(),
            acknowledged.len()
        );
        self.write();
    }

    /// Watches the revision of the catalog while something else is done; returns when it last changed.
    async fn last_revision<T>(&self, begun: Instant, meanwhile: &JoinHandle<T>) -> Duration {
        let client = self.daemon.client();
        let (mut revision, mut changed) = (String::new(), Duration::ZERO);
        loop {
            let now = client.status().await.unwrap().revision;
            if now != revision {
                (revision, changed) = (now, begun.elapsed());
            }
            if meanwhile.is_finished() && begun.elapsed() > changed + Duration::from_millis(100) {
                return changed;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Checks that nothing in the store is reported, then ends everything.
    pub async fn end(self) {
        let status = self.status().await;
        assert_eq!(status["storage"]["problems"]["count"], 0, "{status}");
        self.end_with_problems().await;
    }

    /// Ends everything.
    pub async fn end_with_problems(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in std::mem::take(&mut self.writers) {
            writer.await.unwrap();
        }
        assert!(self.daemon.stop().success());
    }

    pub async fn status(&self) -> Value {
        self.daemon.client().status_json().await.unwrap()
    }
}

/// Returns the name of a prompt that is there from the beginning.
pub fn prompt(n: usize) -> String {
    format!("prompt_{n:02}")
}

async fn writer(client: Client, number: usize, stop: Arc<AtomicBool>) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    let begun = Instant::now();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let prompt = prompt((number * 7 + n) % PROMPTS);
        let text = format!("Writer {number} writes text {n} at {:?}.", begun.elapsed());
        let (sent, new) = (Instant::now(), NewVersion::of_text(text.clone()));
        match client.create_version(&id(&prompt), &new).await {
            Ok(stored) => {
                let version = stored.document.parse().unwrap().version;
                acknowledged.push(Acknowledged {
                    prompt,
                    version,
                    text,
                    sent,
                });
            }
            Err(ClientError::Refused(problem)) => assert!(
                ["busy", "unavailable", "interrupted"].contains(&problem.code.as_str()),
                "{problem:?}"
            ),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    acknowledged
}
