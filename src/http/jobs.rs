//! `/v1/jobs`: long work.

mod events;
mod submission;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::jobs::{JobError, JobId, Submitter};

use crate::metrics::Limit;

use super::access::Access;
use super::body::{decode, read_json};
use super::params::PathParts;
use super::peer::Peer;
use super::problem::{Code, Problem};
use super::query::{NoParameters, StrictQuery, page_items};
use super::responses::{BodyProblems, CommonProblems, NotFoundProblem, WriteProblems};
use super::schema::{JobIdText, job_cursor};
use super::wire::{JobRequest, JobState, JobView, Page};
use super::{AppState, cursor};

use submission::JobSubmission;

/// The longest wait that one request may ask for, in seconds.
const MAX_WAIT_SECONDS: u64 = 60;

/// The media type of a stream of JSON values, one to a line.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, submit))
        .routes(routes!(cancel))
}

/// Requests that wait: they take no place among the requests that are worked on, and have no deadline but their own.
pub(super) fn waiting_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(events))
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        Self::from_layer(error.code(), &error)
    }
}

/// Submit a job
///
/// The answer comes when the job is durable; the work is done after it. The document of an `import` is read before.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs", operation_id = "submit_job", request_body = JobSubmission,
    responses(
        (status = 202, description = "The job as it is queued.", body = JobView, headers(
            ("Location" = String, description = "Where it can be looked at."))),
        CommonProblems, BodyProblems, WriteProblems
    )
)]
async fn submit(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    Extension(peer): Extension<Peer>,
    _: StrictQuery<NoParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let limits = state.limits();
    let (max, timeout) = (limits.max_import_bytes, limits.body_timeout());
    let body = read_json(request, Limit::ImportBody, max, timeout).await?;
    let request: JobRequest = decode(&body)?;
    let submitter = Submitter {
        author: peer.author,
        rights: access.rights.as_ref().clone(),
        process: peer.pid,
    };
    let job = match state.jobs().submit_for(request, submitter).await {
        Err(JobError::Forbidden(missing)) => return Err(access.refuse(&state, &missing).await),
        submitted => submitted?,
    };
    let location = HeaderValue::from_str(&format!("/v1/jobs/{}", job.job_id));
    let mut response = (StatusCode::ACCEPTED, Json(job)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only jobs in this state.
    state: Option<JobState>,
    /// How many items at most.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(schema_with = job_cursor)]
    cursor: Option<String>,
}

/// List jobs
///
/// The newest first: one's own, or all of them for an admin. Jobs that ended long ago are forgotten.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs", operation_id = "list_jobs", params(ListQuery),
    responses((status = 200, description = "One page.", body = Page<JobView>), CommonProblems)
)]
async fn list(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Json<Page<JobView>>, Problem> {
    let after = query.cursor.as_deref().map(cursor::read_job).transpose()?;
    let limit = page_items(query.limit, &state.limits())?;
    let after = after.as_ref().map(JobId::as_str);
    let sees = |job: &JobView| access.sees_job_of(&job.author);
    let (items, next) = state.jobs().list_those(after, query.state, limit, sees);
    let next_cursor = next.as_deref().map(cursor::after_job);
    Ok(Json(Page { items, next_cursor }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaitQuery {
    /// Wait so many seconds for the job to end.
    #[serde(default)]
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: u64,
}

/// Look at a job
///
/// With `wait`, the answer comes when the job has ended, or after so many seconds.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "get_job",
    params(("id" = JobIdText, Path, description = "The job."), WaitQuery),
    responses((status = 200, description = "The job as it is now.", body = JobView), CommonProblems, NotFoundProblem)
)]
async fn get(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: PathParts,
    StrictQuery(query): StrictQuery<WaitQuery>,
) -> Result<Json<JobView>, Problem> {
    if query.wait > MAX_WAIT_SECONDS {
        let detail = format!("query: wait: {} is more than {MAX_WAIT_SECONDS}", query.wait);
        return Err(Problem::invalid_request(detail));
    }
    let id = path.job_id();
    check_seen(&state, &access, id)?;
    if query.wait > 0 {
        // A stopping daemon does not keep its clients waiting: they get the job as it is.
        tokio::select! {
            _ = state.jobs().wait(id, Duration::from_secs(query.wait)) => {}
            () = state.stopping().cancelled() => {}
        }
    }
    state.jobs().get(id).map(Json).ok_or_else(|| unknown(id))
}

/// Follow a job
///
/// One JSON object to a line, each the job as it then is, until it has ended or the daemon stops.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "jobs", operation_id = "follow_job",
    params(("id" = JobIdText, Path, description = "The job.")),
    responses(
        (status = 200, description = "JobView objects, one to a line.", body = String, content_type = "application/x-ndjson"),
        CommonProblems, NotFoundProblem
    )
)]
async fn events(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<Response, Problem> {
    let id = path.job_id();
    check_seen(&state, &access, id)?;
    let views = state.jobs().subscribe(id).ok_or_else(|| unknown(id))?;
    let body = Body::new(events::follow(views, state.stopping().clone()));
    Ok(([(header::CONTENT_TYPE, NDJSON)], body).into_response())
}

/// Cancel a job
///
/// One that waits is cancelled at once; one that works stops at its next step, and what it has done stays done. A job that
/// has ended stays as it is.
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "cancel_job",
    params(("id" = JobIdText, Path, description = "The job.")),
    responses(
        (status = 200, description = "The job as it is now.", body = JobView),
        CommonProblems, NotFoundProblem, WriteProblems
    )
)]
async fn cancel(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    path: PathParts,
    _: StrictQuery<NoParameters>,
) -> Result<Json<JobView>, Problem> {
    check_seen(&state, &access, path.job_id())?;
    Ok(Json(state.jobs().cancel(path.job_id()).await?))
}

/// The job of somebody else is as one that does not exist.
fn check_seen(state: &AppState, access: &Access, id: &str) -> Result<(), Problem> {
    match state.jobs().get(id) {
        Some(job) if !access.sees_job_of(&job.author) => Err(unknown(id)),
        _ => Ok(()),
    }
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(80).collect();
    let detail = format!("job {id} does not exist; jobs that ended long ago are forgotten");
    Problem::new(Code::NotFound, detail)
}
