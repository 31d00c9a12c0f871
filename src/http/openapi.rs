//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

mod closed;

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use super::problem::ProblemDetails;
use super::responses::UnavailableProblem;
use super::schema::JobIdText;
use super::{HttpLimits, router};
use crate::model::{Label, PromptId, Version, VersionSelector};

/// What stands around the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "promptd",
        description = "Versions of prompts, kept in plain files, served over a Unix socket.\n\nEvery answer carries \
                       `Promptd-Revision`, the point in the history of the store that it is part of. Every error is a \
                       problem document (RFC 9457) with a stable `code`. HEAD works wherever GET does; a method that a \
                       path does not have is answered with 405 and `Allow`. On the socket any Host header is accepted.\n\nWhere it is \
                       configured, some operations that only read are served over TCP on the loopback too. There a request \
                       needs the token (`bearer`), a Host that means this host, and no Origin of a stranger; else it is \
                       answered with 401, 421 or 403, without a revision."
    ),
    paths(openapi_document),
    components(schemas(ProblemDetails, PromptId, Version, Label, VersionSelector, JobIdText)),
    tags(
        (name = "prompts", description = "What prompts there are."),
        (name = "versions", description = "Their histories."),
        (name = "labels", description = "Names that point at one version and can be moved."),
        (name = "evidence", description = "What tests of versions measured."),
        (name = "trash", description = "What was deleted."),
        (name = "jobs", description = "Long work."),
        (name = "analysis", description = "Scores without storing."),
        (name = "operation", description = "How the daemon is.")
    )
)]
struct Frame;

/// The OpenAPI document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", operation_id = "openapi",
    responses((status = 200, description = "This document.", body = Object), UnavailableProblem)
)]
#[expect(
    dead_code,
    reason = "the route is made with the finished document; this is its description"
)]
fn openapi_document() {}

/// The document without the resources.
pub(super) fn frame() -> Document {
    Frame::openapi()
}

/// Returns the OpenAPI 3.1 document of the API with the default limits, as it is served.
#[must_use]
pub fn openapi_json() -> String {
    let document = router::documented_routes(|work| work, |waiting| waiting).into_openapi();
    render(document, &HttpLimits::default())
}

/// Finishes the document: what holds for every operation, and the limits as they are configured.
pub(super) fn render(document: Document, limits: &HttpLimits) -> String {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    for_each_operation(&mut document, |operation| {
        add_revision_header(operation);
        set_page_limit(operation, limits);
    });
    closed::close_request_schemas(&mut document);
    add_token(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn for_each_operation(document: &mut Value, mut change: impl FnMut(&mut Value)) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for operations in paths.into_iter().flat_map(serde_json::Map::values_mut) {
        for operation in operations
            .as_object_mut()
            .into_iter()
            .flat_map(serde_json::Map::values_mut)
        {
            change(operation);
        }
    }
}

/// Over the socket the kernel says who asks; over TCP a token does.
fn add_token(document: &mut Value) {
    let scheme = json!({
        "type": "http",
        "scheme": "bearer",
        "description": "The token of daemon.tcp; not needed on the Unix socket."
    });
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("securitySchemes".to_owned(), json!({"bearer": scheme}));
    }
    if let Some(document) = document.as_object_mut() {
        document.insert("security".to_owned(), json!([{}, {"bearer": []}]));
    }
}

fn add_revision_header(operation: &mut Value) {
    let header = json!({
        "description": "The revision of the store that the answer is part of.",
        "required": true,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}\\.[0-9]+$"}
    });
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    for response in responses.into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(response) = response.as_object_mut() {
            let headers = response.entry("headers").or_insert_with(|| json!({}));
            if let Some(headers) = headers.as_object_mut() {
                headers.insert("Promptd-Revision".to_owned(), header.clone());
            }
        }
    }
}

fn set_page_limit(operation: &mut Value, limits: &HttpLimits) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter.get("name").and_then(Value::as_str) != Some("limit") {
            continue;
        }
        if let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
            schema.insert("type".to_owned(), json!("integer"));
            schema.insert("maximum".to_owned(), json!(limits.max_page_items));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

    #[test]
    fn the_committed_document_is_the_served_one() {
        let served = openapi_json();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(COMMITTED, &served).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        assert!(
            committed == served,
            "docs/openapi.json is out of date: run UPDATE_OPENAPI=1 cargo test --lib http::openapi, and look at the difference"
        );
    }

    #[test]
    fn every_operation_says_what_it_answers_and_every_reference_leads_somewhere() {
        let mut document: Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut operations = 0;
        for_each_operation(&mut document, |operation| {
            operations += 1;
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            assert!(
                responses.contains_key("500") && responses.contains_key("503"),
                "{name}"
            );
            for (status, response) in responses {
                assert!(
                    response["headers"]["Promptd-Revision"].is_object(),
                    "{name} {status}"
                );
                assert!(
                    !response["description"].as_str().unwrap().is_empty(),
                    "{name} {status}"
                );
            }
        });
        assert!(operations > 15, "only {operations} operations");
        for reference in closed::references(&document) {
            let schema = &document["components"]["schemas"][&reference];
            assert!(schema.is_object(), "nothing at {reference}");
        }
    }
}
