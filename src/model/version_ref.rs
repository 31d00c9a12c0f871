//! `name@ref`: how people and programs point at one version.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;

use super::{InvalidLabel, InvalidPromptId, InvalidVersion, Label, PromptId, Version};

/// The part after the `@`: which version of a prompt is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSelector {
    /// The highest release; the highest pre-release when there is no release.
    Latest,
    /// The version with the highest overall score; of equals the lowest number.
    Best,
    /// Exactly this number.
    Exact(Version),
    /// The highest version in a range such as `^1.2`, `~1.4`, `1.x` or `>=1, <3`.
    Range(VersionReq),
    /// The version that a label points at.
    Label(Label),
}

/// A prompt and one of its versions: `name`, `name@1.2.0`, `name@^1.2`, `name@production`, `name@latest`, `name@best`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRef {
    /// The prompt.
    pub prompt_id: PromptId,
    /// Which version; [`VersionSelector::Latest`] when nothing is said.
    pub selector: VersionSelector,
}

/// Why a text is no [`VersionRef`] or [`VersionSelector`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVersionRef {
    /// The name before the `@`.
    #[error(transparent)]
    PromptId(#[from] InvalidPromptId),
    /// A full number that is not valid.
    #[error(transparent)]
    Version(#[from] InvalidVersion),
    /// A range that does not parse.
    #[error("invalid version range {text:?}: {reason}")]
    Range {
        /// The refused text.
        text: String,
        /// What the range parser said.
        reason: String,
    },
    /// A word that is no label.
    #[error(transparent)]
    Label(#[from] InvalidLabel),
    /// Nothing after the `@`.
    #[error("the version reference is empty: use a number, a range, a label, 'latest' or 'best'")]
    Empty,
}

impl FromStr for VersionSelector {
    type Err = InvalidVersionRef;

    /// Letters begin `latest`, `best` or a label; three dotted numbers are exact; all else is a range.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(InvalidVersionRef::Empty),
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            _ if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(Self::Label(Label::new(text)?)),
            _ if looks_exact(text) => Ok(Self::Exact(Version::new(text)?)),
            _ => VersionReq::parse(text)
                .map(Self::Range)
                .map_err(|e| InvalidVersionRef::Range {
                    text: text.chars().take(120).collect(),
                    reason: e.to_string(),
                }),
        }
    }
}

fn looks_exact(text: &str) -> bool {
    let numbers = text.split(['-', '+']).next().unwrap_or(text);
    let mut parts = numbers.split('.');
    parts.clone().count() >= 3
        && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Best => f.write_str("best"),
            Self::Exact(version) => version.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::Label(label) => label.fmt(f),
        }
    }
}

impl FromStr for VersionRef {
    type Err = InvalidVersionRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('@') {
            Some((name, selector)) => Ok(Self {
                prompt_id: PromptId::new(name)?,
                selector: selector.parse()?,
            }),
            None => Ok(Self {
                prompt_id: PromptId::new(text)?,
                selector: VersionSelector::Latest,
            }),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.prompt_id, self.selector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, ()>) {
        let parsed = text.parse::<VersionRef>();
        match (&parsed, expected) {
            (Ok(found), Ok(shown)) => assert_eq!(found.to_string(), shown, "{text:?}"),
            (Err(_), Err(())) => {}
            _ => panic!("{text:?} gave {parsed:?}"),
        }
    }

    #[test]
    fn every_reference_has_one_meaning() {
        check("greet", Ok("greet@latest"));
        check("greet@latest", Ok("greet@latest"));
        check("greet@best", Ok("greet@best"));
        check("greet@1.2.0", Ok("greet@1.2.0"));
        check("greet@2.0.0-opt.3", Ok("greet@2.0.0-opt.3"));
        check("greet@^1.2", Ok("greet@^1.2"));
        check("greet@1.2", Ok("greet@^1.2"));
        check("greet@~1.4", Ok("greet@~1.4"));
        check("greet@>=1, <3", Ok("greet@>=1, <3"));
        check("greet@production", Ok("greet@production"));
        check("greet@", Err(()));
        check("greet@01.0.0", Err(()));
        check("greet@1.0.0+b", Err(()));
        check("greet@Production", Err(()));
        check("../x@1.0.0", Err(()));
        check("greet@1.0.0@2.0.0", Err(()));
    }
}
