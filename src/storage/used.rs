//! The numbers that must not be given out again.

use serde::{Deserialize, Serialize};

use crate::model::Version;

/// The highest release and the highest pre-release that a prompt is known to have used. Two numbers, since a candidate
/// `2.0.0-opt.3` says nothing about releases between it and the highest release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HighestUsed {
    /// The highest release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    /// The highest pre-release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerelease: Option<Version>,
}

impl HighestUsed {
    /// Records that a number is used.
    pub fn note(&mut self, version: &Version) {
        let highest = if version.is_prerelease() {
            &mut self.prerelease
        } else {
            &mut self.release
        };
        if highest.as_ref().is_none_or(|highest| highest < version) {
            *highest = Some(version.clone());
        }
    }

    /// Records that numbers are used.
    pub fn note_all<'a>(&mut self, versions: impl IntoIterator<Item = &'a Version>) {
        versions.into_iter().for_each(|version| self.note(version));
    }

    /// Returns the numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Version> + Clone {
        self.release.iter().chain(&self.prerelease)
    }

    /// Tells whether nothing is recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.release.is_none() && self.prerelease.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prerelease_does_not_hide_a_release() {
        let mut used = HighestUsed::default();
        for version in ["1.0.7", "2.0.0-opt.3", "1.0.2"] {
            used.note(&Version::new(version).unwrap());
        }
        let shown: Vec<String> = used.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1.0.7", "2.0.0-opt.3"]);
    }
}
