//! Test results of a version: how they are kept, and what becomes of new ones.
//!
//! Pure. The file is specified in docs/format.md, section 7; both backends keep what [`merge`] gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Checksum, PromptId, TestResult, Version, sha256_hex};

use super::StorageError;

/// The format of the file.
const FORMAT: u64 = 1;
/// The largest file that is read, whatever is configured.
pub(crate) const MAX_EVIDENCE_BYTES: u64 = 64 << 20;

/// How much evidence a version may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// The most results.
    pub max_results: usize,
    /// The most bytes of the file.
    pub max_bytes: u64,
}

/// What came of adding results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvidenceAdded {
    /// Results that are new.
    pub added: u64,
    /// Results that were there already, with the same content.
    pub known: u64,
    /// Results that the version has now.
    pub total: u64,
}

/// The results of a version after some were added.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The bytes of the file; `None` when nothing is new.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) results: Vec<TestResult>,
    pub(crate) outcome: EvidenceAdded,
}

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u64,
    prompt_id: PromptId,
    version: Version,
    results: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<Checksum>,
}

/// The one key that is looked at before anything else.
#[derive(Debug, Deserialize)]
struct Format {
    format: u64,
}

impl Default for EvidenceLimits {
    fn default() -> Self {
        Self {
            max_results: 10_000,
            max_bytes: 8 << 20,
        }
    }
}

/// Adds results to those that are there, in the order in which they come. One that is there with the same content is
/// counted and not added again.
///
/// # Errors
/// `EvidenceConflict` when an execution is there with another content, `EvidenceFull` when it would be too much. Then
/// nothing is to be changed.
pub(crate) fn merge(
    id: &PromptId,
    version: &Version,
    mut there: Vec<TestResult>,
    new: &[TestResult],
    limits: EvidenceLimits,
) -> Result<Merged, StorageError> {
    let known_before = there.len();
    let mut places: BTreeMap<&str, &TestResult> = BTreeMap::new();
    for result in &there {
        places.insert(&result.execution_id, result);
    }
    let mut added: Vec<TestResult> = Vec::new();
    for result in new {
        match places.get(result.execution_id.as_str()) {
            Some(known) if *known == result => {}
            Some(_) => {
                return Err(StorageError::EvidenceConflict {
                    id: id.clone(),
                    version: version.clone(),
                    execution_id: result.execution_id.clone(),
                });
            }
            None => {
                places.insert(&result.execution_id, result);
                added.push(result.clone());
            }
        }
    }
    drop(places);
    let outcome = EvidenceAdded {
        added: added.len() as u64,
        known: (new.len() - added.len()) as u64,
        total: (known_before + added.len()) as u64,
    };
    if added.is_empty() {
        let (bytes, results) = (None, there);
        return Ok(Merged {
            bytes,
            results,
            outcome,
        });
    }
    let full = |what: &'static str, wanted: u64, limit: u64| StorageError::EvidenceFull {
        id: id.clone(),
        version: version.clone(),
        what,
        wanted,
        limit,
    };
    if outcome.total > limits.max_results as u64 {
        let limit = limits.max_results as u64;
        return Err(full("results (max_results)", outcome.total, limit));
    }
    there.extend(added);
    let bytes = render(id, version, &there);
    if bytes.len() as u64 > limits.max_bytes {
        return Err(full("bytes (max_bytes)", bytes.len() as u64, limits.max_bytes));
    }
    Ok(Merged {
        bytes: Some(bytes),
        results: there,
        outcome,
    })
}

/// Returns the bytes of the file: a line that says what it is, and a line for each result.
#[must_use]
pub(crate) fn render(id: &PromptId, version: &Version, results: &[TestResult]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(results.len() * 300);
    for result in results {
        push_line(&mut lines, result);
    }
    let header = Header {
        format: FORMAT,
        prompt_id: id.clone(),
        version: version.clone(),
        results: results.len(),
        checksum: checksum_of(&lines),
    };
    let mut bytes = Vec::with_capacity(lines.len() + 300);
    push_line(&mut bytes, &header);
    bytes.extend_from_slice(&lines);
    bytes
}

/// Reads the file and holds it against its path.
///
/// # Errors
/// A sentence that says what is wrong with it, and where.
pub(crate) fn parse(bytes: &[u8], id: &PromptId, version: &Version) -> Result<Vec<TestResult>, String> {
    let (first, lines) = split_line(bytes).ok_or("its first line is cut off")?;
    let Format { format } = serde_json::from_slice(first).map_err(|e| format!("line 1: {e}"))?;
    if format != FORMAT {
        return Err(format!("it has format {format}, and this promptd knows {FORMAT}"));
    }
    let header: Header = serde_json::from_slice(first).map_err(|e| format!("line 1: {e}"))?;
    if (&header.prompt_id, &header.version) != (id, version) {
        return Err(format!(
            "it belongs to version {} of prompt {}",
            header.version, header.prompt_id
        ));
    }
    if header.checksum.is_some() && header.checksum != checksum_of(lines) {
        return Err(
            "its lines do not match the checksum in line 1: put the file back, or remove the key checksum if the lines are right"
                .to_owned(),
        );
    }
    let (mut results, mut rest) = (Vec::new(), lines);
    let mut seen = std::collections::BTreeSet::new();
    while !rest.is_empty() {
        let number = results.len() + 2;
        let (line, after) = split_line(rest).ok_or_else(|| format!("line {number} is cut off"))?;
        let result: TestResult =
            serde_json::from_slice(line).map_err(|e| format!("line {number}: {}", without_place(&e)))?;
        let result = result.checked().map_err(|why| format!("line {number}: {why}"))?;
        if !seen.insert(result.execution_id.clone()) {
            return Err(format!(
                "line {number}: execution {} is there twice",
                result.execution_id
            ));
        }
        results.push(result);
        rest = after;
    }
    if results.len() != header.results {
        return Err(format!(
            "line 1 says {} results, and there are {}",
            header.results,
            results.len()
        ));
    }
    Ok(results)
}

/// Returns what an error of JSON says without its place, which is one within the line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what} in column {column}"),
        None => text,
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

fn push_line(bytes: &mut Vec<u8>, value: &impl Serialize) {
    // Numbers were checked, keys are text: this cannot fail.
    if serde_json::to_writer(&mut *bytes, value).is_ok() {
        bytes.push(b'\n');
    }
}

fn checksum_of(lines: &[u8]) -> Option<Checksum> {
    format!("sha256:{}", sha256_hex(lines)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TestStatus::{Failed, Success};
    use crate::model::test_result::tests::result;

    fn id() -> PromptId {
        PromptId::new("greet").unwrap()
    }

    fn two() -> Vec<TestResult> {
        vec![result("e1", Success, 1.25), result("e2", Failed, 0.1 + 0.2)]
    }

    fn file() -> String {
        String::from_utf8(render(&id(), &Version::FIRST, &two())).unwrap()
    }

    fn refused(bytes: &str) -> String {
        parse(bytes.as_bytes(), &id(), &Version::FIRST).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read_to_the_last_bit() {
        let read = parse(file().as_bytes(), &id(), &Version::FIRST).unwrap();
        assert_eq!(read, two());
        assert_eq!(render(&id(), &Version::FIRST, &read), file().as_bytes());
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let whole = file();
        for cut in 0..whole.len() {
            refused(&whole[..cut]);
        }
        assert!(refused(&whole.replace("1.25", "1.35")).contains("checksum"));
        assert!(refused(&whole.replace("\"format\":1", "\"format\":2")).contains("format 2"));
        assert!(
            refused(&whole.replace("\"greet\"", "\"other\""))
                .contains("belongs to version 1.0.0 of prompt other")
        );
        assert!(
            refused(&whole.replace("\"results\":2", "\"results\":3")).contains("3 results, and there are 2")
        );
        assert!(refused(&whole.replace("\"format\"", "\"more\":1,\"format\"")).contains("unknown field"));
    }

    #[test]
    fn a_file_without_a_checksum_is_taken_as_it_stands() {
        let whole = file();
        let (start, rest) = whole.split_once(",\"checksum\"").unwrap();
        let unsealed = format!("{start}}}{}", rest.split_once('}').unwrap().1);
        let edited = unsealed.replace("1.25", "1.5");
        let read = parse(edited.as_bytes(), &id(), &Version::FIRST).unwrap();
        assert_eq!(read[0].execution_time, 1.5);
        let twice = unsealed.replace("\"e2\"", "\"e1\"");
        assert!(refused(&twice).contains("line 3: execution e1 is there twice"));
        let negative = unsealed.replace("1.25", "-1.25");
        assert!(refused(&negative).contains("line 2: execution_time is -1.25"));
    }

    fn merged(
        there: Vec<TestResult>,
        new: &[TestResult],
        max_results: usize,
    ) -> Result<Merged, StorageError> {
        let limits = EvidenceLimits {
            max_results,
            max_bytes: 2000,
        };
        merge(&id(), &Version::FIRST, there, new, limits)
    }

    #[test]
    fn the_same_result_is_added_once_and_another_under_its_id_is_a_conflict() {
        let done = merged(Vec::new(), &[two(), two()].concat(), 2).unwrap();
        assert_eq!(
            (done.outcome.added, done.outcome.known, done.outcome.total),
            (2, 2, 2)
        );
        let again = merged(done.results, &two(), 2).unwrap();
        assert_eq!((again.bytes, again.outcome.known), (None, 2));
        let other = result("e1", Success, 9.0);
        for there in [two(), Vec::new()] {
            let new = if there.is_empty() {
                [two(), vec![other.clone()]].concat()
            } else {
                vec![other.clone()]
            };
            let error = merged(there, &new, 9).unwrap_err();
            assert!(
                matches!(&error, StorageError::EvidenceConflict { execution_id, .. } if execution_id == "e1")
            );
        }
    }

    #[test]
    fn more_than_is_allowed_is_refused_whole() {
        let error = merged(two(), &[result("e3", Success, 1.0)], 2).unwrap_err();
        assert!(error.to_string().contains("max_results"), "{error}");
        let many: Vec<TestResult> = (0..20).map(|n| result(&n.to_string(), Success, 1.0)).collect();
        let error = merged(Vec::new(), &many, 100).unwrap_err();
        assert!(error.to_string().contains("max_bytes"), "{error}");
    }
}
