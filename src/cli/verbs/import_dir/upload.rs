//! Bringing found versions into the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::{JoinError, JoinSet};

use super::mapping::{self, Known, Route};
use super::walk::FoundPrompt;
use crate::cli::files;
use crate::cli::patience::patiently;
use crate::cli::progress::Progress;
use crate::client::{Client, ClientError, Pool};
use crate::model::{Checksum, PromptId, PromptVersion, Version, VersionSelector};
use crate::versions::Order;

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Imported {
    /// The file.
    pub(super) path: PathBuf,
    /// The version that it is, as `NAME@VERSION`, if it has got that far.
    pub(super) target: Option<String>,
    /// How it fared.
    pub(super) outcome: Outcome,
}

/// How a file fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is new in the store; or would be.
    Created,
    /// It was there already.
    Unchanged,
    /// Its number holds other content, or was deleted.
    Conflict(String),
    /// It cannot be read, or was refused.
    Failed(String),
}

/// Brings all prompts in, several at once, each prompt's versions one after the other. The order of the result is that
/// of the prompts.
pub(super) async fn all(
    prompts: Vec<FoundPrompt>,
    pool: &Arc<Pool>,
    dry_run: bool,
    progress: &Progress,
) -> Vec<Imported> {
    let mut tasks = JoinSet::new();
    let mut done = Vec::new();
    for (place, prompt) in prompts.into_iter().enumerate() {
        if tasks.len() >= super::CONCURRENT_PROMPTS {
            done.extend(tasks.join_next().await.map(finished));
        }
        let (pool, progress) = (Arc::clone(pool), progress.clone());
        tasks.spawn(async move {
            let client = pool.client().await;
            (place, prompt_versions(&client, &prompt, dry_run, &progress).await)
        });
    }
    done.extend(tasks.join_all().await);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().flat_map(|(_, files)| files).collect()
}

/// Returns what a task gave; a bug in it is a bug here.
fn finished<T>(task: Result<T, JoinError>) -> T {
    match task {
        Ok(given) => given,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn prompt_versions(
    client: &Client,
    prompt: &FoundPrompt,
    dry_run: bool,
    progress: &Progress,
) -> Vec<Imported> {
    let refuse_all = |reason: String| {
        progress.advance(prompt.files.len() as u64);
        let failed = |path: &PathBuf| Imported {
            path: path.clone(),
            target: None,
            outcome: Outcome::Failed(reason.clone()),
        };
        prompt.files.iter().map(|(_, path)| failed(path)).collect()
    };
    let Some(name) = mapping::map_name(&prompt.name) else {
        return refuse_all(format!(
            "the name {:?} cannot be made into one of ours",
            prompt.name
        ));
    };
    let stems: Vec<&str> = prompt.files.iter().map(|(stem, _)| stem.as_str()).collect();
    let known = if stems.iter().any(|stem| mapping::is_odd(stem)) {
        match known(client, &name).await {
            Ok(known) => known,
            Err(error) => return refuse_all(error.to_string()),
        }
    } else {
        Known::default()
    };
    let siblings = mapping::map_versions(&stems, &known);
    // Parents come before their children: in the order of the numbers that they get.
    let mut files: Vec<&(String, PathBuf)> = prompt.files.iter().collect();
    files.sort_by_key(|(stem, _)| siblings.get(stem.as_str()).cloned().flatten());
    let mut imported = Vec::with_capacity(files.len());
    for (stem, path) in files {
        let version = siblings.get(stem.as_str()).cloned().flatten();
        let target = version.as_ref().map(|version| format!("{name}@{version}"));
        let outcome = match &version {
            None => Outcome::Failed("there is no free number left".to_owned()),
            Some(version) => {
                let route = Route {
                    from_name: &prompt.name,
                    from_version: stem,
                    name: &name,
                    version,
                    siblings: &siblings,
                };
                one(client, path, &route, dry_run).await
            }
        };
        progress.advance(1);
        imported.push(Imported {
            path: path.clone(),
            target,
            outcome,
        });
    }
    imported
}

/// Returns what the store holds of a prompt: numbers taken, and originals that were imported before.
async fn known(client: &Client, name: &PromptId) -> Result<Known, ClientError> {
    let mut known = Known::default();
    let mut pages = client.documents(name, Order::Asc);
    loop {
        let documents = match pages.next().await {
            Ok(Some(documents)) => documents,
            Ok(None) => break,
            Err(error) if error.code() == Some("not-found") => break,
            Err(error) => return Err(error),
        };
        for document in documents {
            let document: Value = serde_json::from_str(document.get()).unwrap_or_default();
            let version = document.get("version").and_then(Value::as_str);
            let Some(version) = version.and_then(|version| Version::new(version).ok()) else {
                continue;
            };
            if let Some(original) = mapping::imported_from(&document) {
                known.imported.insert(original.to_owned(), version.clone());
            }
            known.used.insert(version);
        }
    }
    let trash = client.trash(Some(name)).all().await?;
    known
        .used
        .extend(trash.into_iter().map(|trashed| trashed.version));
    Ok(known)
}

async fn one(client: &Client, path: &Path, route: &Route<'_>, dry_run: bool) -> Outcome {
    let document = match read(path, route) {
        Ok(document) => document,
        Err(reason) => return Outcome::Failed(reason),
    };
    let answer = if dry_run {
        look(client, &document, route).await
    } else {
        let bytes = document.to_string();
        patiently(|| client.put_version(route.name, route.version, bytes.clone(), false))
            .await
            .map(|stored| {
                if stored.is_new {
                    Outcome::Created
                } else {
                    Outcome::Unchanged
                }
            })
    };
    answer.unwrap_or_else(|error| match error.code() {
        Some("version-conflict" | "version-deleted") => Outcome::Conflict(error.to_string()),
        _ => Outcome::Failed(error.to_string()),
    })
}

fn read(path: &Path, route: &Route<'_>) -> Result<Value, String> {
    let bytes = files::read(path).map_err(|error| error.message)?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let document = mapping::rewrite(document, route)?;
    PromptVersion::from_client(&document).map_err(|error| error.to_string())?;
    Ok(document)
}

/// Tells what putting a document would do.
async fn look(client: &Client, document: &Value, route: &Route<'_>) -> Result<Outcome, ClientError> {
    let selector = VersionSelector::Exact(route.version.clone());
    let there = match client.version(route.name, &selector).await {
        Ok(there) => there,
        Err(error) if error.code() == Some("not-found") => return Ok(Outcome::Created),
        Err(error) => return Err(error),
    };
    Ok(
        if sealed(document).as_deref() == there.checksum.as_ref().map(Checksum::as_str) {
            Outcome::Unchanged
        } else {
            Outcome::Conflict(format!(
                "{}@{} is there with other content",
                route.name, route.version
            ))
        },
    )
}

/// Returns the checksum that the document would get.
fn sealed(document: &Value) -> Option<String> {
    let mut version = PromptVersion::from_client(document).ok()?;
    version.seal().ok()?;
    version.metadata.get("checksum")?.as_str().map(str::to_owned)
}
