//! Answers on disk: one file for each, named by the hash of the request.
//!
//! An answer is durable before it is used, so a job that is killed and goes on does not ask for it a second time. Files are
//! bounded by their bytes and their age; the oldest go first. A damaged file is no answer.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::answer::Usage;
use super::counters::{Counters, count};
use super::durable::{self, TMP_ENDING};
use crate::model::Timestamp;
use crate::storage::filesystem::disk::{Disk, EntryKind};

/// The ending of a kept answer.
const ENDING: &str = ".json";
/// The hex digits of a key.
const KEY_DIGITS: usize = 64;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer that was paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    /// The hash of the request.
    pub(super) key: String,
    /// The job that asked.
    pub(super) job_id: String,
    /// Whether a text could be taken out of it. One of which none could is an answer to the same job alone: another one may
    /// have more luck.
    pub(super) is_usable: bool,
    /// What the model said, with placeholders in place of references.
    pub(super) content: String,
    /// Whether that is cut off.
    pub(super) is_cut_off: bool,
    /// What it took.
    pub(super) usage: Usage,
    /// When.
    pub(super) created_at: Timestamp,
}

/// The form of a file: the answer, and the hash of its bytes.
#[derive(Serialize, Deserialize)]
struct File {
    checksum: String,
    answer: Box<RawValue>,
}

/// The kept answers.
#[derive(Debug)]
pub(super) struct AnswerCache {
    /// None keeps nothing.
    disk: Option<Arc<dyn Disk>>,
    max_bytes: u64,
    max_age: Duration,
    /// What lies on the disk: key, size, and when it was written, in nanoseconds since 1970.
    index: Mutex<BTreeMap<String, (u64, i64)>>,
    counters: Arc<Counters>,
}

impl AnswerCache {
    /// Looks at what is there. Blocks on the disk.
    pub(super) fn open(
        disk: Option<Arc<dyn Disk>>,
        max_bytes: u64,
        max_age_days: u32,
        counters: Arc<Counters>,
    ) -> Self {
        let cache = Self {
            max_bytes,
            max_age: DAY * max_age_days,
            index: Mutex::new(disk.as_deref().map(index).unwrap_or_default()),
            disk,
            counters,
        };
        cache.evict(now_nanos());
        cache
    }

    /// Returns the answer to a request, when a job may have it.
    pub(super) async fn get(self: &Arc<Self>, key: &str, job_id: &str) -> Option<KeptAnswer> {
        let (cache, name) = (Arc::clone(self), key.to_owned());
        let read = tokio::task::spawn_blocking(move || cache.read(&name)).await;
        let answer = read.ok().flatten();
        let usable = answer.filter(|answer| answer.is_usable || answer.job_id == job_id);
        count(if usable.is_some() {
            &self.counters.cache_hits
        } else {
            &self.counters.cache_misses
        });
        usable
    }

    fn read(&self, key: &str) -> Option<KeptAnswer> {
        let disk = self.disk.as_ref()?;
        let file = match disk.read(Path::new(&format!("{key}{ENDING}")), self.max_bytes) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.report_damage(key, &error);
                return None;
            }
        };
        let age = now_nanos().saturating_sub(file.stamp.mtime);
        if u128::try_from(age).unwrap_or_default() > self.max_age.as_nanos() {
            return None;
        }
        match parse(key, &file.bytes) {
            Ok(answer) => Some(answer),
            Err(reason) => {
                self.report_damage(key, &reason);
                None
            }
        }
    }

    fn report_damage(&self, key: &str, reason: &dyn std::fmt::Display) {
        count(&self.counters.cache_damaged);
        tracing::warn!(key, %reason, "a kept answer of the language model is damaged: it is asked again");
    }

    /// Keeps an answer; when this returns, it is durable, or the log says why it is not.
    pub(super) async fn put(self: &Arc<Self>, answer: KeptAnswer) {
        let cache = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || cache.write(&answer)).await;
        let failure = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(error) => io::Error::other(error),
        };
        count(&self.counters.cache_failures);
        tracing::warn!(error = %failure, "an answer of the language model is used, but could not be kept");
    }

    fn write(&self, answer: &KeptAnswer) -> io::Result<()> {
        let Some(disk) = &self.disk else {
            return Ok(());
        };
        let answer_json = serde_json::to_string(answer)?;
        let file = File {
            checksum: checksum(answer_json.as_bytes()),
            answer: RawValue::from_string(answer_json)?,
        };
        let bytes = serde_json::to_vec(&file)?;
        let size = bytes.len() as u64;
        if size > self.max_bytes {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "it is larger than optimizer.llm.cache.max_bytes",
            ));
        }
        durable::replace(disk.as_ref(), &format!("{}{ENDING}", answer.key), &bytes)?;
        let now = now_nanos();
        self.lock().insert(answer.key.clone(), (size, now));
        self.evict(now);
        Ok(())
    }

    /// Removes what is too old, and the oldest until the rest is within the limit.
    fn evict(&self, now: i64) {
        let Some(disk) = &self.disk else { return };
        for key in surplus(&mut self.lock(), self.max_bytes, self.max_age, now) {
            let name = format!("{key}{ENDING}");
            if let Err(error) = disk.unlink(Path::new(&name)) {
                tracing::debug!(key, %error, "a kept answer could not be removed");
            }
        }
    }

    /// Returns how many answers there are, and how many bytes they take.
    pub(super) fn size(&self) -> (u64, u64) {
        let index = self.lock();
        (index.len() as u64, index.values().map(|(size, _)| size).sum())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (u64, i64)>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out of an index what must go, the oldest first.
fn surplus(
    index: &mut BTreeMap<String, (u64, i64)>,
    max_bytes: u64,
    max_age: Duration,
    now: i64,
) -> Vec<String> {
    let mut total: u64 = index.values().map(|(size, _)| size).sum();
    let mut by_age: Vec<(i64, u64, String)> = index
        .iter()
        .map(|(key, (size, at))| (*at, *size, key.clone()))
        .collect();
    by_age.sort_unstable();
    let oldest_allowed = now.saturating_sub(i64::try_from(max_age.as_nanos()).unwrap_or(i64::MAX));
    let mut gone = Vec::new();
    for (at, size, key) in by_age {
        if total <= max_bytes && at >= oldest_allowed {
            break;
        }
        total -= size;
        index.remove(&key);
        gone.push(key);
    }
    gone
}

/// Lists the answers of a directory, and removes what was left half written.
fn index(disk: &dyn Disk) -> BTreeMap<String, (u64, i64)> {
    let names = disk.list(Path::new("")).unwrap_or_else(|error| {
        tracing::warn!(%error, "the kept answers of the language model cannot be listed");
        Vec::new()
    });
    let mut index = BTreeMap::new();
    for (name, kind) in names {
        let Some(text) = name.to_str().filter(|_| kind == EntryKind::File) else {
            continue;
        };
        if text.ends_with(TMP_ENDING) {
            drop(disk.unlink(Path::new(text)));
        } else if let (Some(key), Ok(Some((_, stamp)))) = (key_of(text), disk.stat(Path::new(text))) {
            index.insert(key.to_owned(), (stamp.size, stamp.mtime));
        }
    }
    index
}

fn key_of(name: &str) -> Option<&str> {
    let key = name.strip_suffix(ENDING)?;
    let is_key = key.len() == KEY_DIGITS
        && key
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_key.then_some(key)
}

fn parse(key: &str, bytes: &[u8]) -> Result<KeptAnswer, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|_| "it is no kept answer")?;
    if checksum(file.answer.get().as_bytes()) != file.checksum {
        return Err("its checksum is another".to_owned());
    }
    let answer: KeptAnswer = serde_json::from_str(file.answer.get()).map_err(|_| "it is no kept answer")?;
    if answer.key == key {
        Ok(answer)
    } else {
        Err("it answers another request".to_owned())
    }
}

/// The time as files have it: in nanoseconds since 1970.
fn now_nanos() -> i64 {
    i64::try_from(Timestamp::now().instant().as_nanosecond()).unwrap_or(i64::MAX)
}

fn checksum(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests;
