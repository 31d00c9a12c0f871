//! `/v1/status`, `/healthz` and `/readyz`: how the daemon is. What monitoring asks is in `health`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use crate::jobs::JobCounts;
use crate::llm::LanguageModel;
use crate::metrics::Limit;

use super::problem::{Code, Problem};
use super::query::StrictQuery;
use super::responses::{CommonProblems, UnavailableProblem};
use super::tcp::TcpGate;
use super::wire::{Health, HttpStatus, JobsStatus, StatusView, TcpStatus};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Answered whatever the load is.
pub(super) fn health_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

/// Which parts the status has one by one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Shards {
    /// All shards.
    All,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatusQuery {
    /// `all` adds the state of every shard, in `storage.shards.all`. Without it those are listed that are not idle and well.
    #[param(inline)]
    shards: Option<Shards>,
}

/// Everything an operator asks
#[utoipa::path(
    get, path = "/v1/status", tag = "operation", operation_id = "status", params(StatusQuery),
    responses((status = 200, description = "How the daemon is.", body = StatusView), CommonProblems)
)]
async fn status(
    State(state): State<AppState>,
    StrictQuery(query): StrictQuery<StatusQuery>,
) -> Result<Json<StatusView>, Problem> {
    let storage = state.versions().storage();
    storage.observe().await;
    let mut parts = storage.status().await;
    if query.shards.is_some()
        && let Some(shards) = parts.get_mut("shards").and_then(Value::as_object_mut)
    {
        shards.insert("all".to_owned(), storage.parts().into());
    }
    let (prompts, versions) = storage.totals();
    let down = state.health().err();
    let complaints: Vec<String> = down.into_iter().chain(state.concerns()).collect();
    let degraded = (!complaints.is_empty()).then(|| complaints.join("; "));
    let status = if degraded.is_none() { "ok" } else { "degraded" };
    Ok(Json(StatusView {
        status: status.to_owned(),
        degraded,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: state.started_at().clone(),
        uptime_seconds: state.uptime_seconds(),
        revision: storage.revision().to_string(),
        prompts,
        versions,
        storage: parts,
        jobs: jobs_status(&state),
        llm: state.jobs().language_model().map(LanguageModel::status),
        http: http_status(&state),
    }))
}

fn jobs_status(state: &AppState) -> JobsStatus {
    let JobCounts {
        queued,
        running,
        finished,
    } = state.jobs().counts();
    JobsStatus {
        queued: queued as u64,
        running: running as u64,
        finished: finished as u64,
        problems: state.jobs().problems(),
        actor: state.jobs().actor_status(),
        last_backup: state.jobs().last_backup(),
    }
}

fn http_status(state: &AppState) -> HttpStatus {
    let (connections, in_flight) = (state.connections(), state.in_flight());
    let (limits, bytes) = (state.limits(), state.bytes());
    let refused = |limits: [Limit; 2]| -> u64 {
        let rejections = &state.metrics().rejections;
        limits.into_iter().map(|limit| rejections.count(limit)).sum()
    };
    HttpStatus {
        connections: connections.taken() as u64,
        max_connections: connections.max() as u64,
        max_connections_per_peer: limits.max_connections_per_peer as u64,
        connections_of_busiest_peer: connections.taken_by_one() as u64,
        requests_in_flight: in_flight.taken() as u64,
        max_requests_in_flight: in_flight.max() as u64,
        max_requests_in_flight_per_peer: limits.max_requests_in_flight_per_peer as u64,
        bytes_in_flight: bytes.taken() as u64,
        max_bytes_in_flight: bytes.max() as u64,
        refused_connections: refused([Limit::Connections, Limit::ConnectionsPerPeer]),
        refused_requests: refused([Limit::RequestsInFlight, Limit::RequestsInFlightPerPeer])
            + state.metrics().rejections.count(Limit::BytesInFlight),
        tcp: state.tcp().map(tcp_status),
    }
}

fn tcp_status(gate: &TcpGate) -> TcpStatus {
    TcpStatus {
        address: gate.address().to_string(),
        serves: gate.serves().iter().map(ToString::to_string).collect(),
        connections: gate.connections() as u64,
        max_connections: gate.max_connections() as u64,
    }
}

/// Is the daemon alive
///
/// 200 as long as the process serves requests.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "healthz",
    responses((status = 200, description = "It is.", body = Health), UnavailableProblem)
)]
async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        concerns: Vec::new(),
    })
}

/// Is the daemon ready
///
/// 200 when every part of the store and the job queue are up, else 503 with the part that is not. A full disk and damage
/// that was found leave it at 200, since everything is served; `concerns` names them.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "readyz",
    responses((status = 200, description = "It is.", body = Health), UnavailableProblem)
)]
async fn readyz(State(state): State<AppState>) -> Response {
    if state.stopping().is_cancelled() {
        return Problem::new(Code::Unavailable, "the daemon is stopping").into_response();
    }
    match state.health() {
        Ok(()) => (
            StatusCode::OK,
            Json(Health {
                status: "ready".to_owned(),
                concerns: state.concerns(),
            }),
        )
            .into_response(),
        Err(reason) => Problem::new(Code::Unavailable, reason).into_response(),
    }
}
