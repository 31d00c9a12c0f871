//! Where the next page of a list begins.
//!
//! A cursor is the key of the last item with the letter of its list before it. Clients pass it back as it is; here it is
//! checked like every name from outside, and the cursor of one list is no cursor of another.

use super::problem::Problem;
use crate::jobs::JobId;
use crate::model::{PromptId, Version};

const PROMPTS: &str = "p~";
const VERSIONS: &str = "v~";
const TRASH: &str = "t~";
const JOBS: &str = "j~";
const EVIDENCE: &str = "e~";
const AUDIT: &str = "a~";

/// The cursor after a prompt.
pub(super) fn after_prompt(id: &PromptId) -> String {
    format!("{PROMPTS}{id}")
}

/// Reads a cursor of the list of prompts.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_prompt(cursor: &str) -> Result<PromptId, Problem> {
    let id = cursor.strip_prefix(PROMPTS).ok_or_else(refuse)?;
    PromptId::new(id).map_err(|_| refuse())
}

/// The cursor after a version.
pub(super) fn after_version(version: &Version) -> String {
    format!("{VERSIONS}{version}")
}

/// Reads a cursor of a list of versions.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_version(cursor: &str) -> Result<Version, Problem> {
    let version = cursor.strip_prefix(VERSIONS).ok_or_else(refuse)?;
    Version::new(version).map_err(|_| refuse())
}

/// The cursor after a version in the trash.
pub(super) fn after_trashed(id: &PromptId, version: &Version) -> String {
    format!("{TRASH}{id}~{version}")
}

/// Reads a cursor of the list of the trash.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_trashed(cursor: &str) -> Result<(PromptId, Version), Problem> {
    let key = cursor.strip_prefix(TRASH).ok_or_else(refuse)?;
    let (id, version) = key.split_once('~').ok_or_else(refuse)?;
    match (PromptId::new(id), Version::new(version)) {
        (Ok(id), Ok(version)) => Ok((id, version)),
        _ => Err(refuse()),
    }
}

/// The cursor after an entry of the audit log.
pub(super) fn after_entry(seq: u64) -> String {
    format!("{AUDIT}{seq}")
}

/// Reads a cursor of the audit log.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_entry(cursor: &str) -> Result<u64, Problem> {
    let seq = cursor.strip_prefix(AUDIT).ok_or_else(refuse)?;
    let is_number = seq.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| seq.parse().ok()).flatten().ok_or_else(refuse)
}

/// The cursor after a job.
pub(super) fn after_job(id: &str) -> String {
    format!("{JOBS}{id}")
}

/// Reads a cursor of the list of jobs.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_job(cursor: &str) -> Result<JobId, Problem> {
    cursor
        .strip_prefix(JOBS)
        .and_then(JobId::parse)
        .ok_or_else(refuse)
}

/// The cursor after so many test results of a version. Results are only ever added at the end.
pub(super) fn after_evidence(count: usize) -> String {
    format!("{EVIDENCE}{count}")
}

/// Reads a cursor of the test results of a version.
///
/// # Errors
/// `invalid-request` when it is none.
pub(super) fn read_evidence(cursor: &str) -> Result<usize, Problem> {
    let count = cursor.strip_prefix(EVIDENCE).ok_or_else(refuse)?;
    let number = count.parse::<usize>().map_err(|_| refuse())?;
    let is_canonical = number.to_string() == count && number > 0 && count.len() <= 9;
    is_canonical.then_some(number).ok_or_else(refuse)
}

fn refuse() -> Problem {
    Problem::invalid_request("query: cursor: not a next_cursor of this list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_only_for_its_own_list() {
        let (id, version) = (
            PromptId::new("wf_1.a-b").unwrap(),
            Version::new("2.0.0-rc.1").unwrap(),
        );
        assert_eq!(read_prompt(&after_prompt(&id)), Ok(id.clone()));
        assert_eq!(read_version(&after_version(&version)), Ok(version.clone()));
        assert_eq!(
            read_trashed(&after_trashed(&id, &version)),
            Ok((id.clone(), version.clone()))
        );
        let job = JobId::generate();
        assert_eq!(read_job(&after_job(job.as_str())), Ok(job));
        assert!(read_job(&after_prompt(&id)).is_err() && read_job("j~1").is_err());
        assert_eq!(read_evidence(&after_evidence(50)), Ok(50));
        for odd in ["e~", "e~0", "e~05", "e~+5", "e~-1", "e~9999999999", "v~1"] {
            assert!(read_evidence(odd).is_err(), "{odd}");
        }
        assert!(read_prompt(&after_version(&version)).is_err());
        assert!(read_version(&after_prompt(&id)).is_err());
        for odd in ["", "p~", "p", "p~../x", "v~1.0", "t~a", "t~a~", "t~~1.0.0", "P~a"] {
            assert!(
                read_prompt(odd).is_err() && read_version(odd).is_err() && read_trashed(odd).is_err(),
                "{odd:?}"
            );
        }
    }
}
