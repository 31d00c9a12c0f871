//! How promptctl ends: exit codes and the errors that lead to them.

use std::io;

use crate::client::ClientError;

/// How promptctl ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// It did not work; or, for `diff`, the versions differ.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// Something else is there already, or has changed meanwhile.
    Conflict = 4,
    /// The daemon cannot be reached.
    Unreachable = 69,
    /// It may work in a moment.
    TryAgain = 75,
    /// The user may not do this.
    Forbidden = 77,
    /// Interrupted from the keyboard.
    Interrupted = 130,
    /// Nobody reads the output any more.
    BrokenPipe = 141,
}

/// The exit codes, for the help and the manual.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    it did not work (diff: the versions differ; verify: there are problems)
  2    the command line is wrong
  3    what was named does not exist
  4    conflict: something else is there already, or it has changed meanwhile
  69   promptd cannot be reached
  75   try again in a moment: promptd is busy, or a part of it is down
  77   your user may not do this: daemon.access in the configuration of promptd says who may
  130  interrupted from the keyboard
  141  nobody reads the output any more";

/// The environment, for the help and the manual.
pub(crate) const ENVIRONMENT: &str = "\
Environment:
  PROMPTD_SOCKET           the socket of promptd, where --socket names none
  VISUAL, EDITOR           the editor of put -e and edit; vi without them
  PROMPTCTL_PAGER, PAGER   the pager of log and diff on a terminal; less -FRX without them, none when empty
  NO_COLOR, CLICOLOR_FORCE no colour at all; colour also in a pipe";

/// Why a verb ended before it was done: a message for people, hints on how to go on, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong, as a fragment.
    pub message: String,
    /// How to go on.
    pub hints: Vec<String>,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl CliError {
    /// Makes an error.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Makes an error of no special kind.
    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self::new(Exit::Failure, message)
    }

    /// Makes an error about the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Makes an error about a file.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::failure(format!("{doing} {}: {error}", path.display()))
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let failed = Self::new(exit_of(&error), error.to_string());
        match hint_for(error.code()) {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }
}

impl From<io::Error> for CliError {
    /// Errors of writing to the standard output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::BrokenPipe, ""),
            _ => Self::failure(format!("writing the output: {error}")),
        }
    }
}

/// Returns how a failed call ends the program.
pub(crate) fn exit_of(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. } => Exit::Unreachable,
        ClientError::Timeout { .. } | ClientError::Lost { .. } => Exit::TryAgain,
        ClientError::TooLarge { .. } | ClientError::Malformed { .. } | ClientError::Unsendable { .. } => {
            Exit::Failure
        }
        ClientError::Refused(problem) => match problem.code.as_str() {
            "not-found" | "gone" => Exit::NotFound,
            "version-conflict"
            | "version-deleted"
            | "version-labelled"
            | "not-promotable"
            | "evidence-conflict"
            | "evidence-full"
            | "edited-version"
            | "precondition-failed" => Exit::Conflict,
            "busy" | "unavailable" | "interrupted" => Exit::TryAgain,
            "forbidden" | "unauthorized" => Exit::Forbidden,
            "invalid-prompt-id" | "invalid-version" | "invalid-request" => Exit::Usage,
            _ => Exit::Failure,
        },
    }
}

fn hint_for(code: Option<&str>) -> Option<&'static str> {
    Some(match code? {
        "version-deleted" => "'promptctl restore NAME@VERSION' brings it back from the trash",
        "version-labelled" => "move the label to another version first, or use --force to remove it, too",
        "not-promotable" => "'promptctl log NAME' shows the candidates; --force promotes one all the same",
        "evidence-conflict" => {
            "nothing of this request was kept; the execution id must be unique within a version"
        }
        "evidence-full" => "raise max_results or max_bytes in optimizer.evidence of the configuration",
        "corrupt-evidence" => {
            "'promptctl verify' says what is wrong; docs/operations.md says how to put it right"
        }
        "precondition-failed" => "'promptctl label --list NAME' shows where the labels point now",
        "edited-version" => "the file was changed by hand; 'promptctl verify' lists such files",
        "corrupt-version" => "the file cannot be read; 'promptctl verify' says what is wrong with it",
        "storage-full" => "free space on the disk of the store, or lower min_free_bytes",
        "busy" | "unavailable" => "send the same command again in a moment",
        "forbidden" => "your user may not do this: see daemon.access in the configuration of promptd",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Problem;

    fn check(code: &str, exit: Exit) {
        let problem = Problem {
            status: 0,
            code: code.to_owned(),
            title: String::new(),
            detail: "what it says".to_owned(),
            retry_after: None,
        };
        let error = CliError::from(ClientError::from(problem));
        assert_eq!(
            (error.exit, error.message.as_str()),
            (exit, "what it says"),
            "{code}"
        );
    }

    #[test]
    fn every_code_has_its_exit() {
        for code in ["not-found", "gone"] {
            check(code, Exit::NotFound);
        }
        for code in [
            "version-conflict",
            "version-deleted",
            "version-labelled",
            "not-promotable",
            "evidence-conflict",
            "evidence-full",
            "precondition-failed",
            "edited-version",
        ] {
            check(code, Exit::Conflict);
        }
        for code in ["busy", "unavailable", "interrupted"] {
            check(code, Exit::TryAgain);
        }
        check("forbidden", Exit::Forbidden);
        for code in ["invalid-prompt-id", "invalid-version", "invalid-request"] {
            check(code, Exit::Usage);
        }
        for code in [
            "invalid-document",
            "invalid-evidence",
            "corrupt-evidence",
            "payload-too-large",
            "corrupt-version",
            "storage-full",
            "read-only-storage",
            "a-code-of-a-later-version",
        ] {
            check(code, Exit::Failure);
        }
    }

    #[test]
    fn a_daemon_that_cannot_be_reached_is_69_and_a_lost_answer_75() {
        let nobody = ClientError::Unreachable {
            socket: "/x".into(),
            reason: String::new(),
            remedy: "",
        };
        assert_eq!(CliError::from(nobody).exit as u8, 69);
        let lost = ClientError::Lost {
            doing: String::new(),
            reason: String::new(),
        };
        assert_eq!(CliError::from(lost).exit as u8, 75);
    }

    #[test]
    fn a_closed_pipe_is_no_message() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.exit, error.message.as_str()), (Exit::BrokenPipe, ""));
    }
}
