//! What exists, in memory: one part per shard, written by that shard's actor alone, read by everyone without waiting.
//!
//! The locks inside are held for map operations only, never across I/O or an await.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use crate::model::{PromptId, ShardId, Version};
use crate::storage::feed::{Change as Event, Feed, Origin, Told, changes_of_problems, changes_of_prompt};
use crate::storage::{Problem, PromptEntry, PromptPage, StorageError};

use super::disk::Slot;
use super::intents::Intents;
use super::known_states::KnownStates;
use super::runtime::RwLock;
use super::runtime::atomic::{AtomicU64, Ordering};

/// What exists in a whole store.
#[derive(Debug)]
pub(super) struct Catalog {
    shards: RwLock<BTreeMap<ShardId, Arc<ShardCatalog>>>,
    feed: Feed,
}

/// What exists in one shard.
#[derive(Debug)]
pub(super) struct ShardCatalog {
    slots: RwLock<BTreeMap<PromptId, Slot>>,
    problems: RwLock<Vec<Problem>>,
    prompts: AtomicU64,
    versions: AtomicU64,
    feed: Feed,
    /// The states of files of which nobody needs to be told.
    pub(super) known_states: KnownStates,
}

/// A change of one prompt: its new slot, or `None` when nothing is left of it.
pub(super) type Change = (PromptId, Option<Slot>);

impl Catalog {
    /// Makes an empty catalog whose changes go to a feed.
    #[must_use]
    pub(super) fn new(feed: Feed) -> Self {
        Self {
            shards: RwLock::default(),
            feed,
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
                .or_insert_with(|| Arc::new(ShardCatalog::new(self.feed.clone()))),
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

    /// Returns the feed of changes.
    #[must_use]
    pub(super) const fn feed(&self) -> &Feed {
        &self.feed
    }
}

impl ShardCatalog {
    fn new(feed: Feed) -> Self {
        let (prompts, versions) = Default::default();
        Self {
            slots: RwLock::default(),
            problems: RwLock::default(),
            prompts,
            versions,
            feed,
            known_states: KnownStates::default(),
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

    /// Returns the ids of everything in the shard that is on disk.
    #[must_use]
    pub(super) fn ids(&self) -> Vec<PromptId> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let on_disk = slots.iter().filter(|(_, slot)| !slot.is_off_disk());
        on_disk.map(|(id, _)| id.clone()).collect()
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
    /// remember those whose files were removed by hand. The differences are told as made by `origin`; without
    /// one nobody can have seen what was there before, and nothing is told.
    pub(super) fn replace(
        &self,
        mut found: BTreeMap<PromptId, Slot>,
        problems: Vec<Problem>,
        origin: Option<Origin>,
    ) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (id, before) in slots.iter() {
            let slot = found.entry(id.clone()).or_insert_with(|| Slot::empty(id.clone()));
            Arc::make_mut(&mut slot.entry).keep_used(&before.entry);
        }
        found.retain(|_, slot| !slot.is_nothing());
        let mut told = Vec::new();
        if let Some(origin) = origin {
            let ids = slots.keys().chain(found.keys());
            for id in ids.collect::<BTreeSet<_>>() {
                told.extend(differences(id, slots.get(id), found.get(id), |_: &Event| origin));
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
        let of_problems = self.swap_problems(problems);
        if origin.is_some() {
            told.extend(of_no_prompt(of_problems));
            self.feed.append(told);
        } else {
            self.feed.begin_anew();
        }
    }

    /// Replaces what is wrong outside of prompt directories.
    pub(super) fn set_problems(&self, problems: Vec<Problem>) {
        let changes = self.swap_problems(problems);
        if !changes.is_empty() {
            self.feed.append(of_no_prompt(changes).collect());
        }
    }

    /// Puts other problems in place and returns what came and went.
    fn swap_problems(&self, problems: Vec<Problem>) -> Vec<Event> {
        let mut there = self.problems.write().unwrap_or_else(PoisonError::into_inner);
        let changes = changes_of_problems(&there, &problems);
        *there = problems;
        changes
    }

    /// Applies changes, and tells of each once readers see it. What was not intended was made by others.
    pub(super) fn apply(&self, changes: Vec<Change>, intents: &Intents) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (id, change) in changes {
            let before = slots.get(&id).map_or(0, |slot| slot.entry.versions.len() as u64);
            let after = change.as_ref().map_or(0, |slot| slot.entry.versions.len() as u64);
            let origin = |event: &Event| intents.origin_of(&id, event);
            let told = differences(&id, slots.get(&id), change.as_ref(), origin);
            match change {
                Some(slot) => slots.insert(id, slot),
                None => slots.remove(&id),
            };
            add(&self.versions, before, after);
            add(&self.prompts, u64::from(before > 0), u64::from(after > 0));
            self.feed.append(told);
        }
    }

    /// Tells of changes that no entry of the catalog shows.
    pub(super) fn tell(&self, told: Vec<Told>) {
        if !told.is_empty() {
            self.feed.append(told);
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

/// Returns what changed of a prompt from one slot to the other; no slot is an empty one.
fn differences(
    id: &PromptId,
    before: Option<&Slot>,
    after: Option<&Slot>,
    origin: impl Fn(&Event) -> Origin,
) -> Vec<Told> {
    let nothing = Slot::empty(id.clone());
    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let mut changes = changes_of_prompt(&before.entry, &after.entry);
    changes.extend(changes_of_problems(&before.problems, &after.problems));
    let told = changes.into_iter().map(|change| Told {
        prompt_id: Some(id.clone()),
        origin: origin(&change),
        change,
    });
    told.collect()
}

/// Problems that belong to no prompt. Nobody makes them through the daemon.
fn of_no_prompt(changes: Vec<Event>) -> impl Iterator<Item = Told> {
    changes.into_iter().map(|change| Told {
        prompt_id: None,
        origin: Origin::Outside,
        change,
    })
}

fn add(counter: &AtomicU64, before: u64, after: u64) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
    }
}

/// Tells why a version is not in the list: its file is damaged, or there is none.
#[must_use]
pub(super) fn why_not_listed(slot: &Slot, version: &Version) -> StorageError {
    let ending = format!("/{version}.json");
    let damage = slot.problems.iter().find(|problem| {
        matches!(problem.kind.as_str(), "corrupt-version" | "not-a-file") && problem.path.ends_with(&ending)
    });
    match damage {
        Some(problem) => StorageError::Corrupt {
            path: problem.path.clone(),
            reason: problem.message.clone(),
        },
        None => StorageError::VersionNotFound {
            id: slot.entry.id.clone(),
            version: version.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Revision;
    use crate::storage::filesystem::intents::Intent;

    fn slot(id: &str, versions: &[&str]) -> (PromptId, Slot) {
        let id = PromptId::new(id).unwrap();
        let mut slot = Slot::empty(id.clone());
        for version in versions {
            Arc::make_mut(&mut slot.entry).insert(Version::new(version).unwrap());
        }
        (id, slot)
    }

    fn catalog() -> Catalog {
        let catalog = Catalog::new(Feed::new(100));
        let depth = crate::model::ShardDepth::DEFAULT;
        for (id, slot) in [
            slot("b", &["1.0.0"]),
            slot("a1", &["1.0.0", "1.0.1"]),
            slot("a2", &[]),
            slot("a3", &["2.0.0"]),
        ] {
            catalog
                .shard(&depth.shard_of(&id))
                .apply(vec![(id, Some(slot))], &Intents::default());
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
        let before = catalog.feed().revision();
        shard.apply(vec![(id, None)], &Intents::default());
        assert_eq!(catalog.totals(), (2, 2));
        assert_ne!(catalog.feed().revision(), before);
    }

    /// What a feed says of a change: kind, prompt and origin of each event.
    fn told(catalog: &Catalog, since: Revision) -> Vec<String> {
        let events = catalog
            .feed()
            .subscribe(Some(since))
            .unwrap()
            .take_ready()
            .unwrap();
        let shown = events.iter().map(|event| {
            let id = event.prompt_id.as_ref().map(ToString::to_string);
            let (kind, origin) = (event.change.kind.as_str(), event.origin.as_str());
            format!("{kind} {} {origin}", id.unwrap_or_default())
        });
        shown.collect()
    }

    #[test]
    fn what_was_intended_is_the_daemons_and_all_else_was_made_outside() {
        let catalog = catalog();
        let (id, after) = slot("a1", &["1.0.0", "1.0.1", "1.0.2", "1.0.3"]);
        let shard = catalog.shard(&crate::model::ShardDepth::DEFAULT.shard_of(&id));
        let before = catalog.feed().revision();
        let mut intents = Intents::default();
        intents.add(&id, Intent::Create(Version::release(1, 0, 3)));
        shard.apply(vec![(id, Some(after))], &intents);
        let expected = ["version-created a1 outside", "version-created a1 daemon"];
        assert_eq!(told(&catalog, before), expected);
    }

    #[test]
    fn a_recovery_tells_what_it_found_but_not_at_the_start() {
        let catalog = catalog();
        let (id, after) = slot("a1", &["1.0.1"]);
        let shard = catalog.shard(&crate::model::ShardDepth::DEFAULT.shard_of(&id));
        let before = catalog.feed().revision();
        shard.replace(
            BTreeMap::from([(id.clone(), after.clone())]),
            Vec::new(),
            Some(Origin::Recovery),
        );
        assert_eq!(told(&catalog, before), ["version-removed a1 recovery"]);
        let before = catalog.feed().revision();
        shard.replace(BTreeMap::from([(id, after)]), Vec::new(), None);
        assert!(catalog.feed().subscribe(Some(before)).is_err());
    }

    #[test]
    fn a_change_that_no_event_tells_has_a_revision_all_the_same() {
        let catalog = catalog();
        let (id, mut after) = slot("a1", &["1.0.0", "1.0.1"]);
        Arc::make_mut(&mut after.entry).description = Some("for greeting".into());
        let shard = catalog.shard(&crate::model::ShardDepth::DEFAULT.shard_of(&id));
        let before = catalog.feed().revision();
        shard.apply(vec![(id, Some(after))], &Intents::default());
        assert!(told(&catalog, before).is_empty());
        assert_eq!(catalog.feed().revision().counter, before.counter + 1);
    }
}
