//! `/v1/prompts`: what prompts there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::model::{Label, PromptId, VersionSelector};
use crate::storage::{Action, PromptEntry, PromptPage, StorageError};
use crate::versions::VersionError;

use super::access::Access;
use super::page::DocumentPage;
use super::params::PathParts;
use super::peer::Peer;
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery, page_documents, page_items};
use super::responses::{CommonProblems, ConflictProblem, NotFoundProblem, WriteProblems};
use super::schema::{PromptList, prompt_cursor, prompt_prefix};
use super::wire::{DeletedVersions, Page, PromptSummary};
use super::{AppState, cursor, labels};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only prompts whose id begins so.
    #[serde(default)]
    #[param(schema_with = prompt_prefix, required = false)]
    prefix: String,
    /// Only prompts with this label; the page holds the documents that it points at.
    label: Option<Label>,
    /// How many items at most. Pages of documents may be shorter.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(schema_with = prompt_cursor)]
    cursor: Option<String>,
}

/// List prompts
///
/// Those that may be read, in the order of their ids. With `label`, the items are the whole version documents that the label points at; damaged
/// ones are left out (a `verify` job reports them).
#[utoipa::path(
    get, path = "/v1/prompts", tag = "prompts", operation_id = "list_prompts", params(ListQuery),
    responses((status = 200, description = "One page.", body = PromptList), CommonProblems)
)]
async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    check_prefix(&query.prefix)?;
    let after = query.cursor.as_deref().map(cursor::read_prompt).transpose()?;
    let limit = match &query.label {
        None => page_items(query.limit, &state.limits())?,
        Some(_) => page_documents(query.limit, &state.limits())?,
    };
    let page = PromptPage {
        prefix: query.prefix,
        label: query.label.clone(),
        after,
        limit: limit + 1,
    };
    match query.label {
        None => Ok(summaries(&visible(&state, &access, page), limit)),
        Some(label) => documents(&state, &visible(&state, &access, page), limit, label).await,
    }
}

/// Returns the prompts of a page that may be read.
fn visible(state: &AppState, access: &Access, mut page: PromptPage) -> Vec<Arc<PromptEntry>> {
    let mut visible = Vec::new();
    loop {
        let found = state.versions().prompts(&page);
        let is_last = found.len() < page.limit;
        page.after = found.last().map(|entry| entry.id.clone());
        visible.extend(found.into_iter().filter(|entry| access.reads(&entry.id)));
        if is_last || visible.len() >= page.limit {
            visible.truncate(page.limit);
            return visible;
        }
    }
}

fn summaries(entries: &[Arc<PromptEntry>], limit: usize) -> Response {
    let items: Vec<PromptSummary> = entries
        .iter()
        .take(limit)
        .map(|entry| PromptSummary::from(&**entry))
        .collect();
    let more = entries.len() > limit;
    let next_cursor = items
        .last()
        .filter(|_| more)
        .map(|last| cursor::after_prompt(&last.prompt_id));
    Json(Page { items, next_cursor }).into_response()
}

async fn documents(
    state: &AppState,
    entries: &[Arc<PromptEntry>],
    limit: usize,
    label: Label,
) -> Result<Response, Problem> {
    let selector = VersionSelector::Label(label);
    let mut documents = DocumentPage::default();
    let mut last: Option<&PromptId> = None;
    let mut more = entries.len() > limit;
    for entry in entries.iter().take(limit) {
        match state.versions().get(&entry.id, &selector).await {
            Ok(document) => {
                if !documents.add(document) {
                    more = true;
                    break;
                }
            }
            Err(error) if is_left_out(&error) => {}
            Err(error) => return Err(error.into()),
        }
        last = Some(&entry.id);
    }
    let next = last.filter(|_| more).map(cursor::after_prompt);
    Ok(documents.into_response(next.as_deref()))
}

/// Damage in one file, or a label that was moved or removed meanwhile, does not keep the others from the client.
fn is_left_out(error: &VersionError) -> bool {
    matches!(
        error,
        VersionError::NoMatch { .. }
            | VersionError::Storage(
                StorageError::Corrupt { .. }
                    | StorageError::Edited { .. }
                    | StorageError::PromptNotFound(_)
                    | StorageError::VersionNotFound { .. }
            )
    )
}

fn check_prefix(prefix: &str) -> Result<(), Problem> {
    let fits = prefix.len() <= crate::model::MAX_PROMPT_ID_LEN
        && prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        Ok(())
    } else {
        let detail = "query: prefix: only letters, digits, '.', '_' and '-' are allowed, 128 at most";
        Err(Problem::invalid_request(detail))
    }
}

/// Describe a prompt
#[utoipa::path(
    get, path = "/v1/prompts/{id}", tag = "prompts", operation_id = "get_prompt",
    params(("id" = PromptId, Path, description = "The prompt.")),
    responses((status = 200, description = "What is known of it.", body = PromptSummary), CommonProblems, NotFoundProblem)
)]
async fn get(
    State(state): State<AppState>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<Json<PromptSummary>, Problem> {
    let entry = state.versions().prompt(&path.prompt_id()?)?;
    Ok(Json(PromptSummary::from(&*entry)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Forget the prompt altogether: trash, labels and used numbers too. Cannot be undone.
    #[serde(default)]
    #[param(required = false)]
    purge: bool,
    /// Also when labels point at versions of it.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Delete a prompt
///
/// Moves every version to the trash; with `purge`, forgets the prompt altogether.
#[utoipa::path(
    delete, path = "/v1/prompts/{id}", tag = "prompts", operation_id = "delete_prompt",
    params(("id" = PromptId, Path, description = "The prompt."), DeleteQuery),
    responses(
        (status = 200, description = "What was deleted.", body = DeletedVersions),
        CommonProblems, NotFoundProblem, ConflictProblem, WriteProblems
    )
)]
async fn delete(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    StrictQuery(query): StrictQuery<DeleteQuery>,
) -> Result<Json<DeletedVersions>, Problem> {
    let prompt_id = path.prompt_id()?;
    let manager = state.versions_for(&access, Action::Delete);
    let versions = if query.purge {
        access
            .demand(&state, access.rights.need_on(Role::Admin, prompt_id.as_str()))
            .await?;
        manager.purge(&prompt_id, query.force).await?;
        Vec::new()
    } else {
        let force = match query.force {
            true => labels::release(&state, &access, &manager, &prompt_id, None, &peer.author).await?,
            false => false,
        };
        manager.delete_all(&prompt_id, force, &peer.author).await?
    };
    Ok(Json(DeletedVersions {
        prompt_id,
        versions,
        purged: query.purge,
    }))
}
