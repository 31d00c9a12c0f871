//! `promptctl import`: bring prompts in from elsewhere.

use clap::{Args, Subcommand};

use super::{import_dir, import_dsl};
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl import dsl support_bot.yml     the prompts of a Dify workflow
  promptctl import dsl exports/*.yml --dry-run
  promptctl import dir old_store/          version files: a store of the Python system, or an export";

/// Bring prompts in: from Dify workflows, or from a directory of version files
///
/// Files are read with your own rights; promptd gets their content and opens none of them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    Dsl(import_dsl::DslArgs),
    Dir(import_dir::DirArgs),
}

/// Brings them in.
pub(super) async fn run(args: ImportArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.source {
        Source::Dsl(args) => import_dsl::run(args, session).await,
        Source::Dir(args) => import_dir::run(args, session).await,
    }
}
