//! The cache of versions: by bytes, with one disk read however many ask for the same version at once.

use std::future::Future;
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

/// Caches versions. Versions are immutable, so entries leave only for room or when their file changed outside.
#[derive(Debug)]
pub(super) struct VersionCache {
    cache: Option<Versions>,
    /// How often versions were dropped because their files changed or went.
    removals: Mutex<u64>,
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
        if !enabled || max_bytes == 0 {
            return Self {
                cache: None,
                removals: Mutex::default(),
            };
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
        Self {
            cache,
            removals: Mutex::default(),
        }
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
        match &self.cache {
            Some(cache) => cache.get_or_insert_async(key, load).await,
            None => load.await,
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
        if keys.is_empty() {
            return;
        }
        let mut removals = self.lock_removals();
        *removals += 1;
        if let Some(cache) = &self.cache {
            keys.iter().for_each(|key| drop(cache.remove(key)));
        }
    }

    /// Drops the versions of some prompts, whatever is known of their files.
    pub(super) fn remove_where(&self, is_doomed: impl Fn(&PromptId) -> bool) {
        let mut removals = self.lock_removals();
        *removals += 1;
        if let Some(cache) = &self.cache {
            cache.retain(|(id, _), _| !is_doomed(id));
        }
    }

    /// Returns a mark to be taken before files are read; see [`Self::insert_all`].
    pub(super) fn mark(&self) -> u64 {
        *self.lock_removals()
    }

    /// Puts versions into the cache that were read since the mark; if any version was dropped since then, none of them: one
    /// of them may be of a file that is not there any more.
    pub(super) fn insert_all(&self, mark: u64, read: impl IntoIterator<Item = (CacheKey, CachedVersion)>) {
        let removals = self.lock_removals();
        if *removals == mark {
            read.into_iter()
                .for_each(|(key, version)| self.insert(key, version));
        }
    }

    fn lock_removals(&self) -> MutexGuard<'_, u64> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
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
