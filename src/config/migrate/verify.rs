//! Proof that one edit did what it was meant to do, and nothing else.

use std::path::Path;

use crate::config::yaml::{self, Content, Node};

use super::rules::{Action, Step};
use super::syntax::{self, Document};

/// Compares the text before and after a step.
///
/// Outside of what the step moves, every path has the value that it had. Inside, every value is still there, except
/// where the step turned an entry into a comment. No comment is lost.
///
/// # Errors
/// What is wrong, as a fragment that tells the user what to do.
pub(super) fn only_intended(
    before: &str,
    after: &str,
    document: &Document,
    step: &Step<'_>,
) -> Result<(), String> {
    let by_hand = || {
        let names: Vec<String> = step
            .moves
            .iter()
            .map(|moved| format!("`{}` to `{}`", moved.from, moved.to))
            .collect();
        format!(
            "the form of this entry does not allow it: change {} by hand",
            names.join(" and ")
        )
    };
    let (Ok(old), Ok(new)) = (leaves(before), leaves(after)) else {
        return Err(by_hand());
    };
    let (old_moved, old_rest) = split(old, step);
    let (new_moved, new_rest) = split(new, step);
    let old_values = values(old_moved);
    let new_values = values(new_moved);
    let values_kept = if step.action == Action::CommentOut {
        contains(&old_values, &new_values)
    } else {
        old_values == new_values
    };
    let after = syntax::parse(after).map_err(|_| by_hand())?;
    let comments_kept = if step.action == Action::CommentOut {
        // A comment at the end of a superseded line is now part of the comment that the line has become.
        document
            .comments
            .iter()
            .all(|old| after.comments.iter().any(|new| new.contains(old.as_str())))
    } else {
        contains(&sorted(after.comments), &sorted(document.comments.clone()))
    };
    if old_rest == new_rest && values_kept && comments_kept {
        Ok(())
    } else {
        Err(by_hand())
    }
}

type Leaf = (String, String);

/// Returns every scalar and every empty collection with its path.
fn leaves(text: &str) -> Result<Vec<Leaf>, String> {
    let root = yaml::parse(text, Path::new("configuration")).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    collect("", &root, &mut out);
    out.sort();
    Ok(out)
}

fn collect(path: &str, node: &Node, out: &mut Vec<Leaf>) {
    match &node.content {
        Content::Scalar(scalar) => out.push((path.to_owned(), format!("{scalar:?}"))),
        Content::List(items) if items.is_empty() => out.push((path.to_owned(), "[]".to_owned())),
        Content::Map(members) if members.is_empty() => out.push((path.to_owned(), "{}".to_owned())),
        Content::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{path}[{index}]"), item, out);
            }
        }
        Content::Map(members) => {
            for member in members {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&format!("{path}{dot}{}", member.name), &member.value, out);
            }
        }
    }
}

/// Splits leaves into those that the step moves, by their old or new path, and the rest. An empty mapping that the step
/// fills is neither.
fn split(leaves: Vec<Leaf>, step: &Step<'_>) -> (Vec<Leaf>, Vec<Leaf>) {
    let below = |path: &str, parent: &str| {
        path.strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let filled = |(path, value): &Leaf| {
        value == "{}"
            && step
                .moves
                .iter()
                .any(|moved| path != &moved.to && below(&moved.to, path))
    };
    leaves
        .into_iter()
        .filter(|leaf| !filled(leaf))
        .partition(|(path, _)| {
            step.moves
                .iter()
                .any(|moved| below(path, &moved.from) || below(path, &moved.to))
        })
}

fn values(leaves: Vec<Leaf>) -> Vec<String> {
    sorted(leaves.into_iter().map(|(_, value)| value).collect())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// Whether a sorted list has every member of another, as often.
fn contains(all: &[String], some: &[String]) -> bool {
    let mut rest = all.iter();
    some.iter().all(|wanted| rest.any(|text| text == wanted))
}
