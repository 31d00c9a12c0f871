//! `promptctl bench`: how fast the daemon is on this machine.

mod drive;
mod fill;
mod keys;
mod overload;
mod report;

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl bench                              8 clients, mixed load, 10 seconds
  promptctl bench --fill                       first make 10,000 prompts of 50 versions
  promptctl bench --op get --clients 1
  promptctl bench --op put --clients 64 --seconds 30 --json
  promptctl bench --overload 10                offer ten times of what the daemon can do";

/// Measure how fast promptd is here, through its real socket
///
/// Clients run at once, each with its own connection. Reads pick prompts with a skewed distribution, as applications do: a
/// few are read often, most of them seldom. They need prompts to read, which --fill makes (their names begin with 'bench-');
/// it can be interrupted and continued. The prompts that --op put writes are purged at the end. A request that is
/// refused with 'busy' is sent again after a moment, counted, and its time goes on.
///
/// --overload measures how many puts the daemon can do, and then offers a multiple of that for as long again: half of it from
/// one greedy process, half from a crowd of others, while a polite client asks for a little. It tells who was served how
/// fast, what was refused, how much memory the daemon took and how soon all was normal again, and reads everything that
/// was acknowledged. It fails when something of that is lost.
///
/// Columns in a pipe: operation, count, per second, then microseconds: p50, p90, p99, p99.9, highest; busy, errors. With --overload:
/// who, processes, connections, sent, served, refused, failed, then microseconds: p50, p99, highest.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// How many clients at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,

    /// What they do; mixed: 80 % get, 10 % latest, 5 % list, 5 % put
    #[arg(long, value_enum, default_value_t = Op::Mixed)]
    op: Op,

    /// For how long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// How long a text is that is written, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    size: u32,

    /// Make prompts to read first; what is there already is left as it is
    #[arg(long)]
    fill: bool,

    /// How many prompts --fill makes
    #[arg(long, value_name = "P", default_value_t = 10_000, requires = "fill", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    prompts: u32,

    /// How many versions each of them gets
    #[arg(long, value_name = "V", default_value_t = 50, requires = "fill", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    versions: u32,

    /// Offer so many times as many puts as the daemon can do, and see what becomes of it
    #[arg(long, value_name = "FACTOR", conflicts_with_all = ["op", "fill"], value_parser = clap::value_parser!(u16).range(1..=100))]
    overload: Option<u16>,

    /// Be one of the processes of --overload
    #[arg(long, hide = true, value_name = "JSON")]
    offer: Option<String>,

    /// Print one JSON object per operation
    #[arg(long)]
    json: bool,
}

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Op {
    /// Make versions
    Put,
    /// Read versions by number, the newest 15 times out of 16
    Get,
    /// Read latest versions
    Latest,
    /// List 50 prompts
    List,
    /// All of it
    Mixed,
}

impl Op {
    const fn word(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Latest => "latest",
            Self::List => "list",
            Self::Mixed => "mixed",
        }
    }
}

/// Measures.
pub(super) async fn run(args: BenchArgs, session: &mut Session) -> Result<Exit, CliError> {
    if let Some(offer) = &args.offer {
        return overload::run_offer(offer, session).await;
    }
    let client = session.client();
    client.health().await?;
    if let Some(factor) = args.overload {
        return overload::run(&client, factor, &args, session).await;
    }
    if args.fill {
        fill::fill(&client, &args, session).await?;
    }
    let load = drive::Load {
        clients: usize::from(args.clients),
        op: args.op,
        duration: Duration::from_secs(args.seconds),
        text_bytes: args.size as usize,
    };
    let measured = drive::run(&client, load, session).await?;
    report::show(&measured, args.json, session)?;
    Ok(if measured.was_interrupted {
        Exit::Interrupted
    } else if measured.errors() == 0 {
        Exit::Success
    } else {
        Exit::Failure
    })
}
