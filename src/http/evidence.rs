//! `/v1/evidence` and `/v1/prompts/{id}/versions/{version}/evidence`: test results of versions.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::evidence::{Batch, Figures, LineProblems, TargetedResult, lines, table};
use crate::metrics::Limit;
use crate::model::{PromptId, Version, VersionSelector};
use crate::storage::Action;
use crate::versions::VersionEvidence;

use super::access::Access;
use super::body::{decode, is_json, parse_json, read_bytes, refuse_encoding};
use super::params::PathParts;
use super::problem::{Code, Problem};
use super::query::{StrictQuery, page_items};
use super::responses::{BodyProblems, CommonProblems, ConflictProblem, NotFoundProblem, WriteProblems};
use super::schema::evidence_cursor;
use super::wire::{EvidenceCount, EvidencePage, EvidenceReceipt};
use super::{AppState, cursor};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add)).routes(routes!(get))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AddQuery {
    /// The prompt of every result that names none.
    #[param(value_type = Option<PromptId>)]
    prompt_id: Option<String>,
    /// The version of every result that names none: a number.
    #[param(value_type = Option<Version>)]
    version: Option<String>,
}

/// The forms in which results come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
    Table,
}

/// Add test results
///
/// Each result is about one version, and is told from others of that version by its `execution_id`: the same result again
/// changes nothing, another result of the same execution is a conflict. The request is checked as a whole before anything
/// is kept; of a request that is refused nothing is kept, unless the store itself fails in the middle, which the answer then
/// says. As JSON, as JSON Lines (one result per line), or as CSV (a line of column names first). Inputs and outputs are not
/// kept, but for the length of the outputs.
#[utoipa::path(
    post, path = "/v1/evidence", tag = "evidence", operation_id = "add_evidence",
    params(AddQuery),
    request_body(content(
        (Batch = "application/json"), (String = "application/x-ndjson"), (String = "text/csv")
    )),
    responses(
        (status = 200, description = "Every result is kept.", body = EvidenceReceipt),
        CommonProblems, NotFoundProblem, ConflictProblem, BodyProblems, WriteProblems
    )
)]
async fn add(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    StrictQuery(query): StrictQuery<AddQuery>,
    request: Request,
) -> Result<Json<EvidenceReceipt>, Problem> {
    let form = form_of(request.headers())?;
    let limits = state.limits();
    let (max, timeout) = (limits.max_body_bytes, limits.body_timeout());
    let bytes = read_bytes(request, Limit::Body, max, timeout).await?;
    let (unit, results) = read(form, bytes, query).await?;
    for result in &results {
        let right = access.rights.need_on(Role::Write, result.prompt_id.as_str());
        access.demand(&state, right).await?;
    }
    let versions = state.versions_for(&access, Action::AddEvidence);
    let done = versions.add_evidence(unit, results).await?;
    Ok(Json(EvidenceReceipt::of(&done)))
}

fn form_of(headers: &HeaderMap) -> Result<Form, Problem> {
    refuse_encoding(headers)?;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = content_type.map(|text| text.split(';').next().unwrap_or_default().trim());
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("application/json") if content_type.is_some_and(is_json) => Ok(Form::Json),
        Some("application/x-ndjson" | "application/jsonl" | "application/ndjson") => Ok(Form::Lines),
        Some("text/csv") => Ok(Form::Table),
        _ => {
            let detail = "set Content-Type to application/json, application/x-ndjson or text/csv";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

/// Reads results, on a thread where that holds up nobody.
async fn read(
    form: Form,
    bytes: Bytes,
    query: AddQuery,
) -> Result<(&'static str, Vec<TargetedResult>), Problem> {
    let read = tokio::task::spawn_blocking(move || {
        let (prompt_id, version) = (query.prompt_id.as_deref(), query.version.as_deref());
        let targeted = match form {
            Form::Json => {
                let mut batch: Batch = decode(&parse_json(&bytes)?)?;
                batch.prompt_id = batch.prompt_id.or_else(|| prompt_id.map(str::to_owned));
                batch.version = batch.version.or_else(|| version.map(str::to_owned));
                return Ok((batch.unit(), batch.targeted().map_err(|e| refused(&e))?));
            }
            Form::Lines => lines::read(&bytes, prompt_id, version),
            Form::Table => table::read(&bytes, prompt_id, version),
        };
        Ok(("line", targeted.map_err(|e| refused(&e))?))
    });
    read.await
        .map_err(|_| Problem::new(Code::InternalError, "reading the results failed"))?
}

fn refused(problems: &LineProblems) -> Problem {
    Problem::new(Code::InvalidEvidence, problems.to_string())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// How many results at most.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    #[param(schema_with = evidence_cursor)]
    cursor: Option<String>,
}

/// Read the test results of a version
///
/// The figures are those of all of them, on every page.
#[utoipa::path(
    get, path = "/v1/prompts/{id}/versions/{version}/evidence", tag = "evidence", operation_id = "get_evidence",
    params(
        ("id" = PromptId, Path, description = "The prompt."),
        ("version" = VersionSelector, Path, description = "A number, a range, a label, `latest` or `best`."),
        PageQuery
    ),
    responses(
        (status = 200, description = "The figures, and one page of the results in the order in which they came.",
            body = EvidencePage),
        CommonProblems, NotFoundProblem, ConflictProblem
    )
)]
async fn get(
    State(state): State<AppState>,
    path: PathParts,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Result<Json<EvidencePage>, Problem> {
    let (prompt_id, selector) = (path.prompt_id()?, path.reference()?);
    let limit = page_items(query.limit, &state.limits())?;
    let before = query.cursor.as_deref().map_or(Ok(0), cursor::read_evidence)?;
    let (version, results) = state.versions().evidence(&prompt_id, &selector).await?;
    let figures = Figures::of(&results);
    let total = results.len();
    let items: Vec<_> = results.into_iter().skip(before).take(limit).collect();
    let next = before.saturating_add(items.len());
    Ok(Json(EvidencePage {
        prompt_id,
        version,
        min_results: state.versions().evidence_rules().min_results,
        figures,
        items,
        next_cursor: (next < total).then(|| cursor::after_evidence(next)),
    }))
}

impl EvidenceReceipt {
    fn of(done: &[VersionEvidence]) -> Self {
        let versions: Vec<EvidenceCount> = done
            .iter()
            .map(|one| EvidenceCount {
                prompt_id: one.prompt_id.clone(),
                version: one.version.clone(),
                added: one.added.added,
                known: one.added.known,
                total: one.added.total,
            })
            .collect();
        Self {
            added: versions.iter().map(|one| one.added).sum(),
            known: versions.iter().map(|one| one.known).sum(),
            versions,
        }
    }
}
