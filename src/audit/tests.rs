//! The log over a real directory: what is in it, what is found when somebody changed it, what a crash leaves.

mod chain;
mod crash;
mod failing;
mod storage;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::storage::filesystem::disk::{Disk, RealDisk};
use crate::storage::{Action, Actor};

fn options() -> AuditOptions {
    AuditOptions {
        max_segment_bytes: 16 << 20,
        max_segments: 0,
        on_failure: OnFailure::Refuse,
    }
}

fn disk(dir: &Path) -> Arc<dyn Disk> {
    Arc::new(RealDisk::open(dir).unwrap())
}

fn open_with(dir: &TempDir, options: AuditOptions) -> (AuditLog, Vec<Entry>) {
    AuditLog::open(disk(dir.path()), options).unwrap()
}

fn open(dir: &TempDir) -> (AuditLog, Vec<Entry>) {
    open_with(dir, options())
}

fn draft(outcome: Outcome) -> Draft {
    Draft::new(&Actor::daemon(), Action::Start, outcome)
}

/// Makes a log of so many entries and closes it.
async fn log_of(dir: &TempDir, options: AuditOptions, count: usize) {
    let (log, _) = open_with(dir, options);
    for number in 0..count {
        let mut note = draft(Outcome::Done);
        note.detail = Some(format!("note {number}"));
        log.note(note).await;
    }
    log.close().await;
}

/// Returns the only segment.
fn segment(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join(AUDIT_DIR).join("audit-000001.jsonl")
}

fn query() -> AuditQuery {
    AuditQuery {
        limit: 1_000,
        intended: true,
        ..AuditQuery::default()
    }
}
