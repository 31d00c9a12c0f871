//! `collect`: moves old versions to the trash, and forgets what lies there for long enough.
//!
//! Run again after it was cut off, it goes on: what was done is not found any more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::Params;
use super::retry::Retries;
use super::{Context, JobError, JobFailure, to_value};
use crate::model::{PromptId, Version};
use crate::storage::retention::{
    CollectAction, CollectReport, CollectedVersion, RetentionRule, SkippedCollection, VersionFacts, is_older,
    surplus,
};
use crate::storage::{PromptEntry, PromptPage, StorageError, TrashedVersion};

/// How many versions a result lists.
const MAX_LISTED: usize = 10_000;
/// How many prompts, or versions in the trash, are looked at in one go.
const PAGE: usize = 500;
/// How often one prompt is decided anew because it changed meanwhile.
const MAX_CONTRADICTIONS: u32 = 10;
/// How many versions one deletion takes. The rules are held against the prompt anew before each.
const MAX_AT_ONCE: usize = 64;

/// What to collect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) struct CollectPlan {
    prompts: Vec<PromptId>,
    prefix: String,
    keep_last: Option<u64>,
    keep_newer_than_seconds: Option<u64>,
    trash_older_than_seconds: Option<u64>,
    apply: bool,
}

impl CollectPlan {
    /// Reads the parameters.
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        let plan = Self {
            prompts: params.prompt_ids("prompts")?,
            prefix: params.optional_text("prefix")?.unwrap_or_default(),
            keep_last: params.count("keep_last")?,
            keep_newer_than_seconds: params.count("keep_newer_than_seconds")?,
            trash_older_than_seconds: params.count("trash_older_than_seconds")?,
            apply: params.flag("apply")?,
        };
        let wrong = |message: &str| Err(JobError::InvalidParams(message.to_owned()));
        if plan.keep_last.is_none() && plan.trash_older_than_seconds.is_none() {
            return wrong("params.keep_last or params.trash_older_than_seconds must say what to collect");
        }
        if plan.keep_last == Some(0) {
            return wrong("params.keep_last must be at least 1: the latest version always stays");
        }
        if plan.keep_newer_than_seconds.is_some() && plan.keep_last.is_none() {
            return wrong("params.keep_newer_than_seconds goes with params.keep_last");
        }
        Ok(plan)
    }

    fn includes(&self, id: &PromptId) -> bool {
        (self.prompts.is_empty() || self.prompts.contains(id)) && id.as_str().starts_with(&self.prefix)
    }

    fn rule(&self) -> Option<RetentionRule> {
        Some(RetentionRule {
            keep_last: usize::try_from(self.keep_last?).unwrap_or(usize::MAX),
            keep_newer_than: self.keep_newer_than_seconds.map(Duration::from_secs),
        })
    }
}

/// A collection under way.
struct Collection<'a> {
    plan: &'a CollectPlan,
    context: &'a Context,
    report: CollectReport,
    now: jiff::Timestamp,
}

/// Collects, or says what would be collected.
///
/// # Errors
/// What the storage says when nothing can be collected at all, and that it was cancelled; with what was done so far.
pub(super) async fn run(plan: CollectPlan, context: &Context) -> Result<Value, JobFailure> {
    let mut collection = Collection {
        plan: &plan,
        context,
        report: CollectReport {
            applied: plan.apply,
            ..CollectReport::default()
        },
        now: jiff::Timestamp::now(),
    };
    let collected = collection.collect().await;
    let result = to_value(&collection.report)?;
    match collected {
        Ok(()) => Ok(result),
        Err(error) => Err(JobFailure {
            error: error.to_string(),
            result: Some(result),
        }),
    }
}

impl Collection<'_> {
    async fn collect(&mut self) -> Result<(), StorageError> {
        // The trash first: what goes there now is kept for its time.
        if let Some(seconds) = self.plan.trash_older_than_seconds {
            self.purge_trash(Duration::from_secs(seconds)).await?;
        }
        if let Some(rule) = self.plan.rule() {
            self.move_surplus(rule).await?;
        }
        Ok(())
    }

    async fn move_surplus(&mut self, rule: RetentionRule) -> Result<(), StorageError> {
        let storage = self.context.manager.storage();
        self.context.progress.set_total(storage.totals().0);
        let mut after = None;
        loop {
            let page = PromptPage {
                prefix: self.plan.prefix.clone(),
                label: None,
                after: after.clone(),
                limit: PAGE,
            };
            let entries = storage.prompts(&page);
            for entry in entries.iter().filter(|entry| self.plan.includes(&entry.id)) {
                self.check_cancelled()?;
                self.report.prompts += 1;
                if let Err(reason) = self.move_surplus_of(&entry.id, rule).await {
                    let prompt_id = entry.id.clone();
                    self.report.skipped.push(SkippedCollection { prompt_id, reason });
                }
                self.check_cancelled()?;
                self.context.progress.advance(1);
            }
            let Some(last) = entries.last().filter(|_| entries.len() == PAGE) else {
                return Ok(());
            };
            after = Some(last.id.clone());
        }
    }

    /// Moves what is too much of one prompt, a few versions at a time.
    async fn move_surplus_of(&mut self, id: &PromptId, rule: RetentionRule) -> Result<(), String> {
        let storage = self.context.manager.storage();
        let (mut retries, mut contradictions) = (Retries::default(), 0);
        loop {
            let Some(entry) = storage.prompt(id) else {
                return Ok(());
            };
            if entry.versions.len() <= rule.keep_last {
                return Ok(());
            }
            let facts = self.facts_of(&entry).await;
            let chosen = surplus(&entry, &facts, rule, self.now)
                .map_err(|unread| format!("version {unread} cannot be read: nothing of it is collected"))?;
            if !self.plan.apply {
                self.note_all(id, &chosen, &facts);
                return Ok(());
            }
            let some: Vec<Version> = chosen.iter().take(MAX_AT_ONCE).cloned().collect();
            if some.is_empty() || self.context.progress.is_cancelled() {
                return Ok(());
            }
            match storage.delete_chosen(&entry, &some, &self.context.author).await {
                Ok(moved) => {
                    contradictions = 0;
                    self.note_all(id, &moved, &facts);
                }
                // Somebody changed the prompt meanwhile: the rules are held against what is there now.
                Err(
                    StorageError::PreconditionFailed(_)
                    | StorageError::PromptNotFound(_)
                    | StorageError::Labelled { .. }
                    | StorageError::VersionNotFound { .. },
                ) if contradictions < MAX_CONTRADICTIONS => {
                    contradictions += 1;
                }
                Err(error) => {
                    let message = error.to_string();
                    if !retries.again_after(&error.into(), &self.context.progress).await {
                        return Err(message);
                    }
                }
            }
        }
    }

    async fn facts_of(&self, entry: &PromptEntry) -> BTreeMap<Version, VersionFacts> {
        let storage = self.context.manager.storage();
        let mut facts = BTreeMap::new();
        for versions in entry.versions.chunks(MAX_AT_ONCE) {
            let read = storage.read_many(&entry.id, versions).await;
            facts.extend(versions.iter().zip(read).filter_map(|(version, read)| {
                let stored = read.ok()?;
                let known = VersionFacts {
                    parent: stored.parent_version.clone(),
                    created_at: stored.created_at.clone(),
                    bytes: stored.bytes.len() as u64,
                };
                Some((version.clone(), known))
            }));
        }
        facts
    }

    fn note_all(&mut self, id: &PromptId, versions: &[Version], facts: &BTreeMap<Version, VersionFacts>) {
        for version in versions {
            let known = facts.get(version);
            self.note(CollectedVersion {
                action: CollectAction::Move,
                prompt_id: id.clone(),
                version: version.clone(),
                since: known.map(|facts| facts.created_at.clone()),
                bytes: known.map_or(0, |facts| facts.bytes),
            });
        }
    }

    fn note(&mut self, item: CollectedVersion) {
        let tally = match item.action {
            CollectAction::Move => &mut self.report.moved,
            CollectAction::Purge => &mut self.report.purged,
        };
        tally.add(item.bytes);
        if self.report.items.len() < MAX_LISTED {
            self.report.items.push(item);
        } else {
            self.report.not_listed += 1;
        }
    }

    async fn purge_trash(&mut self, limit: Duration) -> Result<(), StorageError> {
        let storage = self.context.manager.storage();
        let mut after: Option<(PromptId, Version)> = None;
        loop {
            self.check_cancelled()?;
            let from = after.as_ref().map(|(id, version)| (id, version));
            let page = storage.trash(from, None, PAGE).await?;
            let is_full = page.len() == PAGE;
            after = page
                .last()
                .map(|last| (last.prompt_id.clone(), last.version.clone()));
            let mut doomed: BTreeMap<PromptId, Vec<TrashedVersion>> = BTreeMap::new();
            for item in page {
                let is_old = is_older(item.deleted_at.as_ref(), limit, self.now);
                if is_old && self.plan.includes(&item.prompt_id) {
                    doomed.entry(item.prompt_id.clone()).or_default().push(item);
                }
            }
            for (id, items) in doomed {
                self.check_cancelled()?;
                if let Err(reason) = self.purge(&id, &items).await {
                    self.report.skipped.push(SkippedCollection {
                        prompt_id: id,
                        reason,
                    });
                }
            }
            if !is_full {
                return Ok(());
            }
        }
    }

    async fn purge(&mut self, id: &PromptId, items: &[TrashedVersion]) -> Result<(), String> {
        if self.plan.apply {
            let versions: Vec<Version> = items.iter().map(|item| item.version.clone()).collect();
            self.forget(id, &versions).await?;
        }
        for item in items {
            self.note(CollectedVersion {
                action: CollectAction::Purge,
                prompt_id: id.clone(),
                version: item.version.clone(),
                since: item.deleted_at.clone(),
                bytes: item.size_bytes.unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Forgets versions in the trash, as far as they still are there.
    async fn forget(&self, id: &PromptId, versions: &[Version]) -> Result<(), String> {
        let storage = self.context.manager.storage();
        let mut retries = Retries::default();
        loop {
            let there = storage.prompt(id);
            let is_there =
                |version: &&Version| there.as_ref().is_some_and(|entry| entry.has_trashed(version));
            let left: Vec<Version> = versions.iter().filter(is_there).cloned().collect();
            if left.is_empty() {
                return Ok(());
            }
            match storage.purge_all_trashed(id, &left).await {
                // Somebody restored or forgot one of them meanwhile: the rest is tried again.
                Ok(()) | Err(StorageError::NotInTrash { .. }) => {}
                Err(error) => {
                    let message = error.to_string();
                    if !retries.again_after(&error.into(), &self.context.progress).await {
                        return Err(message);
                    }
                }
            }
        }
    }

    fn check_cancelled(&self) -> Result<(), StorageError> {
        if self.context.progress.is_cancelled() {
            Err(StorageError::Interrupted("cancelled".into()))
        } else {
            Ok(())
        }
    }
}
