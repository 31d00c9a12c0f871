//! `promptctl bench --overload`: what becomes of the daemon when far more is asked of it than it can do.
//!
//! First closed-loop clients find out what it can do. Then a storm offers a multiple of that: half of it by one greedy
//! process, half by a crowd of others, each a process of its own, since the daemon tells clients apart by their processes. This
//! process is the polite client: it asks for little before, during and after the storm.

mod check;
mod memory;
mod offer;
mod plan;
mod polite;
mod report;
mod storm;

use std::sync::Arc;
use std::time::Duration;

use super::{BenchArgs, Op, drive};
use crate::cli::exit::{CliError, Exit};
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::client::Client;

use memory::MemoryWatch;
use polite::Polite;
use report::Report;

pub(super) use offer::run as run_offer;

/// For how long the polite client is alone before the storm: what is normal for it.
const CALM: Duration = Duration::from_secs(2);

/// For how long after the storm is looked whether all is normal again.
const MAX_RECOVERY: Duration = Duration::from_secs(30);

/// Measures.
pub(super) async fn run(
    client: &Client,
    factor: u16,
    args: &BenchArgs,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let load = drive::Load {
        clients: usize::from(args.clients),
        op: Op::Put,
        duration: Duration::from_secs(args.seconds),
        text_bytes: args.size as usize,
    };
    let capacity = drive::run(client, load, session).await?;
    if capacity.was_interrupted {
        return Ok(Exit::Interrupted);
    }
    let run_name = format!("bench-storm-{}", std::process::id());
    let report = storm(client, factor, args, &run_name, capacity, session).await;
    // Whatever happened, nothing is left behind.
    drive::purge(client, &run_name).await?;
    let report = report?;
    report::show(&report, args.json, session)?;
    Ok(match (report.check.is_whole(), report.was_interrupted) {
        (false, _) => Exit::Failure,
        (true, true) => Exit::Interrupted,
        (true, false) => Exit::Success,
    })
}

async fn storm(
    client: &Client,
    factor: u16,
    args: &BenchArgs,
    run_name: &str,
    capacity: drive::Measured,
    session: &mut Session,
) -> Result<Report, CliError> {
    let per_second = capacity.per_second(Op::Put);
    let offers = plan::offers(run_name, per_second, factor, args.seconds, args.size as usize);
    let held = Arc::new(interrupt::hold());
    let polite = Polite::start(client, format!("{run_name}-polite"), args.size as usize);
    let memory = MemoryWatch::start(client).await?;
    tokio::time::sleep(CALM).await;
    let began = polite.now();
    let progress = Progress::start(&session.console, "storm", args.seconds);
    let parts = storm::run(session, &offers).await;
    progress.finish();
    let ended = polite.now();
    let recovery = polite.await_recovery(began, ended, MAX_RECOVERY, &held).await;
    let (polite, memory) = (polite.stop().await?, memory.stop().await?);
    let parts = parts?;
    let acknowledged = parts
        .iter()
        .flat_map(|part| &part.acknowledged)
        .chain(&polite.acknowledged);
    let check = check::check(client, acknowledged, args.size as usize, session).await?;
    Ok(Report {
        factor,
        capacity,
        clients: usize::from(args.clients),
        offers,
        parts,
        polite: polite.seen(began, ended),
        recovery,
        memory,
        check,
        was_interrupted: held.was_interrupted(),
    })
}
