//! `/v1/prompts/{id}/labels`: names that point at one version and can be moved.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::{Author, Label, PromptId, Version};
use crate::storage::Action;
use crate::versions::VersionManager;

use super::access::Access;
use super::body::{JsonBody, decode};
use super::params::{PathParts, reference};
use super::peer::Peer;
use super::problem::{Code, Problem};
use super::query::{NoParameters, StrictQuery};
use super::responses::{BodyProblems, CommonProblems, NotFoundProblem, PreconditionProblem, WriteProblems};
use super::schema::{only_star, quoted_version};
use super::wire::{LabelRequest, LabelView, LabelsView};
use super::{AppState, headers};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(set, remove))
}

/// List the labels of a prompt
///
/// Where they point now, and every move that was ever made.
#[utoipa::path(
    get, path = "/v1/prompts/{id}/labels", tag = "labels", operation_id = "list_labels",
    params(("id" = PromptId, Path, description = "The prompt.")),
    responses((status = 200, description = "Its labels.", body = LabelsView), CommonProblems, NotFoundProblem)
)]
async fn list(
    State(state): State<AppState>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<Json<LabelsView>, Problem> {
    let id = path.prompt_id()?;
    let entry = state.versions().prompt(&id)?;
    let history = state.versions().label_history(&id).await?;
    let labels = entry
        .labels
        .iter()
        .map(|(label, target)| LabelView::of(label, target))
        .collect();
    Ok(Json(LabelsView { labels, history }))
}

/// Headers of a move, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its schema is used: headers are read by their own rules"
)]
struct SetHeaders {
    #[param(rename = "If-Match", schema_with = quoted_version)]
    if_match: Option<String>,
    #[param(rename = "If-None-Match", schema_with = only_star)]
    if_none_match: Option<String>,
}

/// Headers of a removal, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only its schema is used: headers are read by their own rules"
)]
struct RemoveHeaders {
    #[param(rename = "If-Match", schema_with = quoted_version)]
    if_match: Option<String>,
}

/// Set or move a label
#[utoipa::path(
    put, path = "/v1/prompts/{id}/labels/{label}", tag = "labels", operation_id = "set_label",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("label" = Label, Path, description = "The label."),
        SetHeaders
    ),
    request_body = LabelRequest,
    responses(
        (status = 200, description = "Where it points now.", body = LabelView),
        CommonProblems, NotFoundProblem, PreconditionProblem, BodyProblems, WriteProblems,
        super::responses::ConflictProblem
    )
)]
async fn set(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    request_headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Json<LabelView>, Problem> {
    let (id, label) = (path.prompt_id()?, path.label()?);
    let request: LabelRequest = decode(&body)?;
    let to = reference(&request.version)?;
    let expected = headers::expected_version(&request_headers)?;
    let must_be_absent = headers::must_be_absent(&request_headers)?;
    if must_be_absent && expected.is_some() {
        let detail = "a label cannot be unset (If-None-Match: *) and point at a version (If-Match) at once";
        return Err(Problem::new(Code::PreconditionFailed, detail));
    }
    let expected = if must_be_absent {
        Some(None)
    } else {
        expected.map(Some)
    };
    let entry = state
        .versions_for(&access, Action::SetLabel)
        .set_label(&id, label.clone(), &to, expected, &peer.author)
        .await?;
    Ok(Json(LabelView::of(&label, &entry)))
}

/// Remove a label
#[utoipa::path(
    delete, path = "/v1/prompts/{id}/labels/{label}", tag = "labels", operation_id = "remove_label",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("label" = Label, Path, description = "The label."),
        RemoveHeaders
    ),
    responses(
        (status = 204, description = "It is removed."),
        CommonProblems, NotFoundProblem, PreconditionProblem, WriteProblems
    )
)]
async fn remove(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    request_headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (id, label) = (path.prompt_id()?, path.label()?);
    let expected = headers::expected_version(&request_headers)?;
    state
        .versions_for(&access, Action::RemoveLabel)
        .remove_label(&id, &label, expected.as_ref(), &peer.author)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the labels off a version, or off all versions of a prompt, before these are deleted with force; tells whether the
/// deletion may still take labels with it.
///
/// Who may move every label of the prompt leaves that to the deletion, which does both at once. Who may not takes off what they
/// may, one by one, and deletes without force: a guarded label that is set meanwhile then stands against it.
pub(super) async fn release(
    state: &AppState,
    access: &Access,
    versions: &VersionManager,
    id: &PromptId,
    version: Option<&Version>,
    author: &Author,
) -> Result<bool, Problem> {
    if !access.rights.has_guards_on(id.as_str()) {
        return Ok(true);
    }
    let entry = versions.prompt(id)?;
    let pointing: Vec<(&Label, &Version)> = entry
        .labels
        .iter()
        .map(|(label, target)| (label, &target.version))
        .filter(|(_, target)| version.is_none_or(|version| version == *target))
        .collect();
    for (label, _) in &pointing {
        let right = access.rights.need_label(id.as_str(), label);
        access.demand(state, right).await?;
    }
    for (label, target) in pointing {
        versions.remove_label(id, label, Some(target), author).await?;
    }
    Ok(false)
}
