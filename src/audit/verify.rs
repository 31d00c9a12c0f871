//! Checking the chain, without a daemon too.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::chain::Hash;
use super::entry::Entry;
use super::files::{name_of, number_of};

/// The longest line that is an entry, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// What a verification of the log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditReport {
    /// Files that were read.
    pub segments: u64,
    /// Entries whose place in the chain is right.
    pub entries: u64,
    /// The number of the first entry; more than 1 when older files were removed.
    pub first_seq: Option<u64>,
    /// The number of the last entry that was reached.
    pub last_seq: Option<u64>,
    /// The hash of that entry. Kept elsewhere, it shows later that nothing before it was changed or cut off.
    pub head: Option<Hash>,
    /// Where the chain breaks first; null when it does not.
    pub broken: Option<AuditBreak>,
    /// Whether the hash that was asked for is in the chain; null when none was.
    pub has_known_head: Option<bool>,
}

/// Where the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditBreak {
    /// The file.
    pub segment: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong there.
    pub reason: String,
}

impl AuditReport {
    /// Tells whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.broken.is_none() && self.has_known_head != Some(false)
    }
}

/// Reads segments in their order and checks each line against the one before.
#[derive(Debug)]
pub struct Verifier {
    report: AuditReport,
    known_head: Option<Hash>,
    last_segment: Option<u32>,
}

impl Verifier {
    /// Makes a verifier. `known_head` is the hash of an entry that must be there.
    #[must_use]
    pub fn new(known_head: Option<Hash>) -> Self {
        let report = AuditReport {
            segments: 0,
            entries: 0,
            first_seq: None,
            last_seq: None,
            head: None,
            broken: None,
            has_known_head: known_head.as_ref().map(|_| false),
        };
        Self {
            report,
            known_head,
            last_segment: None,
        }
    }

    /// Reads one segment. What comes after the entry `until` is being written, and is passed over.
    ///
    /// # Errors
    /// What reading says. A broken chain is no error: it is in the report.
    pub fn segment(&mut self, number: u32, mut lines: impl BufRead, until: Option<u64>) -> io::Result<()> {
        if self.report.broken.is_some() || self.is_past(until) {
            return Ok(());
        }
        if let Some(last) = self.last_segment
            && number != last + 1
        {
            let reason = format!("the segment before it, {}, is missing", name_of(number - 1));
            self.broken(number, 1, reason);
            return Ok(());
        }
        self.last_segment = Some(number);
        self.report.segments += 1;
        let (mut line, mut count) = (Vec::new(), 0);
        while !self.is_past(until) {
            line.clear();
            (&mut lines).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                break;
            }
            count += 1;
            if let Err(reason) = self.line(&line) {
                self.broken(number, count, reason);
                break;
            }
        }
        Ok(())
    }

    /// Returns what was found. `until` is the last entry that must be there.
    #[must_use]
    pub fn finish(mut self, until: Option<u64>) -> AuditReport {
        let last = self.report.last_seq.unwrap_or(0);
        if let Some(until) = until
            && last < until
            && self.report.broken.is_none()
        {
            let reason = format!("it ends with entry {last}, and entry {until} was written");
            self.broken(self.last_segment.unwrap_or(1), 0, reason);
        }
        self.report
    }

    fn is_past(&self, until: Option<u64>) -> bool {
        until.is_some_and(|until| self.report.last_seq.unwrap_or(0) >= until)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(text) = line.strip_suffix(b"\n") else {
            return Err(if line.len() as u64 == MAX_LINE_BYTES {
                format!("the line is longer than {MAX_LINE_BYTES} bytes")
            } else {
                "the line is cut off: a crash does that, and the next start of promptd puts it aside"
                    .to_owned()
            });
        };
        let entry = Entry::parse(text)?;
        if let (Some(last), Some(head)) = (self.report.last_seq, &self.report.head) {
            if entry.prev != *head {
                return Err("its hash of the line before is not that line's: one of the two was changed, or lines are missing".to_owned());
            }
            if entry.seq != last + 1 {
                return Err(format!("it is entry {} and follows entry {last}", entry.seq));
            }
        } else if entry.seq == 1 && entry.prev != Hash::none() {
            return Err("the first entry must have a hash of zeros".to_owned());
        }
        let hash = Hash::of(text);
        if self.known_head.as_ref() == Some(&hash) {
            self.report.has_known_head = Some(true);
        }
        self.report.entries += 1;
        self.report.first_seq.get_or_insert(entry.seq);
        self.report.last_seq = Some(entry.seq);
        self.report.head = Some(hash);
        Ok(())
    }

    fn broken(&mut self, number: u32, line: u64, reason: String) {
        self.report.broken = Some(AuditBreak {
            segment: name_of(number),
            line,
            reason,
        });
    }
}

/// Checks the log in a directory: that of the log, or of a store. Needs no daemon.
///
/// # Errors
/// What reading says; `NotFound` when there is no log.
#[expect(
    clippy::disallowed_methods,
    reason = "promptctl reads the files as the user who calls it; nothing is written"
)]
pub fn verify_directory(dir: &Path, known_head: Option<Hash>) -> io::Result<AuditReport> {
    let beneath = dir.join(super::AUDIT_DIR);
    let dir = if beneath.is_dir() { beneath } else { dir.to_owned() };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(&dir)? {
        numbers.extend(entry?.file_name().to_str().and_then(number_of));
    }
    if numbers.is_empty() {
        let reason = format!("there is no audit log in {}", dir.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    numbers.sort_unstable();
    let mut verifier = Verifier::new(known_head);
    for number in numbers {
        let file = std::fs::File::open(dir.join(name_of(number)))?;
        verifier.segment(number, BufReader::new(file), None)?;
    }
    Ok(verifier.finish(None))
}
