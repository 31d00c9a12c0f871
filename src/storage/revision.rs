//! Points in the history of a store.

use std::fmt;
use std::str::FromStr;

/// One point in the history of a whole store: every change raises the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    /// Changes at every start, since a counter says nothing across starts.
    pub epoch: u64,
    /// Raised by every change in this run.
    pub counter: u64,
}

/// Why a text is no [`Revision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: pass one as it came in the header Promptd-Revision or in an event")]
pub struct InvalidRevision;

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.epoch, self.counter)
    }
}

impl FromStr for Revision {
    type Err = InvalidRevision;

    /// Takes what `Display` writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, InvalidRevision> {
        let (epoch, counter) = text.split_once('.').ok_or(InvalidRevision)?;
        let revision = Self {
            epoch: u64::from_str_radix(epoch, 16).map_err(|_| InvalidRevision)?,
            counter: counter.parse().map_err(|_| InvalidRevision)?,
        };
        if revision.to_string() == text {
            Ok(revision)
        } else {
            Err(InvalidRevision)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_has_one_spelling() {
        for (epoch, counter) in [(0, 0), (1, 7), (u64::MAX, u64::MAX)] {
            let revision = Revision { epoch, counter };
            assert_eq!(revision.to_string().parse(), Ok(revision));
        }
        for text in [
            "",
            ".",
            "7",
            "1.7",
            "0000000000000001.+7",
            "0000000000000001.07",
            "000000000000000A.7",
            "000000000000000a.7 ",
            "000000000000000a.18446744073709551616",
        ] {
            assert_eq!(text.parse::<Revision>(), Err(InvalidRevision), "{text:?}");
        }
    }
}
