//! `/v1/prompts/{id}/compare`, `/rollback` and `/promote`: two versions side by side, going back to one, and making a release
//! of a candidate.

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::{PromptId, PromptVersion, Version, VersionSelector};
use crate::storage::Action;
use crate::versions::VersionError;
use crate::versions::compare::Comparison;

use super::AppState;
use super::access::Access;
use super::body::{JsonBody, decode};
use super::params::{PathParts, reference};
use super::peer::Peer;
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery};
use super::responses::{BodyProblems, CommonProblems, ConflictProblem, NotFoundProblem, WriteProblems};
use super::versions::created_response;
use super::wire::{PromoteRequest, RollbackRequest};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(compare))
        .routes(routes!(rollback))
        .routes(routes!(promote))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CompareQuery {
    /// The version to compare from: a number, a range, a label, `latest` or `best`.
    #[param(value_type = VersionSelector)]
    from: String,
    /// The version to compare to.
    #[param(value_type = VersionSelector)]
    to: String,
}

/// Compare two versions
#[utoipa::path(
    get, path = "/v1/prompts/{id}/compare", tag = "versions", operation_id = "compare_versions",
    params(("id" = PromptId, Path, description = "The prompt."), CompareQuery),
    responses(
        (status = 200, description = "What changed.", body = Comparison),
        CommonProblems, NotFoundProblem, ConflictProblem
    )
)]
async fn compare(
    State(state): State<AppState>,
    path: PathParts,
    StrictQuery(query): StrictQuery<CompareQuery>,
) -> Result<Json<Comparison>, Problem> {
    let (from, to) = (reference(&query.from)?, reference(&query.to)?);
    let comparison = state.versions().compare(&path.prompt_id()?, &from, &to).await?;
    Ok(Json(comparison))
}

/// Go back to a version
///
/// Makes a new version with the content of an old one; history is never rewritten.
#[utoipa::path(
    post, path = "/v1/prompts/{id}/rollback", tag = "versions", operation_id = "rollback",
    params(("id" = PromptId, Path, description = "The prompt.")),
    request_body = RollbackRequest,
    responses(
        (status = 201, description = "The new version.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, NotFoundProblem, ConflictProblem, BodyProblems, WriteProblems
    )
)]
async fn rollback(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = path.prompt_id()?;
    let request: RollbackRequest = decode(&body)?;
    let to = reference(&request.to)?;
    let versions = state.versions_for(&access, Action::Rollback);
    let created = versions.rollback(&id, &to, &peer.author).await?;
    Ok(created_response(&id, &created))
}

/// Make a release of a candidate
///
/// It has the text of the candidate and its record of the rewriting; its parent is the version that was rewritten. Promoting
/// a candidate again is 200 and the release that was made of it.
#[utoipa::path(
    post, path = "/v1/prompts/{id}/promote", tag = "versions", operation_id = "promote",
    params(("id" = PromptId, Path, description = "The prompt.")),
    request_body = PromoteRequest,
    responses(
        (status = 201, description = "The release.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        (status = 200, description = "The release that was made of it before.", body = PromptVersion, headers(
            ("Location" = String, description = "Where it can be read."),
            ("ETag" = String, description = "Its checksum."),
            ("Promptd-Integrity" = String, description = "`sealed`, `unsealed` or `edited`."))),
        CommonProblems, NotFoundProblem, ConflictProblem, BodyProblems, WriteProblems
    )
)]
async fn promote(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = path.prompt_id()?;
    let request: PromoteRequest = decode(&body)?;
    let version = Version::new(&request.version).map_err(VersionError::from)?;
    let (versions, author) = (state.versions_for(&access, Action::Promote), &peer.author);
    let created = versions.promote(&id, &version, request.force, author).await?;
    Ok(created_response(&id, &created))
}
