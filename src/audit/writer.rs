//! The thread that writes. Many that wait share one write and one fsync.
//!
//! After an error nothing is written on the file as it is: what it holds beyond the last good line is cut off first, since
//! an fsync that failed once can succeed falsely the next time.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::model::Timestamp;
use crate::storage::filesystem::disk::{NewFile, Pulse};
use crate::storage::{Action, Actor};

use super::chain::{Hash, Head};
use super::entry::{Draft, Entry, Outcome};
use super::files::Files;
use super::recover::{Found, recover};
use super::tally::Tally;
use super::{AuditError, AuditOptions};

/// The most entries in one write.
const MAX_BATCH: usize = 512;

/// How many entries about ended changes are kept for later while nothing can be written.
const MAX_OWED: usize = 16_384;

/// What the thread is asked to do.
pub(super) enum Command {
    /// To write an entry.
    Append {
        draft: Box<Draft>,
        /// Whether it must be durable before the answer.
        is_durable: bool,
        reply: oneshot::Sender<Result<u64, AuditError>>,
    },
    /// To say that it is there.
    Ping(oneshot::Sender<()>),
    /// To make everything durable and end.
    Close(oneshot::Sender<()>),
}

/// One entry of a batch that waits.
struct Waiting {
    draft: Box<Draft>,
    is_durable: bool,
    reply: Option<oneshot::Sender<Result<u64, AuditError>>>,
}

impl Waiting {
    /// Tells whether it is about a change that makes room, or that is done.
    fn makes_room(&self) -> bool {
        let takes_away = matches!(
            self.draft.action,
            Action::Delete | Action::Forget | Action::Purge | Action::RemoveLabel
        );
        takes_away || self.draft.of.is_some()
    }
}

/// What the thread keeps.
pub(super) struct Writer {
    files: Files,
    options: AuditOptions,
    tally: Arc<Tally>,
    head: Head,
    /// Intended, and not ended.
    open: BTreeSet<u64>,
    /// The last segment and the size of its whole lines.
    segment: Option<(u32, u64)>,
    /// The last segment, open; `None` before the first write and after an error.
    file: Option<Box<dyn NewFile>>,
    /// What could not be written of changes that are done.
    owed: Vec<Draft>,
    /// Whether there is a reserve for a full disk.
    has_reserve: bool,
    /// Whether the end of the log is known; else it is looked for before anything is written.
    is_known: bool,
    /// Waits as long as the disk is used.
    pulse: Arc<Pulse>,
}

impl Writer {
    pub(super) fn new(files: Files, options: AuditOptions, tally: Arc<Tally>, found: &Found) -> Self {
        Self {
            files,
            options,
            tally,
            head: found.head.clone(),
            open: found.open.iter().map(|entry| entry.seq).collect(),
            segment: found.segment,
            file: None,
            owed: Vec::new(),
            has_reserve: false,
            is_known: found.is_known,
            pulse: Arc::default(),
        }
    }

    /// Shows from outside whether it gets on.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// Works until the log is closed, or every handle to it is gone.
    pub(super) fn run(mut self, commands: &mut mpsc::Receiver<Command>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = commands.blocking_recv() else {
                break;
            };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    Command::Append {
                        draft,
                        is_durable,
                        reply,
                    } => batch.push(Waiting {
                        draft,
                        is_durable,
                        reply: Some(reply),
                    }),
                    Command::Ping(reply) => {
                        // Whoever asked may have stopped waiting.
                        let _gone = reply.send(());
                    }
                    Command::Close(done) => closing = Some(done),
                }
                next = if batch.len() < MAX_BATCH {
                    commands.try_recv().ok()
                } else {
                    None
                };
            }
            if !batch.is_empty() || closing.is_some() {
                let _wait = self.pulse.wait();
                self.write(batch);
            }
        }
        let _wait = self.pulse.wait();
        if let Some(Err(error)) = self.file.as_mut().map(|file| file.sync()) {
            tracing::warn!(%error, "the end of the audit log may not be durable");
        }
        if let Some(done) = closing {
            // Whoever closed it may have stopped waiting.
            let _told = done.send(());
        }
    }

    fn write(&mut self, mut batch: Vec<Waiting>) {
        let late = std::mem::take(&mut self.owed).into_iter().map(|draft| Waiting {
            draft: Box::new(draft),
            is_durable: false,
            reply: None,
        });
        batch.splice(0..0, late);
        let missed = self.tally.missed();
        if missed > 0 {
            batch.insert(0, gap(missed));
        }
        if batch.is_empty() {
            return;
        }
        let mut written = self.try_write(&batch);
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        if written.as_ref().is_err_and(is_full)
            && batch.iter().any(Waiting::makes_room)
            && self.uses_reserve()
        {
            let (room, others) = batch.into_iter().partition(Waiting::makes_room);
            self.refuse(others, &io::ErrorKind::StorageFull.into());
            batch = room;
            written = self.try_write(&batch);
        }
        match written {
            Ok(numbers) => {
                self.tally.wrote(&self.head, missed);
                for (waiting, seq) in batch.into_iter().zip(numbers) {
                    // Whoever asked may be gone; what is logged stays logged.
                    let _told = waiting.reply.map(|reply| reply.send(Ok(seq)));
                }
                if !self.has_reserve {
                    self.has_reserve = self.files.make_reserve().is_ok();
                }
            }
            Err(error) => self.refuse(batch, &error),
        }
    }

    /// Gives the reserve up for what makes room.
    fn uses_reserve(&mut self) -> bool {
        self.file = None;
        self.has_reserve = false;
        self.files.use_reserve().unwrap_or(false)
    }

    fn refuse(&mut self, batch: Vec<Waiting>, error: &io::Error) {
        self.file = None;
        let error = self.files.error(error);
        self.tally.failed(&error);
        for waiting in batch {
            if waiting.draft.of.is_some() && self.owed.len() < MAX_OWED {
                self.owed.push(waiting.draft.as_ref().clone());
            }
            let _told = waiting.reply.map(|reply| reply.send(Err(error.clone())));
        }
    }

    /// Writes a batch; nothing of it counts unless this succeeds.
    fn try_write(&mut self, batch: &[Waiting]) -> io::Result<Vec<u64>> {
        self.ready()?;
        let (mut head, mut open) = (self.head.clone(), self.open.clone());
        let (mut bytes, mut numbers) = (Vec::new(), Vec::with_capacity(batch.len()));
        for waiting in batch {
            let draft = waiting.draft.as_ref().clone();
            let is_intended = draft.outcome == Outcome::Intended;
            if let Some(of) = draft.of {
                open.remove(&of);
            }
            let (entry, line) = Entry::append(&mut head, open.first().copied(), Timestamp::now(), draft);
            if is_intended {
                open.insert(entry.seq);
            }
            bytes.extend_from_slice(&line);
            numbers.push(entry.seq);
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.write_all(&bytes)?;
        if batch.iter().any(|waiting| waiting.is_durable) {
            file.sync()?;
        }
        if let Some((_, size)) = &mut self.segment {
            *size += bytes.len() as u64;
        }
        (self.head, self.open) = (head, open);
        Ok(numbers)
    }

    /// Opens the segment to write on: the last one, or the next when that is full.
    fn ready(&mut self) -> io::Result<()> {
        if !self.is_known {
            let found = recover(&self.files)?;
            self.open = found.open.iter().map(|entry| entry.seq).collect();
            (self.head, self.segment, self.is_known) = (found.head, found.segment, true);
        }
        let is_full = |size: u64| size >= self.options.max_segment_bytes;
        match (self.segment, &mut self.file) {
            (Some((_, size)), Some(_)) if !is_full(size) => Ok(()),
            (Some((number, size)), file) if is_full(size) => {
                if let Some(file) = file {
                    file.sync()?;
                } else {
                    self.mend(number, size)?;
                }
                self.begin(number.saturating_add(1))
            }
            (Some((number, size)), _) => {
                self.mend(number, size)?;
                self.file = Some(self.files.append(number)?);
                Ok(())
            }
            (None, _) => self.begin(1),
        }
    }

    fn begin(&mut self, number: u32) -> io::Result<()> {
        self.file = Some(self.files.begin(number)?);
        self.segment = Some((number, 0));
        if self.options.max_segments > 0 {
            match self.files.keep(self.options.max_segments) {
                Ok(0) => {}
                Ok(count) => {
                    tracing::info!(count, "old segments of the audit log were removed (max_segments)");
                }
                Err(error) => tracing::warn!(%error, "old segments of the audit log could not be removed"),
            }
        }
        Ok(())
    }

    /// Cuts off what a write that failed left at the end of the segment.
    fn mend(&self, number: u32, size: u64) -> io::Result<()> {
        let mut bytes = self.files.read(number)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if bytes.len() < size {
            let reason = format!("segment {number} of the audit log is shorter than what was written to it");
            return Err(io::Error::other(reason));
        }
        let torn = bytes.split_off(size);
        let last = bytes
            .strip_suffix(b"\n")
            .unwrap_or_default()
            .rsplit(|b| *b == b'\n')
            .next();
        if size > 0 && last.map(Hash::of).as_ref() != Some(&self.head.hash) {
            let reason = format!("segment {number} of the audit log does not end with what was written last");
            return Err(io::Error::other(reason));
        }
        if torn.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            segment = number,
            bytes = torn.len(),
            "an unfinished line of the audit log is put aside"
        );
        self.files.cut(number, &bytes, &torn, self.head.seq + 1)
    }
}

fn gap(missed: u64) -> Waiting {
    let mut draft = Draft::new(&Actor::daemon(), Action::Gap, Outcome::Seen);
    draft.detail = Some(format!(
        "{missed} changes were made while the log could not be written"
    ));
    Waiting {
        draft: Box::new(draft),
        is_durable: false,
        reply: None,
    }
}
