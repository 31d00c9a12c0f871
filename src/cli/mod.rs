//! promptctl: one verb per file, all of them through the socket.
//!
//! Conventions that every verb keeps. Data goes to the standard output, talk to the standard error. On a terminal lists are
//! tables for people; in a pipe they are one line per row, cells parted by tabs, without a heading; with `--json` they are
//! one JSON object per line. Texts from the store are shown on a terminal with their control characters made visible,
//! and written to a pipe byte for byte. Errors are `promptctl: ...` and `hint: ...` lines, and each kind has its own
//! exit code ([`Exit`]).

mod age;
mod color;
mod confirm;
mod console;
mod deliver;
mod editor;
mod environment;
mod exit;
mod field;
mod files;
#[cfg(test)]
mod fuzz;
mod interrupt;
mod pager;
mod patience;
mod progress;
mod reference;
mod replace;
mod session;
mod table;

mod verbs;
mod visible;
mod wording;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use environment::Environment;
pub use exit::{CliError, Exit};

use color::ColorWhen;
use console::Console;
use session::Session;
use verbs::Verb;

const LONG_ABOUT: &str = "\
Keeps every version of every prompt: puts, reads, compares, labels and rolls back prompts in a promptd on this host.

A version is named NAME@REF, where REF is a number (1.2.0), a range (^1.2, ~1.4, 1.x), a label (production), 'latest' or
'best'. NAME alone means the latest version.";

const EXAMPLES: &str = "\
Examples:
  promptctl put greet prompt.txt          make the next version of a prompt from a file
  promptctl get greet@production          print the text of a version
  promptctl diff greet@1.0.0..latest      what has changed
  promptctl label greet@1.2.0 production  point a label at a version
  promptctl import dsl support_bot.yml    take the prompts out of a Dify workflow
  promptctl demo                          see all of it at work on a throw-away store";

/// Keeps every version of every prompt
#[derive(Debug, Parser)]
#[command(name = "promptctl", version, long_about = LONG_ABOUT, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", exit::EXIT_CODES, exit::ENVIRONMENT))]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    infer_subcommands = false
)]
struct Cli {
    /// The socket of promptd
    ///
    /// Without it: $PROMPTD_SOCKET, else the first that exists of $RUNTIME_DIRECTORY/promptd.sock,
    /// $XDG_RUNTIME_DIR/promptd/promptd.sock, promptd.sock beside the default store
    /// (~/.local/state/promptd/promptd.sock), and /run/promptd/promptd.sock.
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    socket: Option<PathBuf>,

    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    color: ColorWhen,

    /// Say nothing but data and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,

    /// Say each request and how long it took
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        help_heading = "Global options"
    )]
    verbose: bool,

    #[command(subcommand)]
    verb: Verb,
}

/// Runs promptctl with the given arguments (the first is the program's name) and returns how it ended.
///
/// Reads the standard input where a verb asks for it, and writes to the standard output and error of the process.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, env: Environment) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&arguments, &env, &error).into(),
    };
    if cli.verbose {
        trace_requests();
    }
    let console = Console::of_process(&env, cli.color, cli.quiet);
    let mut session = Session::new(env, console, cli.socket.as_deref());
    finish(&mut session, cli.verb).into()
}

fn finish(session: &mut Session, verb: Verb) -> Exit {
    let done = run_to_end(session, verb);
    let done = done.and_then(|exit| session.console.flush().map(|()| exit));
    done.unwrap_or_else(|error| {
        session.console.report(&error);
        error.exit
    })
}

fn run_to_end(session: &mut Session, verb: Verb) -> Result<Exit, CliError> {
    let runtime = if verb.is_parallel() {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let runtime = runtime.map_err(|error| CliError::failure(format!("starting: {error}")))?;
    runtime.block_on(Box::pin(verb.run(session)))
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// Returns the command line as clap sees it, for help, completions and manual pages.
fn command() -> clap::Command {
    Cli::command()
}

/// Shows what clap says: help and version as data, everything else as an error of ours.
fn refuse(arguments: &[OsString], env: &Environment, error: &clap::Error) -> Exit {
    let words = arguments.iter().filter_map(|argument| argument.to_str());
    let mut console = Console::of_process(env, ColorWhen::of_raw_arguments(words), false);
    let rendered = error.render();
    let text = |is_on: bool| {
        if is_on {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        }
    };
    if error.use_stderr() {
        let text = text(console.talk_palette.is_on).replacen("error:", "promptctl:", 1);
        console.insist(text.trim_end());
        return Exit::Usage;
    }
    let text = text(console.palette.is_on);
    let written = console.data(text).and_then(|()| console.flush());
    written.map_or_else(|error| error.exit, |()| Exit::Success)
}

/// Shows what the client does on the standard error.
fn trace_requests() {
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(false);
    // Only the first of several runs in one process can do this.
    let requests = Targets::new().with_target("promptd::client", LevelFilter::DEBUG);
    drop(
        tracing_subscriber::registry()
            .with(layer)
            .with(requests)
            .try_init(),
    );
}

#[cfg(test)]
mod tests;
