//! `/v1/rewrite`: what the strategies make of a text, without storing it.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::optimizer::OptimizationSettings;
use crate::optimizer::cycle::{self, Cycle, Outcome};
use crate::storage::StorageError;
use crate::versions::{VersionError, refuse_overlong};

use super::AppState;
use super::analyze::UNNAMED;
use super::body::{JsonBody, decode};
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery};
use super::responses::{BodyProblems, CommonProblems};
use super::wire::RewriteRequest;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(rewrite))
}

/// Rewrite a text
///
/// Every candidate that the strategies make, with its scores, its changes, and whether it is accepted or why not; `best` is
/// the place of the best accepted one in the list. The text is rewritten whether or not its score asks for it
/// (`is_wanted`). Nothing is stored; `prompt_id` is `unnamed`. Strategies that ask a
/// language model are refused here: a job asks it.
#[utoipa::path(
    post, path = "/v1/rewrite", tag = "analysis", operation_id = "rewrite", request_body = RewriteRequest,
    responses((status = 200, description = "The candidates.", body = Outcome), CommonProblems, BodyProblems)
)]
async fn rewrite(
    State(state): State<AppState>,
    _: StrictQuery<NoParameters>,
    JsonBody(body): JsonBody,
) -> Result<Json<Outcome>, Problem> {
    let request: RewriteRequest = decode(&body)?;
    let settings = request.settings_over(state.optimization());
    check(&request.text, &settings)?;
    let work = move || cycle::drive(Cycle::unconditional(UNNAMED, &request.text, settings, None));
    let outcome = tokio::task::spawn_blocking(work).await;
    let failed = |_| VersionError::from(StorageError::Unavailable("the rewriting failed".into()));
    Ok(Json(outcome.map_err(failed)?))
}

fn check(text: &str, settings: &OptimizationSettings) -> Result<(), VersionError> {
    refuse_overlong(text)?;
    let invalid = |reason: String| Err(VersionError::InvalidRequest(reason));
    if let Err(error) = settings.validate_for_rules() {
        return invalid(error.to_string());
    }
    let chars = text.chars().count();
    if chars > settings.max_prompt_length {
        let limit = settings.max_prompt_length;
        return invalid(format!(
            "text has {chars} characters; optimizer.optimization.max_prompt_length is {limit}"
        ));
    }
    if text.trim().is_empty() {
        return invalid("text is blank: there is nothing to rewrite".to_owned());
    }
    Ok(())
}
