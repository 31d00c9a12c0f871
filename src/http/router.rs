//! Every route of the API.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use bytes::Bytes;
use utoipa_axum::router::OpenApiRouter;

use super::limits::HttpLimits;
use super::page::json_bytes;
use super::problem::{Code, Problem};
use super::{
    AppState, access, analyze, audit, backups, compare, evidence, guard, health, jobs, labels, openapi,
    prompts, rewrite, status, trash, versions, watch,
};

/// Makes the service that answers requests. Requests must carry the peer of their connection: [`super::serve`] adds it.
pub fn router(state: AppState) -> Router {
    let (routes, document) = documented_routes(
        |work| work.layer(from_fn_with_state(state.clone(), guard::admit)),
        |waiting| waiting.layer(from_fn_with_state(state.clone(), guard::hold_answer)),
    )
    .split_for_parts();
    state.metrics().set_routes(document.paths.paths.keys().cloned());
    let document = Arc::new(DescribedApi::new(document));
    let describe =
        move |State(state): State<AppState>| async move { json_bytes(document.at(&state.limits())) };
    routes
        .route("/openapi.json", get(describe))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(state.clone(), access::enforce))
        .layer(from_fn_with_state(state.clone(), guard::always_answer))
        .with_state(state)
}

/// All routes with their part of the OpenAPI document. `admission` is put around those that do work, `holding` around those
/// that wait for a job.
pub(super) fn documented_routes(
    admission: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
    holding: impl FnOnce(OpenApiRouter<AppState>) -> OpenApiRouter<AppState>,
) -> OpenApiRouter<AppState> {
    let work = OpenApiRouter::new()
        .merge(prompts::routes())
        .merge(versions::routes())
        .merge(labels::routes())
        .merge(compare::routes())
        .merge(evidence::routes())
        .merge(trash::routes())
        .merge(analyze::routes())
        .merge(rewrite::routes())
        .merge(jobs::routes())
        .merge(backups::routes())
        .merge(audit::routes())
        .merge(status::routes());
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(admission(work))
        .merge(holding(jobs::waiting_routes()))
        .merge(watch::routes())
        .merge(status::health_routes())
        .merge(health::routes())
}

async fn unknown_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(
        Code::NotFound,
        format!("there is nothing at {path}: /openapi.json lists what there is"),
    )
}

async fn unknown_method(method: Method) -> Problem {
    let detail = format!("{method} is not possible here: the Allow header lists what is");
    Problem::new(Code::MethodNotAllowed, detail)
}

/// The OpenAPI document, written anew only when the limits that it names have changed.
struct DescribedApi {
    document: utoipa::openapi::OpenApi,
    rendered: Mutex<Option<(Arc<HttpLimits>, Bytes)>>,
}

impl DescribedApi {
    const fn new(document: utoipa::openapi::OpenApi) -> Self {
        Self {
            document,
            rendered: Mutex::new(None),
        }
    }

    fn at(&self, limits: &Arc<HttpLimits>) -> Bytes {
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        match &*rendered {
            Some((known, bytes)) if Arc::ptr_eq(known, limits) => bytes.clone(),
            _ => {
                let bytes = Bytes::from(openapi::render(self.document.clone(), limits));
                *rendered = Some((Arc::clone(limits), bytes.clone()));
                bytes
            }
        }
    }
}
