//! The cache of versions: by bytes, with one disk read however many ask for the same version at once.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::metrics::Counter;
use crate::model::{PromptId, Version};
use crate::storage::{StorageError, StoredVersion};

use super::disk::Stamp;
use super::runtime::{Mutex, MutexGuard};

/// What an entry weighs beside its bytes: keys, summary, bookkeeping.
const ENTRY_OVERHEAD: u64 = 768;

/// A version and the state of its file when it was read or written.
#[derive(Debug, Clone)]
pub(super) struct CachedVersion {
    /// The version.
    pub stored: Arc<StoredVersion>,
    /// The state of the file.
    pub stamp: Option<Stamp>,
}

/// Which version.
pub(super) type CacheKey = (PromptId, Version);

/// How many counters of looks there are; prompts share them by chance.
const LOOKS: usize = 256;

/// Caches versions. Versions are immutable, so entries leave only for room or when their file changed outside.
///
/// Who compares what is on disk with what is here begins with [`Self::begin_look`]. A file may have changed between the
/// moment when a load read it and that look; such a load is not kept. So a look sees all that may be stale.
#[derive(Debug)]
pub(super) struct VersionCache {
    cache: Option<Versions>,
    /// How often prompts were looked at, or versions of them dropped.
    looks: Box<[Mutex<u64>]>,
}

type Versions = Cache<CacheKey, CachedVersion, ByBytes, quick_cache::DefaultHashBuilder, CountEvictions>;

#[derive(Debug, Clone)]
struct ByBytes;

/// Counts what leaves for want of room, or is too large to be kept at all.
#[derive(Debug, Clone)]
struct CountEvictions(Counter);

impl Lifecycle<CacheKey, CachedVersion> for CountEvictions {
    type RequestState = ();

    fn on_evict(&self, _state: &mut (), _key: CacheKey, _value: CachedVersion) {
        self.0.inc();
    }
}

impl Weighter<CacheKey, CachedVersion> for ByBytes {
    fn weight(&self, _key: &CacheKey, value: &CachedVersion) -> u64 {
        value.stored.bytes.len() as u64 + ENTRY_OVERHEAD
    }
}

impl VersionCache {
    /// Makes a cache for about `entries` versions within `max_bytes`, or none at all.
    #[must_use]
    pub(super) fn new(
        enabled: bool,
        entries: usize,
        max_bytes: u64,
        max_file_bytes: u64,
        evictions: Counter,
    ) -> Self {
        let looks = std::iter::repeat_with(Mutex::default).take(LOOKS).collect();
        if !enabled || max_bytes == 0 {
            return Self { cache: None, looks };
        }
        // The limit is per internal part: a part must hold several of the largest files, or they would never be kept.
        let parts = (max_bytes / (4 * (max_file_bytes + ENTRY_OVERHEAD)).max(1)).clamp(1, 64);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries.max(1))
            .weight_capacity(max_bytes)
            .shards(usize::try_from(parts).unwrap_or(1))
            .build();
        let cache = options.ok().map(|options| {
            Cache::with_options(
                options,
                ByBytes,
                quick_cache::DefaultHashBuilder::default(),
                CountEvictions(evictions),
            )
        });
        Self { cache, looks }
    }

    /// Returns a version from the cache alone.
    #[must_use]
    pub(super) fn get(&self, key: &CacheKey) -> Option<CachedVersion> {
        self.cache.as_ref()?.get(key)
    }

    /// Returns a version without counting it as a hit or a miss.
    #[must_use]
    pub(super) fn peek(&self, key: &CacheKey) -> Option<CachedVersion> {
        self.cache.as_ref()?.peek(key)
    }

    /// Returns a version, loading it once however many ask.
    ///
    /// # Errors
    /// What the loader says; nothing is cached then.
    pub(super) async fn get_or_load(
        &self,
        key: &CacheKey,
        load: impl Future<Output = Result<CachedVersion, StorageError>>,
    ) -> Result<CachedVersion, StorageError> {
        let Some(cache) = &self.cache else {
            return load.await;
        };
        match cache.get_value_or_guard_async(key).await {
            Ok(found) => Ok(found),
            Err(place) => {
                let mark = self.mark(&key.0);
                let loaded = load.await?;
                let looks = self.looks_of(&key.0);
                if *looks == mark {
                    // Refused when the version was dropped meanwhile.
                    let _refused = place.insert(loaded.clone());
                }
                Ok(loaded)
            }
        }
    }

    /// Puts a version into the cache.
    pub(super) fn insert(&self, key: CacheKey, value: CachedVersion) {
        if let Some(cache) = &self.cache {
            cache.insert(key, value);
        }
    }

    /// Drops versions whose files changed or went. A load that is on its way will not be kept either.
    pub(super) fn remove_all(&self, keys: &[CacheKey]) {
        for key in keys {
            let mut looks = self.looks_of(&key.0);
            *looks += 1;
            if let Some(cache) = &self.cache {
                drop(cache.remove(key));
            }
        }
    }

    /// Drops the versions of some prompts, whatever is known of their files.
    pub(super) fn remove_where(&self, is_doomed: impl Fn(&PromptId) -> bool) {
        for looks in &self.looks {
            *looks.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        if let Some(cache) = &self.cache {
            cache.retain(|(id, _), _| !is_doomed(id));
        }
    }

    /// Says that the files of a prompt are about to be compared with what is here. What was read before is not kept from now
    /// on, since it may be older than what the look finds.
    pub(super) fn begin_look(&self, id: &PromptId) {
        *self.looks_of(id) += 1;
    }

    /// Returns a mark to be taken before files of a prompt are read; see [`Self::insert_all`].
    pub(super) fn mark(&self, id: &PromptId) -> u64 {
        *self.looks_of(id)
    }

    /// Puts versions of a prompt into the cache that were read since the mark; if the prompt was looked at since then, none
    /// of them: one of them may be of a file that is not there any more.
    pub(super) fn insert_all(
        &self,
        id: &PromptId,
        mark: u64,
        read: impl IntoIterator<Item = (Version, CachedVersion)>,
    ) {
        let looks = self.looks_of(id);
        if *looks == mark {
            read.into_iter()
                .for_each(|(version, cached)| self.insert((id.clone(), version), cached));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any part of the hash will do")]
    #[expect(clippy::indexing_slicing, reason = "the remainder is within")]
    fn looks_of(&self, id: &PromptId) -> MutexGuard<'_, u64> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let looks = &self.looks[hasher.finish() as usize % LOOKS];
        looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many versions are in it, how many bytes, and how many may be; `None` when there is no cache.
    #[must_use]
    pub(super) fn size(&self) -> Option<(u64, u64, u64)> {
        let cache = self.cache.as_ref()?;
        Some((cache.len() as u64, cache.weight(), cache.capacity()))
    }

    /// Returns entries, bytes, hits and misses.
    #[must_use]
    pub(super) fn stats(&self, (hits, misses): (u64, u64)) -> serde_json::Value {
        let Some((entries, bytes, max_bytes)) = self.size() else {
            return serde_json::json!({"enabled": false});
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = if hits + misses == 0 {
            0.0
        } else {
            hits as f64 / (hits + misses) as f64
        };
        serde_json::json!({
            "enabled": true, "entries": entries, "bytes": bytes, "max_bytes": max_bytes,
            "hits": hits, "misses": misses, "hit_rate": rate,
        })
    }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use super::*;
    use crate::model::PromptVersion;

    fn cache() -> VersionCache {
        VersionCache::new(true, 10, 1 << 20, 1 << 16, Counter::default())
    }

    fn key() -> CacheKey {
        (PromptId::new("p").unwrap(), Version::FIRST)
    }

    fn content(text: &str) -> CachedVersion {
        let mut document: PromptVersion = serde_json::from_value(serde_json::json!({
            "prompt_id": "p", "version": "1.0.0",
            "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
            "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
        }))
        .unwrap();
        CachedVersion {
            stored: Arc::new(StoredVersion::seal(&mut document).unwrap()),
            stamp: None,
        }
    }

    fn text(found: &CachedVersion) -> String {
        found.stored.document().unwrap().prompt.text
    }

    #[tokio::test]
    async fn what_was_read_before_a_look_is_answered_and_not_kept() {
        let (cache, key) = (cache(), key());
        let load = async {
            let read = content("before");
            cache.begin_look(&key.0);
            Ok(read)
        };
        assert_eq!(text(&cache.get_or_load(&key, load).await.unwrap()), "before");
        assert!(cache.get(&key).is_none());
        let again = async { Ok(content("after")) };
        assert_eq!(text(&cache.get_or_load(&key, again).await.unwrap()), "after");
        assert_eq!(text(&cache.get(&key).unwrap()), "after");
    }

    #[test]
    fn a_history_that_was_read_before_a_look_never_takes_the_place_of_what_was_read_since() {
        let (cache, (id, version)) = (cache(), key());
        let mark = cache.mark(&id);
        let before = content("before");
        cache.begin_look(&id);
        cache.insert((id.clone(), version.clone()), content("after"));
        cache.insert_all(&id, mark, [(version.clone(), before)]);
        assert_eq!(text(&cache.get(&(id.clone(), version.clone())).unwrap()), "after");
        let mark = cache.mark(&id);
        cache.remove_all(&[(id.clone(), version.clone())]);
        cache.insert_all(&id, mark, [(version.clone(), content("before"))]);
        assert!(cache.get(&(id, version)).is_none());
    }

    #[test]
    fn a_look_at_one_prompt_does_not_forget_what_is_read_of_most_others() {
        let cache = cache();
        let others: Vec<PromptId> = (0..100)
            .map(|n| PromptId::new(&format!("o{n}")).unwrap())
            .collect();
        let marks: Vec<u64> = others.iter().map(|id| cache.mark(id)).collect();
        cache.begin_look(&key().0);
        let kept = others
            .iter()
            .zip(marks)
            .filter(|(id, mark)| cache.mark(id) == *mark);
        assert!(kept.count() > 50);
    }
}
