//! What a piece of work set out to do, so that what it finds beside it is known to be the work of others. Pure.

use std::collections::BTreeMap;

use crate::model::{Label, PromptId, Version};
use crate::storage::feed::{Change, EventKind, Origin};

/// What is intended with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A version, made or brought back.
    Create(Version),
    /// Versions to the trash, and labels that go with them.
    Delete,
    /// Versions in the trash to be forgotten.
    Forget,
    /// A label set or removed.
    Label(Label),
    /// Whatever comes of it: a purge, a repair, files of a backup.
    Anything,
}

/// What is intended with which prompts.
#[derive(Debug, Default)]
pub(crate) struct Intents {
    of: BTreeMap<PromptId, Vec<Intent>>,
    /// Whether temporary files of our own became versions, so that nobody can tell what others made.
    pub(crate) has_settled: bool,
}

impl Intents {
    /// Remembers an intent. It may come to nothing.
    pub(crate) fn add(&mut self, id: &PromptId, intent: Intent) {
        self.of.entry(id.clone()).or_default().push(intent);
    }

    /// Tells by whom a change was made.
    pub(crate) fn origin_of(&self, id: &PromptId, change: &Change) -> Origin {
        let intents = self.of.get(id).map(Vec::as_slice).unwrap_or_default();
        if intents.iter().any(|intent| intent.covers(change)) {
            Origin::Daemon
        } else if self.has_settled {
            Origin::Recovery
        } else {
            Origin::Outside
        }
    }
}

impl Intent {
    fn covers(&self, change: &Change) -> bool {
        use EventKind::{
            LabelRemoved, LabelSet, PromptPurged, VersionCreated, VersionDeleted, VersionForgotten,
            VersionRestored,
        };
        match self {
            Self::Create(version) => {
                matches!(change.kind, VersionCreated | VersionRestored)
                    && change.version.as_ref() == Some(version)
            }
            Self::Delete => matches!(change.kind, VersionDeleted | LabelRemoved),
            Self::Forget => matches!(change.kind, VersionForgotten | PromptPurged),
            Self::Label(label) => {
                matches!(change.kind, LabelSet | LabelRemoved) && change.label.as_ref() == Some(label)
            }
            Self::Anything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_covers_what_comes_of_it_and_nothing_else() {
        let (one, two) = (Version::release(1, 0, 0), Version::release(1, 0, 1));
        let label = |name: &str| Label::new(name).unwrap();
        let created = Change::of_version(EventKind::VersionCreated, &one);
        let deleted = Change::of_version(EventKind::VersionDeleted, &one);
        let forgotten = Change::of_version(EventKind::VersionForgotten, &one);
        let moved = Change::of_label(&label("a"), None, Some(&one));
        let removed = Change::of_label(&label("a"), Some(&one), None);
        let all = [&created, &deleted, &forgotten, &moved, &removed];
        let check = |intent: Intent, expected: &[&Change]| {
            let covered: Vec<&Change> = all.into_iter().filter(|change| intent.covers(change)).collect();
            assert_eq!(covered, expected, "{intent:?}");
        };
        check(Intent::Create(one), &[&created]);
        check(Intent::Create(two), &[]);
        check(Intent::Delete, &[&deleted, &removed]);
        check(Intent::Forget, &[&forgotten]);
        check(Intent::Label(label("a")), &[&moved, &removed]);
        check(Intent::Label(label("b")), &[]);
        check(Intent::Anything, &all);
    }
}
