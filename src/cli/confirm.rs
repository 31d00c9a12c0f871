//! Questions before something is done that is hard to undo.

use std::io;

use super::exit::CliError;
use super::session::Session;

/// Asks whether to go on. `is_granted` is `--yes`. Without a terminal to ask on, only `--yes` will do.
///
/// # Errors
/// A usage error when there is nobody to ask.
pub(crate) fn confirm(session: &mut Session, question: &str, is_granted: bool) -> Result<bool, CliError> {
    if is_granted {
        return Ok(true);
    }
    if !session.env.stdin_is_terminal || !session.env.stderr_is_terminal {
        let message = format!("{question} there is no terminal to ask on");
        return Err(CliError::usage(message)
            .hint("use --yes to say yes beforehand, or --dry-run to see what would be done"));
    }
    session.console.ask(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        for yes in ["y\n", "Y\n", "yes\n", " Yes \n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
