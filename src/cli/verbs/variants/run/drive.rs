//! Running cases: what the schedule says, with real processes and a real clock.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::command::{Called, call};
use super::journal::JournalFile;
use super::outbox::Outbox;
use super::{Ending, time_limit};
use crate::cli::exit::CliError;
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::model::{TestStatus, Timestamp};
use crate::variants::Case;
use crate::variants::plan::ExecutionPolicy;
use crate::variants::run::{
    Attempt, CaseResult, Finished, Schedule, Step, StopReason, Trial, of_answer, of_failure,
};

/// How often it is looked whether somebody wants the run to end.
const TICK: Duration = Duration::from_millis(50);
/// How many complaints are kept for the report.
const MAX_COMPLAINTS: usize = 20;

/// What every attempt needs.
struct Work {
    command: Vec<OsString>,
    limit: Duration,
    cancel: CancellationToken,
}

/// An attempt that has ended: with a result and whether another one is hopeless, or because the run ends.
type Done = (Attempt, Option<(CaseResult, bool)>);

/// Runs these cases.
///
/// # Errors
/// When a result cannot be kept; commands that run then are ended.
pub(super) async fn drive(
    outbox: &Outbox,
    todo: &[usize],
    policy: &ExecutionPolicy,
    command: &[OsString],
    file: &mut JournalFile,
    session: &mut Session,
) -> Result<Ending, CliError> {
    let held = interrupt::hold();
    let progress = Progress::start(&session.console, "running", todo.len() as u64);
    let work = Arc::new(Work {
        command: command.to_vec(),
        limit: time_limit(policy),
        cancel: CancellationToken::new(),
    });
    let mut schedule = Schedule::new(policy, todo);
    let mut running = JoinSet::new();
    let mut ending = Ending::default();
    let begun = Instant::now();
    let mut failed = None;
    loop {
        if held.was_interrupted() && !ending.is_interrupted {
            ending.is_interrupted = true;
            progress.message("ending");
        }
        if ending.is_interrupted
            || failed.is_some()
            || matches!(schedule.stopped(), Some(StopReason::Timeout(_)))
        {
            work.cancel.cancel();
        }
        let step = match work.cancel.is_cancelled() {
            true if running.is_empty() => Step::Done,
            true => Step::Busy,
            false => schedule.next(begun.elapsed()),
        };
        let mut wake = Instant::now() + TICK;
        match step {
            Step::Start(attempt) => {
                if let Some(case) = outbox.case(attempt.case) {
                    let earlier = file.journal.of(&case.case_id).map_or(0, |entry| entry.attempts);
                    let number = earlier.saturating_add(attempt.number);
                    let document = outbox.document(&case.variant).unwrap_or_default();
                    let input = input(case, &document.to_string_lossy(), number);
                    running.spawn(run_one(Arc::clone(&work), case.clone(), input, attempt, number));
                }
                continue;
            }
            Step::Done => break,
            Step::Wait(at) => wake = wake.min(begun + at),
            Step::Busy => {}
        }
        tokio::select! {
            Some(done) = running.join_next() => {
                let done = done.map_err(|error| CliError::failure(format!("an attempt broke down: {error}")))?;
                match settle(done, &mut schedule, begun.elapsed(), file, &mut ending) {
                    Ok(is_final) => progress.advance(u64::from(is_final)),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            () = sleep_until(wake) => {}
        }
    }
    progress.finish();
    ending.stopped = schedule.stopped();
    failed.map_or(Ok(ending), Err)
}

/// Returns what a command reads: the case, where its document is, and which attempt it is.
fn input(case: &Case, document: &str, attempt: u32) -> Vec<u8> {
    let mut input = serde_json::to_value(case).unwrap_or_default();
    if let Value::Object(entries) = &mut input {
        entries.insert("document".to_owned(), json!(document));
        entries.insert("attempt".to_owned(), json!(attempt));
    }
    let mut bytes = input.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

async fn run_one(work: Arc<Work>, case: Case, input: Vec<u8>, attempt: Attempt, number: u32) -> Done {
    let (began, clock) = (Timestamp::now(), Instant::now());
    let called = call(&work.command, input, work.limit, &work.cancel).await;
    let trial = Trial {
        case: &case,
        attempt: number,
        began,
        took: clock.elapsed(),
    };
    let outcome = match called {
        Called::Cancelled => None,
        Called::Failure {
            status,
            message,
            is_hopeless,
        } => Some((of_failure(status, &message, &trial), is_hopeless)),
        Called::Answer(answer) => {
            let result = of_answer(&answer, &trial);
            let result = result.unwrap_or_else(|reason| of_failure(TestStatus::Error, &reason, &trial));
            Some((result, false))
        }
    };
    (attempt, outcome)
}

/// Takes note of an attempt that has ended, and keeps the result of a case that has one. Says whether it has.
fn settle(
    (attempt, outcome): Done,
    schedule: &mut Schedule,
    now: Duration,
    file: &mut JournalFile,
    ending: &mut Ending,
) -> Result<bool, CliError> {
    let Some((result, is_hopeless)) = outcome else {
        schedule.cancel();
        return Ok(false);
    };
    if schedule.finish(attempt, result.status, is_hopeless, now) == Finished::Again {
        return Ok(false);
    }
    file.append(&result)?;
    if result.status != TestStatus::Success && ending.complaints.len() < MAX_COMPLAINTS {
        let case = result.case_id().unwrap_or_default().to_owned();
        let message = result.error_message.unwrap_or_default();
        ending.complaints.push((case, result.status, message));
    }
    Ok(true)
}
