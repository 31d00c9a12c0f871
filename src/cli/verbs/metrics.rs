//! `promptctl metrics`: every number of the daemon, for Prometheus.

use clap::Args;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl metrics | grep rejected
  promptctl metrics | grep promptd_ > promptd.prom    for the textfile collector of node_exporter";

/// Print the numbers of promptd in the text format of Prometheus
///
/// docs/operations.md explains each of them, and how Prometheus gets them by itself.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MetricsArgs {}

/// Prints them.
pub(super) async fn run(_: MetricsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let text = session.client().metrics().await?;
    session.console.data(text)?;
    Ok(Exit::Success)
}
