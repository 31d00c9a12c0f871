//! `/v1/trash`: what was deleted, and bringing it back.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::{PromptId, PromptVersion, Version};
use crate::storage::{Action, TrashedVersion};

use super::access::Access;
use super::params::PathParts;
use super::peer::Peer;
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery, page_items};
use super::responses::{CommonProblems, ConflictProblem, NotFoundProblem, WriteProblems};
use super::schema::trash_cursor;
use super::wire::Page;
use super::{AppState, cursor, versions};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(forget))
        .routes(routes!(restore))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only versions of this prompt.
    prompt: Option<PromptId>,
    /// How many items at most.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(schema_with = trash_cursor)]
    cursor: Option<String>,
}

/// List the trash
///
/// In the order of prompt ids and numbers; those of prompts that may be read.
#[utoipa::path(
    get, path = "/v1/trash", tag = "trash", operation_id = "list_trash", params(ListQuery),
    responses((status = 200, description = "One page.", body = Page<TrashedVersion>), CommonProblems)
)]
async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Json<Page<TrashedVersion>>, Problem> {
    let after = query.cursor.as_deref().map(cursor::read_trashed).transpose()?;
    let limit = page_items(query.limit, &state.limits())?;
    let (mut items, mut from) = (Vec::new(), after);
    // What may not be read is passed over; who may read everything gets what the first look finds.
    loop {
        let after = from.as_ref().map(|(id, version)| (id, version));
        let found = state
            .versions()
            .trash(after, query.prompt.as_ref(), limit + 1)
            .await?;
        let is_last = found.len() <= limit;
        from = found
            .last()
            .map(|last| (last.prompt_id.clone(), last.version.clone()));
        items.extend(found.into_iter().filter(|item| access.reads(&item.prompt_id)));
        if is_last || items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items
        .last()
        .filter(|_| more)
        .map(|last| cursor::after_trashed(&last.prompt_id, &last.version));
    Ok(Json(Page { items, next_cursor }))
}

/// Restore a version from the trash
#[utoipa::path(
    post, path = "/v1/trash/{id}/{version}/restore", tag = "trash", operation_id = "restore_version",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("version" = Version, Path, description = "The number.")
    ),
    responses(
        (status = 200, description = "The version, which is back under its number.", body = PromptVersion, headers(
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, NotFoundProblem, ConflictProblem, WriteProblems
    )
)]
async fn restore(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<Response, Problem> {
    let (id, version) = (path.prompt_id()?, path.version()?);
    let versions_for = state.versions_for(&access, Action::Restore);
    let restored = versions_for.restore(&id, &version, &peer.author).await?;
    Ok(versions::document(&restored))
}

/// Forget a version in the trash
///
/// Cannot be undone. Its number stays used.
#[utoipa::path(
    delete, path = "/v1/trash/{id}/{version}", tag = "trash", operation_id = "forget_version",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("version" = Version, Path, description = "The number.")
    ),
    responses((status = 204, description = "It is gone."), CommonProblems, NotFoundProblem, WriteProblems)
)]
async fn forget(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<StatusCode, Problem> {
    let (id, version) = (path.prompt_id()?, path.version()?);
    let versions = state.versions_for(&access, Action::Forget);
    versions.purge_trashed(&id, &version).await?;
    Ok(StatusCode::NO_CONTENT)
}
