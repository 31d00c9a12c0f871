//! `/v1/audit`: who changed what and when.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::verify::AuditReport;
use crate::audit::{AuditLog, AuditQuery, Entry, Hash};
use crate::model::{PromptId, Timestamp};
use crate::storage::Action;
use crate::versions::Order;

use super::problem::{Code, Problem};
use super::query::{StrictQuery, page_items};
use super::responses::{CommonProblems, NotFoundProblem};
use super::schema::audit_cursor;
use super::wire::Page;
use super::{AppState, cursor};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only changes of this prompt.
    prompt: Option<PromptId>,
    /// Only what this user did, by name or number.
    #[param(min_length = 1, max_length = 256)]
    user: Option<String>,
    /// Only this action.
    #[param(inline)]
    action: Option<Action>,
    /// Only entries that are not older.
    since: Option<Timestamp>,
    /// Also the entries that say that something is intended.
    #[serde(default)]
    #[param(required = false)]
    intended: bool,
    /// The newest first, or (`asc`, the default) the oldest.
    #[serde(default)]
    #[param(required = false, inline)]
    order: Order,
    /// How many items at most. A page may be shorter, also when there are more.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before; `a~` and the number of an entry begins after that entry.
    #[param(schema_with = audit_cursor)]
    cursor: Option<String>,
}

/// List the audit log
///
/// Every change, who made it, what was before and what came of it. docs/format.md describes an entry.
#[utoipa::path(
    get, path = "/v1/audit", tag = "operation", operation_id = "list_audit", params(ListQuery),
    responses((status = 200, description = "One page.", body = Page<Entry>), CommonProblems, NotFoundProblem)
)]
async fn list(
    State(state): State<AppState>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Json<Page<Entry>>, Problem> {
    let query = AuditQuery {
        prompt: query.prompt,
        user: query.user,
        action: query.action,
        since: query.since,
        intended: query.intended,
        newest_first: query.order == Order::Desc,
        after: query.cursor.as_deref().map(cursor::read_entry).transpose()?,
        limit: page_items(query.limit, &state.limits())?,
    };
    let log = log_of(&state)?;
    let page = blocking(move || log.page(&query)).await?;
    Ok(Json(Page {
        items: page.items,
        next_cursor: page.next.map(cursor::after_entry),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VerifyQuery {
    /// The hash of an entry that must be there.
    #[param(value_type = Option<String>, min_length = 64, max_length = 64, pattern = "^[0-9a-f]{64}$")]
    head: Option<Hash>,
}

/// Verify the audit log
///
/// Reads it from end to end and checks each line against the one before. A break is no error: it is in the answer.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "operation", operation_id = "verify_audit", params(VerifyQuery),
    responses((status = 200, description = "What was found.", body = AuditReport), CommonProblems, NotFoundProblem)
)]
async fn verify(
    State(state): State<AppState>,
    StrictQuery(query): StrictQuery<VerifyQuery>,
) -> Result<Json<AuditReport>, Problem> {
    let log = log_of(&state)?;
    Ok(Json(blocking(move || log.verify(query.head)).await?))
}

fn log_of(state: &AppState) -> Result<AuditLog, Problem> {
    let off = "there is no audit log: it is switched off (daemon.audit.enabled), or the store is in memory";
    state
        .audit()
        .cloned()
        .ok_or_else(|| Problem::new(Code::NotFound, off))
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        Problem::new(
            Code::Unavailable,
            format!("the audit log cannot be read: {error}"),
        )
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
