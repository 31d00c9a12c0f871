//! Which errors an operation can answer with, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::header::Header;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

use super::problem::{Code, PROBLEM_JSON};

/// Errors of every operation below `/v1`: bad path or query, want of rights, damage, mistakes, overload.
pub(super) struct CommonProblems;

/// Errors of an operation that reads a body.
pub(super) struct BodyProblems;

/// Errors of an operation that writes to the store.
pub(super) struct WriteProblems;

/// The prompt, version, label or job is not there.
pub(super) struct NotFoundProblem;

/// Something in the store stands against it.
pub(super) struct ConflictProblem;

/// What is asked for is not known any more.
pub(super) struct GoneProblem;

/// A condition in a header does not hold.
pub(super) struct PreconditionProblem;

/// The daemon cannot do it now.
pub(super) struct UnavailableProblem;

impl IntoResponses for CommonProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 403, 500, 503])
    }
}

impl IntoResponses for BodyProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[408, 413, 415, 422])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[507])
    }
}

impl IntoResponses for NotFoundProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[404])
    }
}

impl IntoResponses for ConflictProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[409])
    }
}

impl IntoResponses for GoneProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[410])
    }
}

impl IntoResponses for PreconditionProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[412])
    }
}

impl IntoResponses for UnavailableProblem {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[500, 503])
    }
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    statuses
        .iter()
        .map(|status| (status.to_string(), RefOr::T(problem(*status))))
        .collect()
}

/// The description of a status is the list of the codes that come with it.
fn problem(status: u16) -> Response {
    let codes: Vec<String> = Code::ALL
        .into_iter()
        .filter(|code| code.status().as_u16() == status)
        .map(|code| format!("`{}`", code.as_str()))
        .collect();
    let schema = Ref::from_schema_name("ProblemDetails");
    let response = ResponseBuilder::new()
        .description(codes.join(", "))
        .content(PROBLEM_JSON, Content::new(Some(schema)));
    if status == 503 {
        let mut retry = Header::new(
            utoipa::openapi::ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::Type::Integer)
                .minimum(Some(0))
                .build(),
        );
        retry.description =
            Some("Seconds after which to try again; with `busy` and `unavailable`.".to_owned());
        return response.header("Retry-After", retry).build();
    }
    response.build()
}
