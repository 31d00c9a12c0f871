//! Whether everything that was acknowledged is there.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::offer::Acknowledged;
use crate::cli::exit::CliError;
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::verbs::bench::keys;
use crate::client::{Client, ClientError};
use crate::model::{PromptId, VersionSelector};

/// How many read at once.
const READERS: usize = 8;

/// What came of the check.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) acknowledged: u64,
    /// They are not there, have another text, or were given to two.
    pub(super) lost: u64,
    pub(super) first_lost: Option<String>,
}

impl Check {
    pub(super) const fn is_whole(&self) -> bool {
        self.lost == 0
    }

    fn lose(&mut self, what: String) {
        self.lost += 1;
        self.first_lost.get_or_insert(what);
    }
}

/// Reads every version that was acknowledged, and compares its text.
pub(super) async fn check<'a>(
    client: &Client,
    acknowledged: impl Iterator<Item = &'a Acknowledged>,
    text_bytes: usize,
    session: &Session,
) -> Result<Check, CliError> {
    let mut result = Check::default();
    let mut seen = HashSet::new();
    let all: Vec<Acknowledged> = acknowledged.cloned().collect();
    result.acknowledged = all.len() as u64;
    for one in &all {
        if !seen.insert((&one.prompt, one.version.to_string())) {
            result.lose(format!("{}@{} was given to two", one.prompt, one.version));
        }
    }
    let progress = Progress::start(&session.console, "checking", result.acknowledged);
    let mut readers = JoinSet::new();
    for part in all.chunks(all.len().div_ceil(READERS).max(1)) {
        let part = part.to_vec();
        let (client, progress) = (client.clone(), progress.clone());
        readers.spawn(async move {
            let mut lost = Vec::new();
            for one in part {
                lost.extend(look_up(&client, &one, text_bytes).await?);
                progress.advance(1);
            }
            Ok::<_, ClientError>(lost)
        });
    }
    while let Some(lost) = readers.join_next().await {
        let lost = lost.map_err(|error| CliError::failure(format!("a reader failed: {error}")))?;
        lost?.into_iter().for_each(|what| result.lose(what));
    }
    progress.finish();
    Ok(result)
}

/// Returns what is wrong with one of them.
async fn look_up(
    client: &Client,
    one: &Acknowledged,
    text_bytes: usize,
) -> Result<Option<String>, ClientError> {
    let name = format!("{}@{}", one.prompt, one.version);
    let Ok(id) = PromptId::new(&one.prompt) else {
        return Ok(Some(name));
    };
    let selector = Arc::new(VersionSelector::Exact(one.version.clone()));
    match patiently(|| client.version(&id, &selector)).await {
        Ok(document) => {
            let is_it = document.parse()?.prompt.text == keys::text(&one.writer, one.number, text_bytes);
            Ok((!is_it).then(|| format!("{name} has another text")))
        }
        Err(error @ ClientError::Refused(_)) => Ok(Some(format!("{name}: {error}"))),
        Err(error) => Err(error),
    }
}
