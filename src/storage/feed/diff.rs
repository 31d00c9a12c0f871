//! What changed between two states. Pure.

use std::collections::BTreeSet;

use crate::model::{Label, Version};
use crate::storage::{Problem, PromptEntry, Severity};

use super::{Change, EventKind};

/// Returns what changed of a prompt: labels that went, versions, labels that came. Of a prompt of which nothing is left, that
/// alone.
#[must_use]
pub fn changes_of_prompt(before: &PromptEntry, after: &PromptEntry) -> Vec<Change> {
    if after.is_gone() {
        return (!before.is_gone()).then(Change::purged).into_iter().collect();
    }
    let labels: BTreeSet<&Label> = before.labels.keys().chain(after.labels.keys()).collect();
    let target = |entry: &PromptEntry, label: &Label| entry.labels.get(label).map(|to| to.version.clone());
    let (mut went, mut came) = (Vec::new(), Vec::new());
    for label in labels {
        let (from, to) = (target(before, label), target(after, label));
        if from != to {
            let side = if to.is_none() { &mut went } else { &mut came };
            side.push(Change::of_label(label, from.as_ref(), to.as_ref()));
        }
    }
    let mut changes = went;
    changes.extend(changes_of_versions(before, after));
    changes.extend(came);
    changes
}

fn changes_of_versions(before: &PromptEntry, after: &PromptEntry) -> Vec<Change> {
    let (went, came) = difference(&before.versions, &after.versions);
    let (left_trash, entered_trash) = difference(&before.trash, &after.trash);
    let mut changes = Vec::new();
    for version in &went {
        let kind = match after.has_trashed(version) {
            true => EventKind::VersionDeleted,
            false => EventKind::VersionRemoved,
        };
        changes.push(Change::of_version(kind, version));
    }
    for version in &came {
        let is_restored = left_trash.contains(version);
        let kind = match is_restored {
            true => EventKind::VersionRestored,
            false => EventKind::VersionCreated,
        };
        changes.push(Change::of_version(kind, version));
    }
    // What lies in the trash without having been live here came from a backup.
    let from_elsewhere = entered_trash
        .into_iter()
        .filter(|version| went.binary_search(version).is_err());
    changes.extend(from_elsewhere.map(|version| Change::of_version(EventKind::VersionDeleted, version)));
    let forgotten = left_trash
        .into_iter()
        .filter(|version| came.binary_search(version).is_err());
    changes.extend(forgotten.map(|version| Change::of_version(EventKind::VersionForgotten, version)));
    changes
}

/// Returns what problems came and went. Notes, which need nobody's attention, are left out.
#[must_use]
pub fn changes_of_problems(before: &[Problem], after: &[Problem]) -> Vec<Change> {
    if before == after {
        return Vec::new();
    }
    let (gone, found) = (without(before, after), without(after, before));
    let gone = gone
        .into_iter()
        .map(|problem| Change::of_problem(EventKind::ProblemGone, problem));
    let found = found
        .into_iter()
        .map(|problem| Change::of_problem(EventKind::ProblemFound, problem));
    gone.chain(found).collect()
}

/// The problems of one list that the other does not have.
fn without<'a>(these: &'a [Problem], those: &[Problem]) -> Vec<&'a Problem> {
    let known: BTreeSet<(&str, &str)> = those.iter().map(key).collect();
    let matters = |problem: &&Problem| problem.severity == Severity::Problem;
    these
        .iter()
        .filter(|problem| !known.contains(&key(problem)))
        .filter(matters)
        .collect()
}

fn key(problem: &Problem) -> (&str, &str) {
    (&problem.path, &problem.kind)
}

/// What is in the first of two sorted lists alone, and what is in the second alone. Most of the time they are nearly the
/// same: what they have in common at both ends is passed over first.
fn difference<'a>(one: &'a [Version], other: &'a [Version]) -> (Vec<&'a Version>, Vec<&'a Version>) {
    let same = |pairs: &(&Version, &Version)| pairs.0 == pairs.1;
    let head = one.iter().zip(other).take_while(same).count();
    let (mut one, mut other) = (one.iter().skip(head), other.iter().skip(head));
    let (mut in_one, mut in_other) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (one.next(), other.next());
    loop {
        match (left, right) {
            (None, None) => return (in_one, in_other),
            (Some(a), Some(b)) if a == b => (left, right) = (one.next(), other.next()),
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                in_one.push(a);
                left = one.next();
            }
            (_, b) => {
                in_other.extend(b);
                right = other.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Author, PromptId, Timestamp};
    use crate::storage::LabelEntry;
    use proptest::prelude::*;

    fn numbers(list: &str) -> Vec<Version> {
        let mut numbers: Vec<Version> = list
            .split_whitespace()
            .map(|number| Version::new(number).unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// `versions | trash | label=version ...`
    fn entry(text: &str) -> PromptEntry {
        let mut parts = text.split('|');
        let mut entry = PromptEntry::empty(PromptId::new("p").unwrap());
        entry.versions = numbers(parts.next().unwrap_or_default());
        entry.trash = numbers(parts.next().unwrap_or_default());
        for pair in parts.next().unwrap_or_default().split_whitespace() {
            let (label, version) = pair.split_once('=').unwrap();
            let target = LabelEntry {
                version: Version::new(version).unwrap(),
                set_at: Timestamp::now(),
                set_by: Author::daemon(),
            };
            entry.labels.insert(Label::new(label).unwrap(), target);
        }
        entry
    }

    fn shown(change: &Change) -> String {
        let mut text = change.kind.as_str().to_owned();
        if let Some(label) = &change.label {
            text.push_str(&format!(" {label}"));
        }
        if let Some(from) = &change.from {
            text.push_str(&format!(" from {from}"));
        }
        if let Some(version) = &change.version {
            text.push_str(&format!(" {version}"));
        }
        if let Some(problem) = &change.problem {
            text.push_str(&format!(" {} {}", problem.kind, problem.path));
        }
        text
    }

    fn check(before: &str, after: &str, expected: &[&str]) {
        let changes = changes_of_prompt(&entry(before), &entry(after));
        let found: Vec<String> = changes.iter().map(shown).collect();
        assert_eq!(found, expected, "{before} -> {after}");
    }

    #[test]
    fn what_happened_to_versions_follows_from_where_they_were_and_are() {
        check("", "1.0.0", &["version-created 1.0.0"]);
        check("1.0.0 1.0.2", "1.0.0 1.0.1 1.0.2", &["version-created 1.0.1"]);
        check("1.0.0 1.0.1", "1.0.1|1.0.0", &["version-deleted 1.0.0"]);
        check("1.0.0", "|1.0.0", &["version-deleted 1.0.0"]);
        check("1.0.1|1.0.0", "1.0.0 1.0.1", &["version-restored 1.0.0"]);
        check("1.0.0 1.0.1", "1.0.0", &["version-removed 1.0.1"]);
        check("1.0.0|1.0.1 1.0.2", "1.0.0|1.0.2", &["version-forgotten 1.0.1"]);
        check("1.0.0", "1.0.0|0.9.0", &["version-deleted 0.9.0"]);
        check("1.0.0|0.9.0", "1.0.0|0.9.0", &[]);
        check(
            "1.0.0 1.0.1 1.0.2|0.9.0",
            "0.9.0 1.0.1 1.0.3|1.0.0",
            &[
                "version-deleted 1.0.0",
                "version-removed 1.0.2",
                "version-restored 0.9.0",
                "version-created 1.0.3",
            ],
        );
    }

    #[test]
    fn a_label_goes_before_its_version_and_comes_after_it() {
        check("1.0.0", "1.0.0||a=1.0.0", &["label-set a 1.0.0"]);
        check(
            "1.0.0 1.0.1||a=1.0.0 b=1.0.0",
            "1.0.1 1.0.2|1.0.0|a=1.0.2",
            &[
                "label-removed b from 1.0.0",
                "version-deleted 1.0.0",
                "version-created 1.0.2",
                "label-set a from 1.0.0 1.0.2",
            ],
        );
    }

    #[test]
    fn of_a_prompt_that_is_gone_nothing_else_is_told() {
        check("1.0.0 1.0.1|0.9.0|a=1.0.0", "", &["prompt-purged"]);
        check("|0.9.0", "", &["prompt-purged"]);
        check("", "", &[]);
    }

    #[test]
    fn problems_come_and_go_and_notes_are_not_told() {
        let problem = |path: &str, kind: &str| Problem::new(Path::new(path), kind, "why");
        let before = [problem("a", "corrupt-version"), problem("b", "foreign-name")];
        let after = [problem("c", "corrupt-version"), problem("d", "foreign-name")];
        let changes = changes_of_problems(&before, &after);
        let found: Vec<String> = changes.iter().map(shown).collect();
        assert_eq!(
            found,
            [
                "problem-gone corrupt-version a",
                "problem-found corrupt-version c"
            ]
        );
        assert!(changes_of_problems(&after, &after).is_empty());
    }

    /// Applies changes of versions to what was there.
    fn apply(entry: &mut PromptEntry, change: &Change) {
        let version = change.version.clone().unwrap();
        match change.kind {
            EventKind::VersionCreated => entry.insert(version),
            EventKind::VersionRestored => entry.take_from_trash(&version),
            EventKind::VersionRemoved => entry.versions.retain(|other| *other != version),
            EventKind::VersionForgotten => entry.trash.retain(|other| *other != version),
            EventKind::VersionDeleted => {
                entry.insert(version.clone());
                entry.move_to_trash(&version);
            }
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        /// A follower who does what the events say has what the store has.
        #[test]
        fn the_changes_lead_from_the_one_state_to_the_other(
            before in prop::collection::vec((0_u64..6, any::<bool>()), 0..6),
            after in prop::collection::vec((0_u64..6, any::<bool>()), 1..6),
        ) {
            let made = |list: &[(u64, bool)]| {
                let mut entry = PromptEntry::empty(PromptId::new("p").unwrap());
                for (number, is_trashed) in list {
                    let version = Version::release(1, 0, *number);
                    if !entry.has(&version) && !entry.has_trashed(&version) {
                        entry.insert(version.clone());
                        if *is_trashed {
                            entry.move_to_trash(&version);
                        }
                    }
                }
                entry
            };
            let (mut state, after) = (made(&before), made(&after));
            for change in changes_of_prompt(&state.clone(), &after) {
                apply(&mut state, &change);
            }
            prop_assert_eq!(state.versions, after.versions);
            prop_assert_eq!(state.trash, after.trash);
        }
    }
}
