//! Long output on a terminal goes through a pager.

use std::io::Write;
use std::process::{Command, Stdio};

use clap::Args;

use super::console::Console;
use super::environment::Environment;
use super::exit::CliError;
use super::files;
use super::interrupt;

/// The pager of those who chose none.
const DEFAULT_PAGER: &str = "less -FRX";
/// What the shell says when there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// The choice of a verb with long output.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct PagerArgs {
    /// Write to the terminal without a pager
    #[arg(long)]
    no_pager: bool,
}

/// Returns the command of the pager, or nothing where none is wanted. `has_program` looks for a program in `PATH`.
fn choose(
    env: &Environment,
    args: PagerArgs,
    has_program: impl Fn(&Environment, &str) -> bool,
) -> Option<String> {
    if args.no_pager || !env.stdout_is_terminal {
        return None;
    }
    let chosen = env
        .var_or_empty("PROMPTCTL_PAGER")
        .or_else(|| env.var_or_empty("PAGER"));
    match chosen.map(str::trim) {
        Some("" | "cat") => None,
        Some(command) => Some(command.to_owned()),
        None if env.var("TERM") == Some("dumb") || !has_program(env, "less") => None,
        None => Some(DEFAULT_PAGER.to_owned()),
    }
}

/// Writes a text through the pager, or without one where none is wanted or it cannot be started.
pub(crate) fn page(
    console: &mut Console,
    env: &Environment,
    args: PagerArgs,
    text: &str,
) -> Result<(), CliError> {
    let shown = choose(env, args, files::is_in_path).is_some_and(|command| {
        let flushed = console.flush().is_ok();
        flushed && run(&command, env, text)
    });
    if shown { Ok(()) } else { console.data(text) }
}

/// Runs the pager; tells whether somebody may have seen the text.
fn run(command: &str, env: &Environment, text: &str) -> bool {
    let _held = interrupt::hold();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped());
    if env.var("LESS").is_none() {
        shell.env("LESS", "FRX");
    }
    let Ok(mut child) = shell.spawn() else {
        return false;
    };
    if let Some(mut input) = child.stdin.take() {
        // Whoever leaves the pager early has seen enough.
        drop(input.write_all(text.as_bytes()));
    }
    child
        .wait()
        .is_ok_and(|status| status.code() != Some(NO_SUCH_PROGRAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const N: usize>(vars: [(&str, &str); N], has_less: bool, expected: Option<&str>) {
        let mut env = Environment::of_vars(vars);
        env.stdout_is_terminal = true;
        let chosen = choose(&env, PagerArgs::default(), |_, _| has_less);
        assert_eq!(chosen.as_deref(), expected, "{vars:?}");
        assert_eq!(choose(&env, PagerArgs { no_pager: true }, |_, _| true), None);
        env.stdout_is_terminal = false;
        assert_eq!(choose(&env, PagerArgs::default(), |_, _| true), None);
    }

    #[test]
    fn the_pager_is_the_users_choice() {
        check([], true, Some("less -FRX"));
        check([], false, None);
        check([("PAGER", "more")], false, Some("more"));
        check(
            [("PAGER", "more"), ("PROMPTCTL_PAGER", "bat -p")],
            true,
            Some("bat -p"),
        );
        check([("PAGER", "more"), ("PROMPTCTL_PAGER", "")], true, None);
        check([("PAGER", "cat")], true, None);
        check([("TERM", "dumb")], true, None);
    }
}
