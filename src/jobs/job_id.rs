//! The name of a job.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// What every job id begins with.
const PREFIX: &str = "job_";

/// The name of a job: `job_` and a UUID of version 7, so that the order of the names is the order of submission.
///
/// A job id is a file name in the ledger, so its alphabet keeps it from leaving the ledger. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

impl JobId {
    /// Makes a new name, later in order than every name that this process made before.
    #[must_use]
    pub fn generate() -> Self {
        Self(Arc::from(format!("{PREFIX}{}", Uuid::now_v7().hyphenated())))
    }

    /// Reads a name; `None` when the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text.strip_prefix(PREFIX)?).ok()?;
        // Upper case, braces and the form without hyphens parse too, but would be second names for the same job.
        let id = Self(Arc::from(format!("{PREFIX}{}", uuid.hyphenated())));
        (uuid.get_version_num() == 7 && id.as_str() == text).then_some(id)
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_in_the_order_in_which_they_were_made() {
        let ids: Vec<JobId> = (0..1_000).map(|_| JobId::generate()).collect();
        assert!(ids.is_sorted());
        assert!(
            ids.iter()
                .all(|id| JobId::parse(id.as_str()).as_ref() == Some(id))
        );
    }

    #[test]
    fn nothing_but_the_one_form_is_a_job_id() {
        let good = JobId::generate();
        for text in [
            "",
            "job_",
            "job_../../etc/passwd",
            "job_019aae3c-9f5e-7000-8000-00000000000",
            "job_6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            &good.as_str().to_uppercase(),
            &good.as_str().replace('-', ""),
            good.as_str().trim_start_matches(PREFIX),
        ] {
            assert_eq!(JobId::parse(text), None, "{text:?}");
        }
    }
}
