//! Old names to present names, in place.
//!
//! A file is edited, never written anew: every other key, value, comment and their order stay. One rule is applied at a
//! time until none applies, so a second run finds nothing to do. After each edit the text is parsed again and compared
//! with the one before: when anything but the intended change has happened, the file is refused and nothing is changed.

mod edit;
mod file;
mod rules;
mod syntax;
mod verify;

use std::cmp::Reverse;
use std::path::Path;

pub use file::migrate_file;
pub(super) use rules::is_unsupported_key;

use super::{ConfigError, Origin, yaml};
use edit::Replacement;
use rules::{Action, Step};

/// The most edits of one file: the names that the rules know, in every place where they look, are far fewer.
const MAX_STEPS: usize = 200;

/// A file with the present names, and what was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The new text; the old one, byte for byte, when there is no change.
    pub text: String,
    /// The changes in the order in which they were made.
    pub changes: Vec<Change>,
}

/// One change of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The line of the old file, from 1.
    pub line: usize,
    /// The old key with its section.
    pub from: String,
    /// The key that it has become, or that supersedes it.
    pub to: String,
    /// What was done, and what to look at.
    pub note: String,
}

/// Gives a configuration its present names.
///
/// Where an old and the present name stand side by side, the present one wins and the old line becomes a comment.
///
/// # Errors
/// [`ConfigError::Syntax`] and [`ConfigError::TooLarge`] for a text that cannot be read;
/// [`ConfigError::NotMigratable`] for a form that cannot be edited in place without risk.
pub fn migrate(text: &str) -> Result<Migration, ConfigError> {
    migrate_named(text, Path::new("configuration"))
}

fn migrate_named(text: &str, path: &Path) -> Result<Migration, ConfigError> {
    yaml::parse(text, path)?;
    let mut draft = Draft::new(text);
    let mut changes = Vec::new();
    for _ in 0..MAX_STEPS {
        let refuse = |line: usize, message: String| ConfigError::NotMigratable {
            at: (line > 0).then(|| Origin::File {
                path: path.to_owned(),
                line,
            }),
            message,
        };
        let document = syntax::parse(&draft.text).map_err(|message| refuse(0, message))?;
        let Some(step) = document.root.as_ref().and_then(rules::next_step) else {
            return Ok(Migration {
                text: draft.text,
                changes,
            });
        };
        let made = describe(&step, &draft);
        let line = made.first().map_or(0, |change| change.line);
        let edits =
            edit::replacements(&draft.text, &document, &step).map_err(|message| refuse(line, message))?;
        let next = draft.edited(edits);
        verify::only_intended(&draft.text, &next.text, &document, &step)
            .map_err(|message| refuse(line, message))?;
        drop(document);
        changes.extend(made);
        draft = next;
    }
    Err(ConfigError::NotMigratable {
        at: None,
        message: "more old names than the rules can end with".to_owned(),
    })
}

/// Returns the first change that [`migrate`] would make, or `None` for a file that has only present names.
pub(super) fn first_old_name(text: &str) -> Option<Change> {
    let document = syntax::parse(text).ok()?;
    let step = document.root.as_ref().and_then(rules::next_step)?;
    describe(&step, &Draft::new(text)).into_iter().next()
}

fn describe(step: &Step<'_>, draft: &Draft) -> Vec<Change> {
    step.moves
        .iter()
        .map(|moved| Change {
            line: draft.origin(moved.entry.key.start),
            from: moved.from.clone(),
            to: moved.to.clone(),
            note: note(step.action, &moved.from),
        })
        .collect()
}

fn note(action: Action, from: &str) -> String {
    let note = match action {
        Action::Rename if from.ends_with("improvement_threshold") => {
            "renamed; the value is kept and now counts points, where old documents said percent"
        }
        Action::Rename => "renamed",
        Action::RenameToList => "renamed; the value is now a list of one",
        Action::Wrap | Action::Nest(_) | Action::Append(_) => "moved",
        Action::CommentOut => "superseded; the old line is kept as a comment",
    };
    note.to_owned()
}

/// A text whose lines remember which line of the original they come from.
#[derive(Debug, Clone)]
struct Draft {
    text: String,
    origins: Vec<usize>,
}

impl Draft {
    fn new(text: &str) -> Self {
        let lines = text.matches('\n').count() + 1;
        Self {
            text: text.to_owned(),
            origins: (1..=lines).collect(),
        }
    }

    fn line_index(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count()
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(self.line_index(at)).copied().unwrap_or(1)
    }

    fn edited(&self, mut replacements: Vec<Replacement>) -> Self {
        let mut draft = self.clone();
        // From the end, so that the ranges still to come stay true.
        replacements.sort_by_key(|(range, _)| Reverse((range.start, range.end)));
        for (range, new) in replacements {
            let first = draft.line_index(range.start);
            let last = draft.line_index(range.end);
            let lines = new.matches('\n').count();
            let old: Vec<usize> = draft.origins.get(first..=last).unwrap_or_default().to_vec();
            let fallback = old.last().copied().unwrap_or(1);
            let mut origins: Vec<usize> = (0..lines)
                .map(|i| old.get(i).copied().unwrap_or(fallback))
                .collect();
            origins.push(fallback);
            draft.origins.splice(first..=last, origins);
            draft.text.replace_range(range, &new);
        }
        draft
    }
}

#[cfg(test)]
mod tests;
