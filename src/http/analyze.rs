//! `/v1/analyze`: the scores of a text, without storing it.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::PromptAnalysis;
use crate::{optimizer, versions};

use super::AppState;
use super::body::{JsonBody, decode};
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery};
use super::responses::{BodyProblems, CommonProblems};
use super::wire::AnalyzeRequest;

/// Stands where the analysis of a stored version has the id of its prompt.
pub(super) const UNNAMED: &str = "unnamed";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(analyze))
}

/// Analyse a text
///
/// The same scores, issues and suggestions that a version of this text would get, or those of another profile. Nothing is
/// stored; `prompt_id` is `unnamed`.
#[utoipa::path(
    post, path = "/v1/analyze", tag = "analysis", operation_id = "analyze", request_body = AnalyzeRequest,
    responses((status = 200, description = "The analysis.", body = PromptAnalysis), CommonProblems, BodyProblems)
)]
async fn analyze(
    _: StrictQuery<NoParameters>,
    JsonBody(body): JsonBody,
) -> Result<Json<PromptAnalysis>, Problem> {
    let AnalyzeRequest { text, profile } = decode(&body)?;
    let variables = optimizer::variables_in(&text).len();
    Ok(Json(versions::analyze(profile, UNNAMED, &text, variables).await?))
}
