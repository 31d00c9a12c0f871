//! The file of results: one line for each, durable before the run goes on.

#![expect(
    clippy::disallowed_methods,
    reason = "a file in a directory that the user names, with the user's own rights; never files of a store"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::cli::exit::{CliError, Exit};
use crate::cli::replace;
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::variants::run::{CaseResult, Journal, JournalLine, read_line};

/// The longest line: beyond what becomes of the longest answer, whose numbers may be written in a longer form.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// How many lines that are no results are told one by one.
const MAX_COMPLAINTS: usize = 20;

/// The file, locked, and what was in it.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    pub(super) journal: Journal,
    file: File,
}

/// What was read.
#[derive(Debug, Default)]
struct Found {
    journal: Journal,
    /// The first lines that are no results, from 1.
    broken: Vec<(usize, String)>,
    /// How many more there are.
    more_broken: u64,
    /// Up to here the file is made of whole lines.
    whole: u64,
    /// What stands behind that, if anything.
    tail: Vec<u8>,
}

/// Opens the file, makes it if it is not there, and reads it. A last line that was torn by a crash is cut off: its case runs again.
///
/// # Errors
/// With [`Exit::Conflict`] when another run has it; else what the file system says.
pub(super) fn open(path: &Path, session: &mut Session) -> Result<JournalFile, CliError> {
    let failed = |error: io::Error| CliError::file("opening", path, &error);
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(CliError::failure(format!(
            "{} is no regular file",
            path.display()
        )));
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let message = format!("another run is writing {}", path.display());
            return Err(CliError::new(Exit::Conflict, message).hint("wait for it, or end it"));
        }
        Err(error) => return Err(failed(error.into())),
    }
    let found = read(&mut BufReader::new(&mut file)).map_err(failed)?;
    for (line, reason) in &found.broken {
        session.console.warn(format_args!(
            "{}:{line}: no result ({reason}); its case runs again",
            path.display()
        ));
    }
    if found.more_broken > 0 {
        session.console.warn(format_args!(
            "and {} more",
            counted(found.more_broken, "such line")
        ));
    }
    let mut journal = found.journal;
    if !found.tail.is_empty() {
        if let JournalLine::Result(result) = read_line(&found.tail) {
            journal.add(&result);
            file.write_all(b"\n").map_err(failed)?;
        } else {
            file.set_len(found.whole).map_err(failed)?;
            session.console.warn(format_args!(
                "{}: the last line was torn and is cut off; its case runs again",
                path.display()
            ));
        }
    }
    file.sync_all().map_err(failed)?;
    if let Some(directory) = path.parent() {
        replace::sync_file_names(directory).map_err(failed)?;
    }
    Ok(JournalFile {
        path: path.to_owned(),
        journal,
        file,
    })
}

fn read(file: &mut (impl BufRead + Seek)) -> io::Result<Found> {
    file.rewind()?;
    let mut found = Found::default();
    for number in 1.. {
        let mut line = Vec::new();
        let length = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            if length == MAX_LINE_BYTES {
                let message = format!("line {number} is longer than {MAX_LINE_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            found.tail = line;
            break;
        }
        found.whole += length;
        match read_line(&line) {
            JournalLine::Result(result) => found.journal.add(&result),
            JournalLine::Blank => {}
            JournalLine::Broken(reason) if found.broken.len() < MAX_COMPLAINTS => {
                found.broken.push((number, reason));
            }
            JournalLine::Broken(_) => found.more_broken += 1,
        }
    }
    Ok(found)
}

impl JournalFile {
    /// Adds a result, durably.
    ///
    /// # Errors
    /// What the file system says. The run ends then: a result that is not kept would be paid for again.
    pub(super) fn append(&mut self, result: &CaseResult) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(result).map_err(|error| CliError::failure(error.to_string()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|error| CliError::file("writing", &self.path, &error))?;
        self.journal.add(result);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const LINE: &str = r#"{"workflow_id":"w","execution_id":"e","timestamp":"2026-01-02T03:04:05Z","status":"success","execution_time":1.0,"tokens_used":2,"cost":0.5,"inputs":{},"outputs":{},"metadata":{"case_id":"a"}}"#;

    #[test]
    fn whole_lines_count_and_what_stands_behind_them_is_told_apart() {
        let content = format!("{LINE}\n\nrubbish\n{}", &LINE[..40]);
        let found = read(&mut Cursor::new(content.as_bytes())).unwrap();
        assert!(found.journal.of("a").is_some());
        assert_eq!(
            found.broken.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [3]
        );
        assert_eq!(found.tail, &LINE.as_bytes()[..40]);
        assert_eq!(found.whole as usize, content.len() - 40);
        let empty = read(&mut Cursor::new(b"")).unwrap();
        assert!(empty.tail.is_empty() && empty.whole == 0);
    }
}
