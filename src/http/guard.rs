//! What every request passes through: admission, the deadline, and the net under a panic.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::admission::Claimant;
use crate::log_events::LogEvent;
use crate::metrics::Limit;
use crate::storage::Revision;

use super::AppState;
use super::body::drain_refused;
use super::peer::Peer;
use super::problem::{Code, Crowd, Problem};
use super::room;
use super::wire::REVISION_HEADER;

const REQUESTS: Crowd = Crowd {
    what: "requests",
    all: Limit::RequestsInFlight,
    per_peer: Limit::RequestsInFlightPerPeer,
};

/// The outermost layer: whatever happens below, there is an answer, and it carries the revision of the store.
pub(super) async fn always_answer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // What is read may be older than the end of the reading: whoever follows the changes from then on must not miss any.
    let read_from = method.is_safe().then(|| state.versions().storage().revision());
    let answered = CatchPanic(Box::pin(next.run(request))).await;
    let mut response = answered.unwrap_or_else(|| {
        let detail = "the daemon made a mistake; its log says more";
        Problem::new(Code::InternalError, detail).into_response()
    });
    stamp(
        &mut response,
        read_from.unwrap_or_else(|| state.versions().storage().revision()),
    );
    let (status, path) = (response.status(), uri.path());
    let (metrics, route) = (state.metrics(), route.as_ref().map(MatchedPath::as_str));
    metrics.note(route, &method, status, started.elapsed());
    if let Some(limit) = response.extensions().get::<Limit>() {
        metrics.rejections.note(*limit);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(event = %LogEvent::Overloaded, limit = limit.key(), "a request was turned away");
        }
    }
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(event = %LogEvent::RequestFailed, %method, path, status = status.as_u16(), "a request failed");
    } else {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(%method, path, status = status.as_u16(), micros, "answered");
    }
    response
}

/// Says which revision of the store an answer is part of: everything up to it is in what was read, and a change that was
/// made is part of it.
pub(super) fn stamp(response: &mut Response, revision: Revision) {
    if let Ok(revision) = HeaderValue::from_str(&revision.to_string()) {
        let name = HeaderName::from_static(REVISION_HEADER);
        response.headers_mut().insert(name, revision);
    }
}

/// Admits requests within their bounds and shares, and gives each its deadline.
pub(super) async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let claimant = claimant(&request);
    let _place = match state.in_flight().try_enter(claimant) {
        Ok(place) => place,
        Err(refusal) => return Problem::crowded(refusal, &REQUESTS).into_response(),
    };
    let is_read = request.method().is_safe();
    let upload = match room::for_body(&state, claimant, &request) {
        Ok(upload) => upload,
        Err(problem) => {
            drain_refused(request).await;
            return problem.into_response();
        }
    };
    let response = work(&state, request, next).await;
    room::hand_over(&state, claimant, upload, is_read, response).await
}

/// Bounds the answers of requests that wait, which take no place among those that are worked on.
pub(super) async fn hold_answer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let claimant = claimant(&request);
    let response = next.run(request).await;
    room::hand_over(&state, claimant, None, true, response).await
}

fn claimant(request: &Request) -> Claimant {
    let peer = request.extensions().get::<Peer>();
    peer.map(Peer::claimant).unwrap_or_default()
}

async fn work(state: &AppState, request: Request, next: Next) -> Response {
    let deadline = state.limits().request_timeout();
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!(
                "timed out after {} ms (request_timeout_ms); a write may or may not be done",
                deadline.as_millis()
            );
            Problem::over(Limit::RequestTimeout, Code::Unavailable, detail).into_response()
        }
    }
}

/// Turns a panic of the inner future into `None`. The panic itself is reported by the panic hook.
struct CatchPanic<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchPanic<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of the inner future is used after it panicked, so what it left behind cannot be seen.
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
