//! What exists, in memory: one part per shard, written by that shard's actor alone, read by everyone without waiting.
//!
//! The locks inside are held for map operations only, never across I/O or an await.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use crate::model::{PromptId, ShardId, Version};
use crate::storage::{Problem, PromptEntry, PromptPage, Revision};

use super::disk::Slot;
use super::runtime::RwLock;
use super::runtime::atomic::{AtomicU64, Ordering};

/// What exists in a whole store.
#[derive(Debug)]
pub(super) struct Catalog {
    shards: RwLock<BTreeMap<ShardId, Arc<ShardCatalog>>>,
    epoch: u64,
    changes: Arc<AtomicU64>,
}

/// What exists in one shard.
#[derive(Debug)]
pub(super) struct ShardCatalog {
    slots: RwLock<BTreeMap<PromptId, Slot>>,
    problems: RwLock<Vec<Problem>>,
    prompts: AtomicU64,
    versions: AtomicU64,
    changes: Arc<AtomicU64>,
}

/// A change of one prompt: its new slot, or `None` when nothing is left of it.
pub(super) type Change = (PromptId, Option<Slot>);

impl Catalog {
    /// Makes an empty catalog.
    #[must_use]
    pub(super) fn new() -> Self {
        let epoch = uuid::Uuid::new_v4().as_u64_pair().0;
        Self {
            shards: RwLock::default(),
            epoch,
            changes: Arc::default(),
        }
    }

    /// Returns the part of a shard, making it when it is new.
    pub(super) fn shard(&self, id: &ShardId) -> Arc<ShardCatalog> {
        if let Some(shard) = self.shards.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Arc::clone(shard);
        }
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            shards
                .entry(id.clone())
                .or_insert_with(|| Arc::new(ShardCatalog::new(Arc::clone(&self.changes)))),
        )
    }

    /// Returns every part.
    #[must_use]
    pub(super) fn parts(&self) -> Vec<Arc<ShardCatalog>> {
        self.shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Returns one page of prompts that have versions, in the order of their ids over all shards.
    #[must_use]
    pub(super) fn page(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        let mut found: Vec<Arc<PromptEntry>> =
            self.parts().iter().flat_map(|shard| shard.page(page)).collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found.truncate(page.limit);
        found
    }

    /// Returns the number of prompts with versions, and of versions.
    #[must_use]
    pub(super) fn totals(&self) -> (u64, u64) {
        self.parts().iter().fold((0, 0), |(prompts, versions), shard| {
            (
                prompts + shard.prompts.load(Ordering::Relaxed),
                versions + shard.versions.load(Ordering::Relaxed),
            )
        })
    }

    /// Returns the revision.
    #[must_use]
    pub(super) fn revision(&self) -> Revision {
        Revision {
            epoch: self.epoch,
            counter: self.changes.load(Ordering::Acquire),
        }
    }
}

impl ShardCatalog {
    fn new(changes: Arc<AtomicU64>) -> Self {
        let (prompts, versions) = Default::default();
        Self {
            slots: RwLock::default(),
            problems: RwLock::default(),
            prompts,
            versions,
            changes,
        }
    }

    /// Returns what is known of a prompt.
    #[must_use]
    pub(super) fn slot(&self, id: &PromptId) -> Option<Slot> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Returns the entry of a prompt.
    #[must_use]
    pub(super) fn entry(&self, id: &PromptId) -> Option<Arc<PromptEntry>> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .map(|slot| Arc::clone(&slot.entry))
    }

    /// Returns everything in the shard.
    #[must_use]
    pub(super) fn slots(&self) -> Vec<Slot> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Returns the ids of everything in the shard.
    #[must_use]
    pub(super) fn ids(&self) -> Vec<PromptId> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// Returns what is wrong in the shard: first outside of prompt directories, then inside.
    #[must_use]
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self
            .problems
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        problems.extend(slots.values().flat_map(|slot| slot.problems.iter().cloned()));
        problems
    }

    /// Remembers when directories were listed and found as they were known. Readers see no change.
    pub(super) fn note_listed(&self, listed: Vec<(PromptId, i64)>) {
        if listed.is_empty() {
            return;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (id, listed_at) in listed {
            if let Some(slot) = slots.get_mut(&id) {
                slot.listed_at = listed_at;
            }
        }
    }

    /// Replaces everything with what a recovery found. Numbers that were known to be used stay used: the directory does not
    /// remember those whose files were removed by hand.
    pub(super) fn replace(&self, mut found: BTreeMap<PromptId, Slot>, problems: Vec<Problem>) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (id, slot) in &mut found {
            let Some(before) = slots.get(id) else { continue };
            let entry = &slot.entry;
            let is_gone = |version: &&Version| !entry.has(version) && !entry.has_trashed(version);
            let gone: Vec<Version> = before.entry.used().filter(is_gone).cloned().collect();
            if !gone.is_empty() {
                Arc::make_mut(&mut slot.entry).highest_used.note_all(&gone);
            }
        }
        let (prompts, versions) = found.values().fold((0, 0), |(prompts, versions), slot| {
            let count = slot.entry.versions.len() as u64;
            (prompts + u64::from(count > 0), versions + count)
        });
        *slots = found;
        self.prompts.store(prompts, Ordering::Relaxed);
        self.versions.store(versions, Ordering::Relaxed);
        drop(slots);
        *self.problems.write().unwrap_or_else(PoisonError::into_inner) = problems;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Replaces what is wrong outside of prompt directories.
    pub(super) fn set_problems(&self, problems: Vec<Problem>) {
        *self.problems.write().unwrap_or_else(PoisonError::into_inner) = problems;
    }

    /// Applies changes.
    pub(super) fn apply(&self, changes: Vec<Change>) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (id, change) in changes {
            let before = slots.get(&id).map_or(0, |slot| slot.entry.versions.len() as u64);
            let after = change.as_ref().map_or(0, |slot| slot.entry.versions.len() as u64);
            match change {
                Some(slot) => slots.insert(id, slot),
                None => slots.remove(&id),
            };
            add(&self.versions, before, after);
            add(&self.prompts, u64::from(before > 0), u64::from(after > 0));
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    fn page(&self, page: &PromptPage) -> Vec<Arc<PromptEntry>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let start = match &page.after {
            Some(after) if after.as_str() >= page.prefix.as_str() => Bound::Excluded(after.as_str()),
            _ => Bound::Included(page.prefix.as_str()),
        };
        slots
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(id, _)| id.as_str().starts_with(&page.prefix))
            .map(|(_, slot)| &slot.entry)
            .filter(|entry| !entry.versions.is_empty())
            .filter(|entry| {
                page.label
                    .as_ref()
                    .is_none_or(|label| entry.labels.contains_key(label))
            })
            .take(page.limit)
            .cloned()
            .collect()
    }
}

fn add(counter: &AtomicU64, before: u64, after: u64) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}

/// Tells why a version that is not in the list cannot be read, when the shard knows that its file is damaged.
#[must_use]
pub(super) fn known_damage(slot: &Slot, version: &Version) -> Option<Problem> {
    let ending = format!("/{version}.json");
    slot.problems
        .iter()
        .find(|problem| {
            matches!(problem.kind.as_str(), "corrupt-version" | "not-a-file")
                && problem.path.ends_with(&ending)
        })
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(id: &str, versions: &[&str]) -> (PromptId, Slot) {
        let id = PromptId::new(id).unwrap();
        let mut slot = Slot::empty(id.clone());
        for version in versions {
            Arc::make_mut(&mut slot.entry).insert(Version::new(version).unwrap());
        }
        (id, slot)
    }

    fn catalog() -> Catalog {
        let catalog = Catalog::new();
        let depth = crate::model::ShardDepth::DEFAULT;
        for (id, slot) in [
            slot("b", &["1.0.0"]),
            slot("a1", &["1.0.0", "1.0.1"]),
            slot("a2", &[]),
            slot("a3", &["2.0.0"]),
        ] {
            catalog.shard(&depth.shard_of(&id)).apply(vec![(id, Some(slot))]);
        }
        catalog
    }

    fn check(prefix: &str, after: Option<&str>, limit: usize, expected: &[&str]) {
        let after = after.map(|id| PromptId::new(id).unwrap());
        let page = catalog().page(&PromptPage {
            prefix: prefix.into(),
            label: None,
            after,
            limit,
        });
        assert_eq!(
            page.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn pages_run_over_all_shards_in_the_order_of_ids() {
        check("", None, 10, &["a1", "a3", "b"]);
        check("", Some("a1"), 1, &["a3"]);
        check("a", None, 10, &["a1", "a3"]);
        check("a", Some("Z"), 10, &["a1", "a3"]);
        check("zz", None, 10, &[]);
    }

    #[test]
    fn totals_follow_every_change() {
        let catalog = catalog();
        assert_eq!(catalog.totals(), (3, 4));
        let id = PromptId::new("a1").unwrap();
        let shard = catalog.shard(&crate::model::ShardDepth::DEFAULT.shard_of(&id));
        let before = catalog.revision();
        shard.apply(vec![(id, None)]);
        assert_eq!(catalog.totals(), (2, 2));
        assert_ne!(catalog.revision(), before);
    }
}
