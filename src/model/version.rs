//! Version numbers: semver without build metadata, in canonical form only.

use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest major, minor or patch number: 2^53 - 1, the largest integer that every JSON reader keeps (npm's limit).
pub const MAX_COMPONENT: u64 = 9_007_199_254_740_991;

/// The longest version in text, in bytes. Keeps file names in the store and in the trash below the 255 bytes of NAME_MAX.
pub const MAX_VERSION_LEN: usize = 96;

/// A version number: `MAJOR.MINOR.PATCH` with an optional pre-release, no build metadata.
///
/// Only the canonical form is accepted (`01.0.0`, `+1.0.0` and ` 1.0.0` are not), so a number has exactly one file
/// name. Order is semver precedence (<https://semver.org/#spec-item-11>).
#[derive(utoipa::ToSchema, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[schema(value_type = String, min_length = 5, max_length = 96, pattern = r"^(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$", example = "1.2.0")]
pub struct Version(semver::Version);

/// Why a text is no [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid version {text:?}: {reason}")]
pub struct InvalidVersion {
    /// The refused text, cut to a printable length.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Which part of the number the next version raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// `1.2.3` to `2.0.0`.
    Major,
    /// `1.2.3` to `1.3.0`.
    Minor,
    /// `1.2.3` to `1.2.4`.
    Patch,
}

impl Version {
    /// The first number of every prompt.
    pub const FIRST: Self = Self(semver::Version::new(1, 0, 0));

    /// Checks a text and makes it a version.
    ///
    /// # Errors
    /// [`InvalidVersion`] when the text is not canonical semver, carries build metadata, or exceeds a limit.
    pub fn new(text: &str) -> Result<Self, InvalidVersion> {
        let refuse = |reason: String| InvalidVersion {
            text: text.chars().take(120).collect(),
            reason,
        };
        if text.len() > MAX_VERSION_LEN {
            return Err(refuse(format!("it is longer than {MAX_VERSION_LEN} characters")));
        }
        let version = semver::Version::parse(text).map_err(|e| refuse(e.to_string()))?;
        if !version.build.is_empty() {
            return Err(refuse("build metadata ('+...') is not allowed".into()));
        }
        if version.major.max(version.minor).max(version.patch) > MAX_COMPONENT {
            return Err(refuse(format!("a number is above {MAX_COMPONENT}")));
        }
        Ok(Self(version))
    }

    /// Makes a release from its three numbers; used where they are known to be within the limits.
    #[must_use]
    pub const fn release(major: u64, minor: u64, patch: u64) -> Self {
        Self(semver::Version::new(major, minor, patch))
    }

    /// Tells whether this is a pre-release such as `2.0.0-opt.3`.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// Returns the next number, or `None` at the limit of the range.
    ///
    /// The result is always a release: a pre-release `2.0.0-rc.1` is bumped from `2.0.0`.
    #[must_use]
    pub fn bumped(&self, bump: Bump) -> Option<Self> {
        let semver::Version {
            major, minor, patch, ..
        } = self.0;
        let next = match bump {
            Bump::Major => semver::Version::new(major.checked_add(1)?, 0, 0),
            Bump::Minor => semver::Version::new(major, minor.checked_add(1)?, 0),
            Bump::Patch => semver::Version::new(major, minor, patch.checked_add(1)?),
        };
        (next.major.max(next.minor).max(next.patch) <= MAX_COMPONENT).then_some(Self(next))
    }

    /// Returns the same number without its pre-release part.
    #[must_use]
    pub fn without_prerelease(&self) -> Self {
        Self(semver::Version {
            pre: Prerelease::EMPTY,
            build: BuildMetadata::EMPTY,
            ..self.0.clone()
        })
    }

    /// Tells whether the number lies in a range.
    #[must_use]
    pub fn matches(&self, range: &semver::VersionReq) -> bool {
        range.matches(&self.0)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.0)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, accepted: bool) {
        let parsed = Version::new(text);
        assert_eq!(parsed.is_ok(), accepted, "{text:?}");
        if let Ok(version) = parsed {
            assert_eq!(version.to_string(), text, "only the canonical form is accepted");
        }
    }

    #[test]
    fn a_number_has_exactly_one_spelling() {
        check("1.0.0", true);
        check("2.0.0-opt.3", true);
        check("9007199254740991.0.0", true);
        check("9007199254740992.0.0", false);
        check("99999999999999999999.0.0", false);
        for odd in [
            "01.0.0", " 1.0.0", "+1.0.0", "1_0.0.0", "1.2", "1.2.3.4", "-1.0.0", "v1.0.0", "1.0.0+b", "",
            "../1.0.0",
        ] {
            check(odd, false);
        }
        check(&format!("1.0.0-{}", "a".repeat(100)), false);
    }

    #[test]
    fn bumps_reset_what_is_below_and_end_at_the_limit() {
        let v = Version::release(1, 2, 3);
        assert_eq!(v.bumped(Bump::Major), Some(Version::release(2, 0, 0)));
        assert_eq!(v.bumped(Bump::Minor), Some(Version::release(1, 3, 0)));
        assert_eq!(v.bumped(Bump::Patch), Some(Version::release(1, 2, 4)));
        assert_eq!(Version::release(MAX_COMPONENT, 0, 0).bumped(Bump::Major), None);
        assert_eq!(
            Version::new("2.0.0-rc.1").unwrap().bumped(Bump::Patch),
            Some(Version::release(2, 0, 1))
        );
    }

    #[test]
    fn order_is_semver_precedence() {
        let mut sorted: Vec<Version> = ["10.0.0", "1.10.0", "2.0.0", "2.0.0-rc.1", "1.9.9"]
            .iter()
            .map(|t| Version::new(t).unwrap())
            .collect();
        sorted.sort();
        let texts: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1.9.9", "1.10.0", "2.0.0-rc.1", "2.0.0", "10.0.0"]);
    }
}
