//! `/v1/prompts/{id}/versions`: making, reading and deleting versions.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::{PromptId, PromptVersion, Version, VersionSelector};
use crate::storage::{Action, StorageError, StoredVersion};
use crate::versions::{Created, HistoryPage, NewVersion, Order, VersionError, parse_new_version};

use super::access::Access;
use super::body::JsonBody;
use super::page::{DocumentPage, json_bytes};
use super::params::PathParts;
use super::peer::Peer;
use super::problem::{Code, Problem};
use super::query::{NoParameters, StrictQuery, page_documents, page_items};
use super::responses::{
    BodyProblems, CommonProblems, ConflictProblem, NotFoundProblem, PreconditionProblem, WriteProblems,
};
use super::schema::{VersionList, entity_tags, only_star, version_cursor};
use super::wire::{Page, VersionSummary};
use super::{AppState, cursor, headers, labels};

/// How many documents are read at once for a page of documents, so that a page cut short by its size has not read them all.
const DOCUMENTS_PER_READ: usize = 32;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, save, delete))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// The lowest number first, or the highest.
    #[serde(default)]
    #[param(required = false, inline)]
    order: Order,
    /// Whole documents in place of summaries.
    #[serde(default)]
    #[param(required = false)]
    documents: bool,
    /// How many items at most. Pages of documents may be shorter.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(schema_with = version_cursor)]
    cursor: Option<String>,
}

/// List the versions of a prompt
///
/// Damaged versions are left out (a `verify` job reports them).
#[utoipa::path(
    get, path = "/v1/prompts/{id}/versions", tag = "versions", operation_id = "list_versions",
    params(("id" = PromptId, Path, description = "The prompt."), ListQuery),
    responses((status = 200, description = "One page.", body = VersionList), CommonProblems, NotFoundProblem)
)]
async fn list(
    State(state): State<AppState>,
    path: PathParts,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    let id = path.prompt_id()?;
    let after = query.cursor.as_deref().map(cursor::read_version).transpose()?;
    if query.documents {
        let limit = page_documents(query.limit, &state.limits())?;
        return documents(&state, &id, after, query.order, limit).await;
    }
    let limit = page_items(query.limit, &state.limits())?;
    let HistoryPage { versions, next } = state
        .versions()
        .history(&id, after.as_ref(), query.order, limit)
        .await?;
    let items: Vec<VersionSummary> = versions
        .iter()
        .map(|stored| VersionSummary::of(&id, stored))
        .collect();
    let next_cursor = next.as_ref().map(cursor::after_version);
    Ok(Json(Page { items, next_cursor }).into_response())
}

async fn documents(
    state: &AppState,
    id: &PromptId,
    mut after: Option<Version>,
    order: Order,
    limit: usize,
) -> Result<Response, Problem> {
    let _one_of_few = state.page_maker().await;
    let mut page = DocumentPage::default();
    let mut left = limit;
    loop {
        let step = left.min(DOCUMENTS_PER_READ);
        let read = state.versions().history(id, after.as_ref(), order, step).await?;
        for document in read.versions {
            let version = document.version.clone();
            if !page.add(document) {
                return Ok(page.into_response(after.as_ref().map(cursor::after_version).as_deref()));
            }
            after = Some(version);
        }
        left = left.saturating_sub(step);
        match read.next {
            None => return Ok(page.into_response(None)),
            Some(next) if left == 0 => return Ok(page.into_response(Some(&cursor::after_version(&next)))),
            Some(next) => after = Some(next),
        }
    }
}

/// Create the next version
///
/// The first is 1.0.0. Without `bump`, the improvement of `optimization_result` decides, or it is a patch. The same prompt
/// and metadata as in the latest version make no new version: the answer is 200 and that version.
#[utoipa::path(
    post, path = "/v1/prompts/{id}/versions", tag = "versions", operation_id = "create_version",
    params(("id" = PromptId, Path, description = "The prompt; it need not exist.")),
    request_body = NewVersion,
    responses(
        (status = 201, description = "The new version.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        (status = 200, description = "The latest version, which has this content already.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, NotFoundProblem, ConflictProblem, BodyProblems, WriteProblems
    )
)]
async fn create(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = path.prompt_id()?;
    let new = parse_new_version(&body)?;
    let created = state
        .versions_for(&access, Action::Create)
        .create(&id, new, &peer.author)
        .await?;
    Ok(created_response(&id, &created))
}

/// Read a version
#[utoipa::path(
    get, path = "/v1/prompts/{id}/versions/{version}", tag = "versions", operation_id = "get_version",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("version" = VersionSelector, Path, description = "A number, a range, a label, `latest` or `best`."),
        ReadHeaders
    ),
    responses(
        (status = 200, description = "The content of the version file.", body = PromptVersion, headers(
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        (status = 304, description = "The client has this version already.", headers(
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, NotFoundProblem, ConflictProblem
    )
)]
async fn get(
    State(state): State<AppState>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    request_headers: HeaderMap,
) -> Result<Response, Problem> {
    let stored = state
        .versions()
        .get(&path.prompt_id()?, &path.reference()?)
        .await?;
    if headers::is_known(&request_headers, &stored.checksum)? {
        return Ok(with_validators(StatusCode::NOT_MODIFIED.into_response(), &stored));
    }
    Ok(document(&stored))
}

/// Headers of a read, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its schema is used: headers are read by their own rules"
)]
struct ReadHeaders {
    #[param(rename = "If-None-Match", schema_with = entity_tags)]
    if_none_match: Option<String>,
}

/// Headers of a write, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its schema is used: headers are read by their own rules"
)]
struct SaveHeaders {
    #[param(rename = "If-None-Match", schema_with = only_star)]
    if_none_match: Option<String>,
}

/// Save a document under its own number
///
/// For documents that exist elsewhere: imports, restores, other stores. The same content again is 200, other content
/// under the same number a conflict.
#[utoipa::path(
    put, path = "/v1/prompts/{id}/versions/{version}", tag = "versions", operation_id = "save_version",
    params(
        ("id" = PromptId, Path, description = "The prompt; the document must say the same."),
        ("version" = Version, Path, description = "The number; the document must say the same."),
        SaveHeaders
    ),
    request_body = PromptVersion,
    responses(
        (status = 201, description = "It was stored.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        (status = 200, description = "It was there already.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, ConflictProblem, PreconditionProblem, BodyProblems, WriteProblems
    )
)]
async fn save(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    request_headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (id, version) = (path.prompt_id()?, path.version()?);
    let must_be_absent = headers::must_be_absent(&request_headers)?;
    let versions = state.versions_for(&access, Action::Save);
    match versions.save(&id, &version, &body).await {
        Ok(saved) if saved.is_new || !must_be_absent => Ok(created_response(&id, &saved)),
        Ok(_) | Err(VersionError::Storage(StorageError::Conflict { .. })) if must_be_absent => {
            Err(exists(&id, &version))
        }
        Ok(saved) => Ok(created_response(&id, &saved)),
        Err(error) => Err(error.into()),
    }
}

fn exists(id: &PromptId, version: &Version) -> Problem {
    let detail = format!("version {version} of prompt {id} exists, and the request says 'If-None-Match: *'");
    Problem::new(Code::PreconditionFailed, detail)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Also when a label points at it; the label is removed.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Delete a version
///
/// Moves it to the trash, from where it can be restored. Its number is never given out again.
#[utoipa::path(
    delete, path = "/v1/prompts/{id}/versions/{version}", tag = "versions", operation_id = "delete_version",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("version" = Version, Path, description = "The number."),
        DeleteQuery
    ),
    responses(
        (status = 204, description = "It is in the trash."),
        CommonProblems, NotFoundProblem, ConflictProblem, WriteProblems
    )
)]
async fn delete(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    StrictQuery(query): StrictQuery<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    let (id, version) = (path.prompt_id()?, path.version()?);
    let versions = state.versions_for(&access, Action::Save);
    let force = match query.force {
        true => labels::release(&state, &access, &versions, &id, Some(&version), &peer.author).await?,
        false => false,
    };
    versions.delete(&id, &version, force, &peer.author).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to a write: the document, 201 when it is new.
pub(super) fn created_response(id: &PromptId, created: &Created) -> Response {
    let mut response = document(&created.version);
    if created.is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    let location = format!("/v1/prompts/{id}/versions/{}", created.version.version);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The answer to a read: the bytes of the file as they are.
pub(super) fn document(stored: &Arc<StoredVersion>) -> Response {
    with_validators(json_bytes(stored.bytes.clone()), stored)
}

fn with_validators(mut response: Response, stored: &StoredVersion) -> Response {
    let answer = response.headers_mut();
    if let Some(tag) = headers::entity_tag(&stored.checksum) {
        answer.insert(header::ETAG, tag);
    }
    answer.insert(headers::INTEGRITY_HEADER, headers::integrity(stored.integrity));
    response
}
