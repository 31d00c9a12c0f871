//! The cache of versions: by bytes, with one disk read however many ask for the same version at once.

use std::future::Future;
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use crate::model::{PromptId, Version};
use crate::storage::{StorageError, StoredVersion};

use super::disk::Stamp;

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
    cache: Option<Cache<CacheKey, CachedVersion, ByBytes>>,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<CacheKey, CachedVersion> for ByBytes {
    fn weight(&self, _key: &CacheKey, value: &CachedVersion) -> u64 {
        value.stored.bytes.len() as u64 + ENTRY_OVERHEAD
    }
}

impl VersionCache {
    /// Makes a cache for about `entries` versions within `max_bytes`, or none at all.
    #[must_use]
    pub(super) fn new(enabled: bool, entries: usize, max_bytes: u64, max_file_bytes: u64) -> Self {
        if !enabled || max_bytes == 0 {
            return Self { cache: None };
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
                quick_cache::sync::DefaultLifecycle::default(),
            )
        });
        Self { cache }
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

    /// Drops a version whose file changed or went. A load that is on its way will not be kept either.
    pub(super) fn remove(&self, key: &CacheKey) {
        if let Some(cache) = &self.cache {
            cache.remove(key);
        }
    }

    /// Returns entries, bytes, hits and misses.
    #[must_use]
    pub(super) fn stats(&self) -> serde_json::Value {
        let Some(cache) = &self.cache else {
            return serde_json::json!({"enabled": false});
        };
        let (hits, misses) = (cache.hits(), cache.misses());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = if hits + misses == 0 {
            0.0
        } else {
            hits as f64 / (hits + misses) as f64
        };
        serde_json::json!({
            "enabled": true, "entries": cache.len(), "bytes": cache.weight(), "max_bytes": cache.capacity(),
            "hits": hits, "misses": misses, "hit_rate": rate,
        })
    }
}
