//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    promptd::cli::run(std::env::args_os(), promptd::cli::Environment::of_process())
}
