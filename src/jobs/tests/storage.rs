//! A memory storage that does what a test tells it to.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::model::PromptId;
use crate::storage::interposed::{Interpose, Interposed};
use crate::storage::memory::MemoryStorage;
use crate::storage::{Progress, StorageError};

/// How long one step of a verification takes in [`Verify::Steps`].
pub(super) const STEP: Duration = Duration::from_millis(50);

/// What a verification does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verify {
    Answer,
    Panic,
    /// So many steps, each taking [`STEP`].
    Steps(u64),
    /// Goes on until it is told to stop, and then stops.
    UntilStopped,
    /// Goes on whatever it is told.
    Deaf,
}

/// The storage.
pub(super) type ScriptedStorage = Interposed<Script>;

#[derive(Debug)]
pub(super) struct Script {
    pub(super) verify: Mutex<Verify>,
    /// Errors that the next puts answer with.
    pub(super) put_errors: Mutex<VecDeque<StorageError>>,
    /// Prompts that can never be stored.
    pub(super) refused: Mutex<HashSet<String>>,
    /// While false, puts wait.
    pub(super) open_for_puts: watch::Sender<bool>,
    /// How many puts are waiting or being done now.
    pub(super) puts: watch::Sender<usize>,
    /// While false, deletions of chosen versions wait.
    pub(super) open_for_choices: watch::Sender<bool>,
    /// How many of them there were.
    pub(super) choices: watch::Sender<usize>,
    /// The most puts there ever were.
    pub(super) most_puts: AtomicUsize,
}

pub(super) fn scripted_storage() -> Arc<ScriptedStorage> {
    let script = Script {
        verify: Mutex::new(Verify::Answer),
        put_errors: Mutex::default(),
        refused: Mutex::default(),
        open_for_puts: watch::Sender::new(true),
        puts: watch::Sender::new(0),
        open_for_choices: watch::Sender::new(true),
        choices: watch::Sender::new(0),
        most_puts: AtomicUsize::new(0),
    };
    Arc::new(Interposed::new(MemoryStorage::new(4 << 20), script))
}

impl Script {
    pub(super) fn set_verify(&self, verify: Verify) {
        *self.verify.lock().unwrap() = verify;
    }
}

#[async_trait]
impl Interpose for Script {
    async fn before_put(&self, id: &PromptId) -> Result<(), StorageError> {
        self.puts.send_modify(|now| *now += 1);
        self.most_puts.fetch_max(*self.puts.borrow(), Ordering::Relaxed);
        self.open_for_puts
            .subscribe()
            .wait_for(|open| *open)
            .await
            .unwrap();
        tokio::task::yield_now().await;
        self.puts.send_modify(|now| *now -= 1);
        let error = self.put_errors.lock().unwrap().pop_front();
        if let Some(error) = error {
            return Err(error);
        }
        if self.refused.lock().unwrap().contains(id.as_str()) {
            return Err(StorageError::ReadOnly);
        }
        Ok(())
    }

    async fn before_choice(&self) -> Result<(), StorageError> {
        self.choices.send_modify(|now| *now += 1);
        let mut open = self.open_for_choices.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        Ok(())
    }

    async fn before_verify(&self, progress: &Progress) -> Result<(), StorageError> {
        let verify = *self.verify.lock().unwrap();
        match verify {
            Verify::Answer => {}
            Verify::Panic => panic!("this panic is part of a test"),
            Verify::Steps(steps) => {
                progress.set_total(steps);
                for _ in 0..steps {
                    tokio::time::sleep(STEP).await;
                    progress.advance(1);
                }
            }
            Verify::UntilStopped => {
                while !progress.is_cancelled() {
                    tokio::time::sleep(STEP).await;
                }
                return Err(StorageError::Interrupted("told to stop".into()));
            }
            Verify::Deaf => std::future::pending().await,
        }
        Ok(())
    }
}
