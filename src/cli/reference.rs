//! How arguments point at versions.

use std::str::FromStr;

use crate::model::{InvalidVersionRef, PromptId, Version, VersionRef, VersionSelector};

/// A whole prompt, or exactly one version of it: `name` or `name@1.2.0`. Nothing is computed where something is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The prompt.
    pub(crate) id: PromptId,
    /// The version; all of them when nothing is said.
    pub(crate) version: Option<Version>,
}

/// Exactly one version: `name@1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExactVersion {
    /// The prompt.
    pub(crate) id: PromptId,
    /// The version.
    pub(crate) version: Version,
}

/// Why an argument points at nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTarget {
    /// The name or the number breaks a rule.
    #[error(transparent)]
    Reference(#[from] InvalidVersionRef),
    /// A label or a range where only a number will do.
    #[error("'{0}' is no version number: give the exact number, such as name@1.2.0")]
    NotExact(String),
    /// No number at all.
    #[error("a version is needed: name@1.2.0")]
    NoVersion,
    /// More than two versions, or the second range mark.
    #[error("'{0}' is no pair of versions: use name@1.0.0..1.2.0, or two arguments")]
    NotAPair(String),
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reference: VersionRef = text.parse()?;
        let version = match reference.selector {
            VersionSelector::Exact(version) => Some(version),
            VersionSelector::Latest if !text.contains('@') => None,
            other => return Err(InvalidTarget::NotExact(other.to_string())),
        };
        Ok(Self {
            id: reference.prompt_id,
            version,
        })
    }
}

impl FromStr for ExactVersion {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Target { id, version } = text.parse()?;
        let version = version.ok_or(InvalidTarget::NoVersion)?;
        Ok(Self { id, version })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.id),
            None => self.id.fmt(f),
        }
    }
}

impl std::fmt::Display for ExactVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.id, self.version)
    }
}

/// Two versions to compare, as one or two arguments say them. The second is `None` in `name` alone: then the latest
/// version is compared with the one it was made from.
///
/// # Errors
/// [`InvalidTarget`].
pub(crate) fn pair(
    first: &str,
    second: Option<&str>,
) -> Result<(VersionRef, Option<VersionRef>), InvalidTarget> {
    let range = first
        .split_once('@')
        .and_then(|(name, rest)| Some((name, rest.split_once("..")?)));
    match (range, second) {
        (Some(_), Some(_)) => Err(InvalidTarget::NotAPair(first.to_owned())),
        (None, Some(second)) => Ok((first.parse()?, Some(second.parse()?))),
        (None, None) => Ok((first.parse()?, None)),
        (Some((name, (from, to))), None) => {
            let or_latest = |selector: &str| {
                let selector = if selector.is_empty() { "latest" } else { selector };
                format!("{name}@{selector}").parse::<VersionRef>()
            };
            Ok((or_latest(from)?, Some(or_latest(to)?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_target(text: &str, expected: Option<(&str, Option<&str>)>) {
        let parsed = text.parse::<Target>().ok();
        let shown = parsed.map(|target| (target.id.to_string(), target.version.map(|v| v.to_string())));
        let expected = expected.map(|(id, version)| (id.to_owned(), version.map(str::to_owned)));
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn what_is_deleted_is_named_exactly() {
        check_target("greet", Some(("greet", None)));
        check_target("greet@1.2.0", Some(("greet", Some("1.2.0"))));
        check_target("greet@latest", None);
        check_target("greet@production", None);
        check_target("greet@^1", None);
        check_target("greet@", None);
        assert!("greet".parse::<ExactVersion>().is_err());
    }

    fn check_pair(first: &str, second: Option<&str>, expected: Option<(&str, Option<&str>)>) {
        let parsed = pair(first, second).ok();
        let shown = parsed.map(|(from, to)| (from.to_string(), to.map(|to| to.to_string())));
        let expected = expected.map(|(from, to)| (from.to_owned(), to.map(str::to_owned)));
        assert_eq!(shown, expected, "{first} {second:?}");
    }

    #[test]
    fn a_pair_is_one_argument_or_two() {
        check_pair("a@1.0.0..1.2.0", None, Some(("a@1.0.0", Some("a@1.2.0"))));
        check_pair("a@1..2", None, Some(("a@^1", Some("a@^2"))));
        check_pair("a@production..", None, Some(("a@production", Some("a@latest"))));
        check_pair("a@1.0.0", Some("b@best"), Some(("a@1.0.0", Some("b@best"))));
        check_pair("a", None, Some(("a@latest", None)));
        check_pair("a@1.0.0..1.2.0", Some("a@1.3.0"), None);
        check_pair("a@1.0.0..1.2.0..1.3.0", None, None);
    }
}
