//! Calling the command of the user: bounded in time and in what it says, and ended with everything that it started.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::model::TestStatus;

/// The longest answer.
pub(super) const MAX_ANSWER_BYTES: usize = 8 << 20;
/// How much of what it says on its standard error is kept: the end.
const MAX_TALK_BYTES: usize = 4096;
/// How long a command that is told to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// How long the outputs of a command that has ended may stay open: something that it started has them.
const DRAIN: Duration = Duration::from_secs(1);

/// How long is waited where the limit is beyond all clocks.
const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// It ended well and printed this.
    Answer(Vec<u8>),
    /// It did not.
    Failure {
        status: TestStatus,
        message: String,
        /// Calling it again cannot help.
        is_hopeless: bool,
    },
    /// It was ended because the run ends.
    Cancelled,
}

/// Why the waiting for a command ended.
enum Ended {
    Exited(ExitStatus),
    /// It has exited, but something has its outputs.
    LeftOpen(ExitStatus),
    TooMuch,
    TimedOut,
    Cancelled,
    Lost(std::io::Error),
}

/// Calls a command with something on its standard input, in a process group of its own.
pub(super) async fn call(
    command: &[OsString],
    input: Vec<u8>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Called {
    let mut child = match start(command) {
        Ok(child) => child,
        Err(failure) => return failure,
    };
    let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let (mut answer, mut talk) = (Vec::new(), Vec::new());
    let ended = {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let exchange = async {
            tokio::try_join!(
                feed(stdin, &input),
                listen(stdout, &mut answer, MAX_ANSWER_BYTES),
                keep_end(stderr, &mut talk, MAX_TALK_BYTES),
            )
        };
        wait(&mut child, exchange, limit, cancel).await
    };
    match ended {
        Ended::Exited(_) => {}
        Ended::LeftOpen(_) => kill(group, Signal::KILL),
        _ => end(&mut child, group).await,
    }
    judge(ended, answer, &talk, limit)
}

fn start(command: &[OsString]) -> Result<Child, Called> {
    let (program, arguments) = command
        .split_first()
        .map_or((None, command), |(first, rest)| (Some(first), rest));
    let program = program.cloned().unwrap_or_default();
    let started = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    started.map_err(|error| Called::Failure {
        status: TestStatus::Error,
        message: format!("{} cannot be started: {error}", program.to_string_lossy()),
        is_hopeless: matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
        ),
    })
}

/// Waits until the command has ended and everything is said, or it is enough.
async fn wait<T>(
    child: &mut Child,
    exchange: impl Future<Output = Result<T, TooMuch>>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Ended {
    tokio::pin!(exchange);
    let begun = Instant::now();
    let mut until = begun.checked_add(limit).unwrap_or(begun + ONE_DAY);
    let (mut is_said, mut exited) = (false, None);
    loop {
        if let (true, Some(status)) = (is_said, exited) {
            return Ended::Exited(status);
        }
        tokio::select! {
            said = &mut exchange, if !is_said => match said {
                Ok(_) => is_said = true,
                Err(TooMuch) => return Ended::TooMuch,
            },
            status = child.wait(), if exited.is_none() => match status {
                Ok(status) => {
                    exited = Some(status);
                    until = Instant::now() + DRAIN;
                }
                Err(error) => return Ended::Lost(error),
            },
            () = sleep_until(until) => return exited.map_or(Ended::TimedOut, Ended::LeftOpen),
            () = cancel.cancelled() => return Ended::Cancelled,
        }
    }
}

/// Tells a process group to end, and ends it.
async fn end(child: &mut Child, group: Option<Pid>) {
    kill(group, Signal::TERM);
    drop(timeout(GRACE, child.wait()).await);
    // Whether the command is gone or not: what it started may not be.
    kill(group, Signal::KILL);
    drop(child.wait().await);
}

fn kill(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // It fails when nobody is left to be told.
        let _told = kill_process_group(group, signal);
    }
}

fn judge(ended: Ended, answer: Vec<u8>, talk: &[u8], limit: Duration) -> Called {
    let failure = |status: TestStatus, message: String| Called::Failure {
        status,
        message: with_talk(message, talk),
        is_hopeless: false,
    };
    match ended {
        Ended::Exited(status) | Ended::LeftOpen(status) if status.success() => Called::Answer(answer),
        Ended::Exited(status) | Ended::LeftOpen(status) => {
            failure(TestStatus::Error, format!("the command ended with {status}"))
        }
        Ended::TooMuch => failure(
            TestStatus::Error,
            format!("the command printed more than {MAX_ANSWER_BYTES} bytes and was ended"),
        ),
        Ended::TimedOut => failure(
            TestStatus::Timeout,
            format!(
                "the command did not end within {} s and was ended",
                limit.as_secs_f64()
            ),
        ),
        Ended::Lost(error) => failure(TestStatus::Error, format!("waiting for the command: {error}")),
        Ended::Cancelled => Called::Cancelled,
    }
}

fn with_talk(message: String, talk: &[u8]) -> String {
    let talk = String::from_utf8_lossy(talk);
    match talk.trim() {
        "" => message,
        talk => format!("{message}; it said: {talk}"),
    }
}

/// A command that prints without end.
#[derive(Debug)]
struct TooMuch;

/// Writes the input. A command that does not read it is free not to.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) -> Result<(), TooMuch> {
    if let Some(mut stdin) = stdin {
        drop(stdin.write_all(input).await);
        drop(stdin.shutdown().await);
    }
    Ok(())
}

/// Reads up to a limit.
async fn listen(
    source: Option<impl AsyncRead + Unpin>,
    heard: &mut Vec<u8>,
    most: usize,
) -> Result<(), TooMuch> {
    let Some(source) = source else { return Ok(()) };
    let mut bounded = source.take(most as u64 + 1);
    // An output that breaks off is an answer that is not complete, which shows.
    drop(bounded.read_to_end(heard).await);
    if heard.len() > most { Err(TooMuch) } else { Ok(()) }
}

/// Reads everything and keeps the end of it.
async fn keep_end(
    source: Option<impl AsyncRead + Unpin>,
    kept: &mut Vec<u8>,
    most: usize,
) -> Result<(), TooMuch> {
    let Some(mut source) = source else { return Ok(()) };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = source.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let excess = kept.len().saturating_sub(most);
        kept.drain(..excess);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, limit: Duration) -> Called {
        let command = ["sh", "-c", script].map(OsString::from);
        call(
            &command,
            b"{\"in\": 1}\n".to_vec(),
            limit,
            &CancellationToken::new(),
        )
        .await
    }

    async fn check(script: &str, status: TestStatus, words: &str) {
        match sh(script, Duration::from_secs(60)).await {
            Called::Failure {
                status: found,
                message,
                ..
            } => {
                assert_eq!(found, status, "{script}: {message}");
                assert!(
                    message.contains(words) && message.len() < 6_000,
                    "{script}: {message}"
                );
            }
            other => panic!("{script}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_command_reads_its_input_and_is_answered_for() {
        let long = Duration::from_secs(60);
        assert_eq!(sh("cat", long).await, Called::Answer(b"{\"in\": 1}\n".to_vec()));
        // It need not read it, and what it leaves behind does not hold up the run.
        assert_eq!(
            sh("echo {}; exec 0<&-", long).await,
            Called::Answer(b"{}\n".to_vec())
        );
        assert_eq!(
            sh("echo {}; sleep 600 &", long).await,
            Called::Answer(b"{}\n".to_vec())
        );
    }

    #[tokio::test]
    async fn what_ends_badly_or_says_too_much_is_an_error() {
        check(
            "echo broken >&2; exit 3",
            TestStatus::Error,
            "exit status: 3; it said: broken",
        )
        .await;
        check("kill -9 $$", TestStatus::Error, "signal: 9").await;
        check(
            "head -c 1000000000 /dev/zero",
            TestStatus::Error,
            "more than 8388608 bytes",
        )
        .await;
        check(
            "head -c 100000000 /dev/zero >&2; exit 1",
            TestStatus::Error,
            "exit status: 1",
        )
        .await;
        let missing = ["/nonexistent/program"].map(OsString::from);
        match call(
            &missing,
            Vec::new(),
            Duration::from_secs(60),
            &CancellationToken::new(),
        )
        .await
        {
            Called::Failure {
                message, is_hopeless, ..
            } => assert!(is_hopeless && message.contains("cannot be started"), "{message}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_everything_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        // Neither the shell nor its child listens to a request to end.
        let script = format!(
            "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> {0}; while :; do sleep 600; done' & echo $$ >> {0}; wait; wait",
            pids.display()
        );
        match sh(&script, Duration::from_millis(500)).await {
            Called::Failure { status, message, .. } => {
                assert_eq!(status, TestStatus::Timeout);
                assert!(message.contains("within 0.5 s"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        // The signal is sent by now; a process that waits for the processor takes it when its turn comes.
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        for pid in std::fs::read_to_string(&pids).unwrap_or_default().lines() {
            while !has_ended(pid) {
                assert!(std::time::Instant::now() < deadline, "{pid} is still there");
                tokio::task::yield_now().await;
            }
        }
    }

    fn has_ended(pid: &str) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    }

    #[tokio::test]
    async fn a_run_that_ends_ends_its_commands() {
        let cancel = CancellationToken::new();
        let command = ["sleep", "600"].map(OsString::from);
        let called = call(&command, Vec::new(), Duration::MAX, &cancel);
        let (called, ()) = tokio::join!(called, async { cancel.cancel() });
        assert_eq!(called, Called::Cancelled);
    }
}
