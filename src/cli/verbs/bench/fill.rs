//! Making prompts to be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;

use super::{BenchArgs, keys};
use crate::cli::exit::CliError;
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::client::{Client, ClientError};
use crate::model::PromptId;
use crate::versions::NewVersion;

/// How many prompts are filled at once; their commits share the waits for the disk.
const CLIENTS: usize = 64;

/// Makes what is missing of so many prompts with so many versions each. Every prompt is continued where it ended.
pub(super) async fn fill(client: &Client, args: &BenchArgs, session: &mut Session) -> Result<(), CliError> {
    let total = u64::from(args.prompts) * u64::from(args.versions);
    let progress = Progress::start(&session.console, "filling", total);
    let next = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..CLIENTS.min(args.prompts as usize) {
        let (client, next, progress) = (client.clone(), Arc::clone(&next), progress.clone());
        let args = args.clone();
        workers.spawn(async move {
            let mut made = 0;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= args.prompts {
                    return Ok::<u64, ClientError>(made);
                }
                made += fill_one(&client, n, &args, &progress).await?;
            }
        });
    }
    let mut made = 0;
    while let Some(worker) = workers.join_next().await {
        let worker = worker.map_err(|error| CliError::failure(format!("a client failed: {error}")))?;
        made += worker?;
    }
    progress.finish();
    session
        .console
        .say(format_args!("filled: {made} of {total} versions were missing"));
    Ok(())
}

async fn fill_one(
    client: &Client,
    n: u32,
    args: &BenchArgs,
    progress: &Progress,
) -> Result<u64, ClientError> {
    let name = keys::prompt_name(n);
    let Ok(id) = PromptId::new(&name) else {
        return Ok(0);
    };
    let there = match patiently(|| client.prompt(&id)).await {
        Ok(prompt) => prompt.version_count.min(u64::from(args.versions)),
        Err(error) if error.code() == Some("not-found") => 0,
        Err(error) => return Err(error),
    };
    progress.advance(there);
    for version in there..u64::from(args.versions) {
        let new = NewVersion::of_text(keys::text(&name, version, args.size as usize));
        patiently(|| client.create_version(&id, &new)).await?;
        progress.advance(1);
    }
    Ok(u64::from(args.versions) - there)
}
