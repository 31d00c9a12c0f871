//! The manager over a storage in memory, and over one that fails where a test wants it to.

mod candidates;
mod creating;
mod evidence;
mod fickle;
mod finding;
mod labels_and_trash;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::model::{Author, Bump, Label, Prompt, PromptId, Version, VersionSelector};
use crate::storage::StorageError;
use crate::storage::memory::MemoryStorage;

const MAX_FILE_BYTES: u64 = 1 << 20;

fn manager() -> VersionManager {
    VersionManager::new(Arc::new(MemoryStorage::new(MAX_FILE_BYTES)))
}

fn p() -> PromptId {
    PromptId::new("p").unwrap()
}

fn ada() -> Author {
    Author {
        name: "ada".into(),
        uid: Some(7),
    }
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn selector(text: &str) -> VersionSelector {
    text.parse().unwrap()
}

/// Makes the next version of `p` of a text; tells its number and whether it is new.
async fn create(manager: &VersionManager, text: &str) -> (String, bool) {
    let made = manager
        .create(&p(), NewVersion::of_text(text), &ada())
        .await
        .unwrap();
    (made.version.version.to_string(), made.is_new)
}

/// The text of a version of `p`, or the code of the error.
async fn text_at(manager: &VersionManager, reference: &str) -> String {
    match manager.get(&p(), &selector(reference)).await {
        Ok(stored) => stored.document().unwrap().prompt.text,
        Err(error) => error.code().to_owned(),
    }
}
