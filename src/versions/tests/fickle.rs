//! A storage in memory that fails where a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::MAX_FILE_BYTES;
use crate::model::{PromptId, Version};
use crate::storage::StorageError;
use crate::storage::interposed::{Interpose, Interposed};
use crate::storage::memory::MemoryStorage;

/// What to answer instead.
type Answer = fn() -> StorageError;

/// What goes wrong.
#[derive(Debug, Default)]
pub(super) struct Moods {
    puts: Mutex<Option<(usize, Answer)>>,
    damaged: Mutex<BTreeMap<Version, Answer>>,
    hidden: Mutex<bool>,
}

pub(super) fn fickle() -> Arc<Interposed<Moods>> {
    Arc::new(Interposed::new(
        MemoryStorage::new(MAX_FILE_BYTES),
        Moods::default(),
    ))
}

impl Moods {
    /// Answers so many puts with an error.
    pub(super) fn answer_puts(&self, times: usize, answer: Answer) {
        *self.puts.lock().unwrap() = Some((times, answer));
    }

    /// Answers every read of a version with an error.
    pub(super) fn damage(&self, number: &str, answer: Answer) {
        let number = Version::new(number).unwrap();
        self.damaged.lock().unwrap().insert(number, answer);
    }

    /// Knows of no prompt, and says that it does not know.
    pub(super) fn hide_everything(&self) {
        *self.hidden.lock().unwrap() = true;
    }
}

#[async_trait]
impl Interpose for Moods {
    fn before_lookup(&self, _id: &PromptId) -> Result<(), StorageError> {
        match *self.hidden.lock().unwrap() {
            true => Err(StorageError::Unavailable("hidden".into())),
            false => Ok(()),
        }
    }

    async fn before_read(&self, _id: &PromptId, version: &Version) -> Result<(), StorageError> {
        match self.damaged.lock().unwrap().get(version) {
            Some(answer) => Err(answer()),
            None => Ok(()),
        }
    }

    async fn before_put(&self, _id: &PromptId) -> Result<(), StorageError> {
        if let Some((times, answer)) = &mut *self.puts.lock().unwrap()
            && *times > 0
        {
            *times -= 1;
            return Err(answer());
        }
        Ok(())
    }
}
