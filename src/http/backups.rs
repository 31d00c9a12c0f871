//! `/v1/backups`: which backups there are.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::problem::Problem;
use super::query::{NoParameters, StrictQuery};
use super::responses::CommonProblems;
use super::wire::Backups;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(backups))
}

/// List backups
///
/// Every backup beneath the backup directory that is complete, in the order of the paths. Jobs of the kinds `backup`,
/// `verify_backup` and `restore` make, check and use them.
#[utoipa::path(
    get, path = "/v1/backups", tag = "operation", operation_id = "list_backups",
    responses((status = 200, description = "The backups.", body = Backups), CommonProblems)
)]
async fn backups(
    State(state): State<AppState>,
    _: StrictQuery<NoParameters>,
) -> Result<Json<Backups>, Problem> {
    let items = state.versions().storage().backups().await;
    let items = items.map_err(crate::versions::VersionError::from)?;
    Ok(Json(Backups { items }))
}
