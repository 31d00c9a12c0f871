//! Which old versions may go: decisions alone, without a clock and without a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{PromptId, Timestamp, Version};

use super::{PromptEntry, StorageError};

/// Which versions stay. The latest, those with a label and the parents of what stays by these rules stay in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRule {
    /// The highest so many versions stay; at least 1.
    pub keep_last: usize,
    /// Younger versions stay.
    pub keep_newer_than: Option<Duration>,
}

/// What the decision needs to know of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFacts {
    /// The version that it was made from.
    pub parent: Option<Version>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The size of its file.
    pub bytes: u64,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CollectReport {
    /// Whether it was done; otherwise this is what would be done.
    pub applied: bool,
    /// Prompts looked at.
    pub prompts: u64,
    /// Versions moved to the trash.
    pub moved: Tally,
    /// Versions in the trash that were forgotten for good.
    pub purged: Tally,
    /// Each of them, as far as the list is not too long.
    pub items: Vec<CollectedVersion>,
    /// How many are not listed.
    pub not_listed: u64,
    /// What could not be done, and why.
    pub skipped: Vec<SkippedCollection>,
}

/// A number of versions and how much room they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes in their files.
    pub bytes: u64,
}

/// What happens to a collected version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CollectAction {
    /// It goes to the trash.
    Move,
    /// It lies in the trash and is forgotten for good.
    Purge,
}

/// One collected version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CollectedVersion {
    /// What happens to it.
    pub action: CollectAction,
    /// The prompt.
    pub prompt_id: PromptId,
    /// The number.
    pub version: Version,
    /// When it was made, or deleted.
    #[schema(required)]
    pub since: Option<Timestamp>,
    /// The size of its file.
    pub bytes: u64,
}

/// A prompt that could not be collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SkippedCollection {
    /// The prompt.
    pub prompt_id: PromptId,
    /// Why.
    pub reason: String,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// Returns the versions of a prompt that may go, ascending.
///
/// # Errors
/// A version that stays and of which nothing is known: its parent could be among those that go.
pub fn surplus(
    entry: &PromptEntry,
    facts: &BTreeMap<Version, VersionFacts>,
    rule: RetentionRule,
    now: jiff::Timestamp,
) -> Result<Vec<Version>, Version> {
    let count = entry.versions.len();
    let last = entry
        .versions
        .iter()
        .skip(count.saturating_sub(rule.keep_last.max(1)));
    let mut kept: BTreeSet<&Version> = last.collect();
    kept.extend(entry.latest());
    kept.extend(entry.labels.values().map(|label| &label.version));
    kept.extend(entry.versions.iter().filter(|version| {
        facts.get(version).is_none_or(|facts| {
            let limit = rule.keep_newer_than;
            limit.is_some_and(|limit| !is_older(Some(&facts.created_at), limit, now))
        })
    }));
    let mut parents = BTreeSet::new();
    for version in kept.iter().filter(|version| entry.has(version)) {
        let known = facts.get(*version).ok_or_else(|| (*version).clone())?;
        parents.extend(known.parent.as_ref());
    }
    let goes = |version: &&Version| !kept.contains(version) && !parents.contains(version);
    Ok(entry.versions.iter().filter(goes).cloned().collect())
}

/// Checks that what was chosen when a prompt was as `seen` may still go: what was there must be there with the same labels,
/// and nothing that came since may be made from what goes. `parent` tells what a version was made from; `None` when that is
/// not known.
///
/// # Errors
/// [`StorageError::PreconditionFailed`].
pub fn check_choice(
    seen: &PromptEntry,
    now: &PromptEntry,
    chosen: &[Version],
    parent: impl Fn(&Version) -> Option<Option<Version>>,
) -> Result<(), StorageError> {
    let changed = |what: &str| {
        let id = &seen.id;
        let message = format!("prompt {id} changed since its versions were chosen: {what}; choose again");
        Err(StorageError::PreconditionFailed(message))
    };
    if let Some(gone) = seen.versions.iter().find(|version| !now.has(version)) {
        return changed(&format!("version {gone} is gone"));
    }
    if seen.labels != now.labels {
        return changed("its labels are others");
    }
    for new in now.versions.iter().filter(|version| !seen.has(version)) {
        match parent(new) {
            Some(parent) if parent.as_ref().is_none_or(|parent| !chosen.contains(parent)) => {}
            _ => return changed(&format!("version {new} is new and may be made from one of them")),
        }
    }
    Ok(())
}

/// Tells whether something happened longer ago than a limit; what has no time did not.
#[must_use]
pub fn is_older(at: Option<&Timestamp>, limit: Duration, now: jiff::Timestamp) -> bool {
    at.is_some_and(|at| {
        let age = now.duration_since(at.instant());
        age.is_positive() && age.unsigned_abs() > limit
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Author, Label};
    use crate::storage::LabelEntry;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> jiff::Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn days_ago(days: i64) -> Timestamp {
        Timestamp::from_instant(now() - jiff::SignedDuration::from_hours(24 * days))
    }

    fn number(patch: u64) -> Version {
        Version::release(1, 0, patch)
    }

    /// Versions 1.0.0 and up; version n has the parent and the age that stand at place n.
    fn history(
        shape: &[(Option<u64>, i64)],
        labelled: &[u64],
    ) -> (PromptEntry, BTreeMap<Version, VersionFacts>) {
        let mut entry = PromptEntry::empty(PromptId::new("p").unwrap());
        let mut facts = BTreeMap::new();
        for (patch, (parent, age)) in (0..).zip(shape) {
            entry.versions.push(number(patch));
            let parent = parent.map(number);
            let created_at = days_ago(*age);
            facts.insert(
                number(patch),
                VersionFacts {
                    parent,
                    created_at,
                    bytes: 1,
                },
            );
        }
        for patch in labelled {
            let label = Label::new(&format!("label{patch}")).unwrap();
            let target = LabelEntry {
                version: number(*patch),
                set_at: days_ago(1),
                set_by: Author::daemon(),
            };
            entry.labels.insert(label, target);
        }
        (entry, facts)
    }

    fn check(shape: &[(Option<u64>, i64)], labelled: &[u64], rule: (usize, Option<u32>), expected: &[u64]) {
        let (entry, facts) = history(shape, labelled);
        let rule = RetentionRule {
            keep_last: rule.0,
            keep_newer_than: rule.1.map(|days| DAY * days),
        };
        let expected: Vec<Version> = expected.iter().copied().map(number).collect();
        assert_eq!(surplus(&entry, &facts, rule, now()), Ok(expected));
    }

    #[test]
    fn the_last_the_labelled_the_young_and_their_parents_stay() {
        let alone = [(None, 50), (None, 40), (None, 30), (None, 20), (None, 10)];
        check(&alone, &[], (2, None), &[0, 1, 2]);
        check(&alone, &[], (0, None), &[0, 1, 2, 3]);
        check(&alone, &[], (9, None), &[]);
        check(&alone, &[1], (2, None), &[0, 2]);
        check(&alone, &[], (1, Some(35)), &[0, 1]);
        let chain = [
            (None, 50),
            (Some(0), 40),
            (Some(1), 30),
            (Some(2), 20),
            (Some(0), 10),
        ];
        check(&chain, &[], (1, None), &[1, 2, 3]);
        check(&chain, &[3], (1, None), &[1]);
        check(&[], &[], (1, None), &[]);
    }

    #[test]
    fn what_is_not_known_stops_the_decision() {
        let (entry, mut facts) = history(&[(None, 9), (None, 8), (None, 7)], &[]);
        facts.remove(&number(1));
        let rule = RetentionRule {
            keep_last: 1,
            keep_newer_than: None,
        };
        assert_eq!(surplus(&entry, &facts, rule, now()), Err(number(1)));
    }

    #[test]
    fn a_choice_holds_as_long_as_nothing_it_was_made_by_changed() {
        let alone = [(None, 3), (None, 2), (None, 1)];
        let (seen, _) = history(&alone, &[1]);
        let check = |now: &PromptEntry, parent: Option<Option<u64>>| {
            check_choice(&seen, now, &[number(0)], |_| {
                parent.map(|parent| parent.map(number))
            })
            .is_ok()
        };
        assert!(check(&seen, None));
        let mut shorter = seen.clone();
        shorter.versions.pop();
        assert!(
            !check(&shorter, None),
            "the latest is gone: another one is the latest now"
        );
        let (labelled, _) = history(&alone, &[0, 1]);
        assert!(!check(&labelled, None));
        let (unlabelled, _) = history(&alone, &[]);
        assert!(!check(&unlabelled, None));
        let mut longer = seen.clone();
        longer.versions.push(number(3));
        assert!(check(&longer, Some(Some(2))));
        assert!(check(&longer, Some(None)));
        assert!(!check(&longer, Some(Some(0))), "made from what goes");
        assert!(!check(&longer, None), "nobody knows what it was made from");
    }

    #[test]
    fn only_what_is_old_enough_and_dated_is_older() {
        let older = |hours: i64| {
            let at = Timestamp::from_instant(now() - jiff::SignedDuration::from_hours(hours));
            is_older(Some(&at), 2 * DAY, now())
        };
        assert!(older(49));
        assert!(!older(47));
        assert!(!older(-5), "a clock in the future forgets nothing");
        assert!(!is_older(None, DAY, now()));
    }

    proptest! {
        #[test]
        fn nothing_that_is_latest_labelled_or_the_parent_of_what_is_kept_is_ever_chosen(
            shape in prop::collection::vec((prop::option::of(0_u64..12), -5_i64..400), 0..12),
            labelled in prop::collection::vec(0_u64..12, 0..4),
            keep_last in 0_usize..6,
            days in prop::option::of(0_u32..300),
        ) {
            let (entry, facts) = history(&shape, &labelled);
            let rule = RetentionRule { keep_last, keep_newer_than: days.map(|days| DAY * days) };
            let chosen = surplus(&entry, &facts, rule, now()).unwrap();
            prop_assert!(entry.latest().is_none_or(|latest| !chosen.contains(latest)));
            prop_assert!(entry.labels.values().all(|label| !chosen.contains(&label.version)));
            let count = entry.versions.len();
            let sure = entry.versions.iter().skip(count.saturating_sub(keep_last)).chain(entry.latest());
            for version in sure.chain(entry.labels.values().map(|label| &label.version)) {
                let parent = facts.get(version).and_then(|facts| facts.parent.as_ref());
                prop_assert!(parent.is_none_or(|parent| !chosen.contains(parent)));
            }
            // Run again on what is left, it finds nothing more: a collection that was cut off can be run again.
            let mut left = entry.clone();
            left.versions.retain(|version| !chosen.contains(version));
            prop_assert_eq!(surplus(&left, &facts, rule, now()), Ok(Vec::new()));
        }
    }
}
