//! `/v1/watch`: the stream of changes.
//!
//! The feed of the storage keeps the last changes; a stream is a task that takes them from there at the pace of its reader.
//! It takes no place among the requests that are worked on and has no deadline, but there are so many streams and no more.

mod follow;
mod form;
mod streams;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::PromptId;
use crate::storage::Revision;
use crate::storage::feed::Gone;

use super::AppState;
use super::access::Access;
use super::problem::{Code, Problem};
use super::query::StrictQuery;
use super::responses::{CommonProblems, GoneProblem};
use super::schema::revision;
use super::stream::{self, Cut};
use super::wire::WatchLine;

use follow::{Follower, Scope, Sight};
use form::Form;

pub(super) use streams::Streams;

/// The longest that a stream may be asked to last, in seconds; without a limit it lasts for ever.
const MAX_WAIT_SECONDS: u64 = 3_600;

/// The header in which a reader of server-sent events says where it was.
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(watch))
}

impl From<Gone> for Problem {
    fn from(gone: Gone) -> Self {
        let detail = format!("{gone}: relist, and watch from the Promptd-Revision of the first answer on");
        Self::new(Code::Gone, detail)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WatchQuery {
    /// The revision after which to begin: of the last line that was read, or the `Promptd-Revision` of an answer. Without it
    /// the stream begins now.
    #[param(schema_with = revision)]
    since: Option<String>,
    /// Only changes of this prompt.
    #[param(value_type = Option<PromptId>)]
    prompt: Option<String>,
    /// Only changes of prompts whose ids begin so.
    #[param(value_type = Option<String>, max_length = 128)]
    prefix: Option<String>,
    /// End after so many seconds, once everything up to then was sent; 0 asks for what has happened already.
    #[param(minimum = 0, maximum = 3600)]
    wait: Option<u64>,
}

/// Follow the changes
///
/// One JSON object to a line, each a change or a word about the stream itself, as soon as reads show it; with `Accept:
/// text/event-stream` as server-sent events. Changes come in one order with none left out and none twice, whoever made them:
/// clients, jobs, or other programs on the files. The first line is a `heartbeat` that says where the stream begins; others
/// follow whenever nothing else was sent for a while. To have a picture that stays right, list the prompts, and watch from the
/// `Promptd-Revision` of the first page on. After a lost connection go on with the revision of the last line. When that is not
/// known any more, or the daemon was started again, the answer is 410, and everything has to be listed anew; so it has when
/// the last line is `gone`, since the reader was too slow. What may not be read is left out, by the rules as they are when the
/// change is sent.
#[utoipa::path(
    get, path = "/v1/watch", tag = "operation", operation_id = "watch", params(WatchQuery),
    responses(
        (status = 200, description = "WatchLine objects, one to a line.", content(
            (WatchLine = "application/x-ndjson"), (String = "text/event-stream")
        )),
        CommonProblems, GoneProblem
    )
)]
async fn watch(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    cut: Option<Extension<Cut>>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<WatchQuery>,
) -> Result<Response, Problem> {
    let since = since(query.since.as_deref(), &headers)?;
    let scope = scope(query.prompt, query.prefix)?;
    let until = query.wait.map(end_after).transpose()?;
    let Some(principal) = access.principal().cloned() else {
        let detail = "changes are told on the Unix socket alone";
        return Err(Problem::new(Code::Forbidden, detail));
    };
    // In this order: who cannot go on where it was takes no place.
    let subscription = state.versions().storage().feed().subscribe(since)?;
    let place = state.streams().enter(principal.uid, &state.limits())?;
    let form = Form::of(&headers);
    let (pieces, body) = stream::body();
    let follower = Follower {
        written: subscription.revision(),
        written_at: Instant::now(),
        subscription,
        scope,
        sight: Sight::new(principal, state.policy()),
        form,
        until,
        cut: cut.map(|Extension(cut)| cut).unwrap_or_default(),
        place,
        state,
    };
    tokio::spawn(follower.run(pieces));
    let head = [
        (header::CONTENT_TYPE, form.content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((head, Body::new(body)).into_response())
}

fn since(query: Option<&str>, headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    // A reader of server-sent events that comes back asks for the same address again, and says more in the header.
    let last = headers
        .get(LAST_EVENT_ID)
        .map(|value| value.to_str().unwrap_or("?"));
    let given = last.map(|text| ("header Last-Event-ID", text));
    let given = given.or(query.map(|text| ("query: since", text)));
    let Some((place, text)) = given else {
        return Ok(None);
    };
    text.parse::<Revision>()
        .map(Some)
        .map_err(|error| Problem::invalid_request(format!("{place}: {error}")))
}

fn scope(prompt: Option<String>, prefix: Option<String>) -> Result<Scope, Problem> {
    match (prompt, prefix) {
        (None, None) => Ok(Scope::Everything),
        (Some(prompt), None) => Ok(Scope::Prompt(PromptId::new(&prompt)?)),
        (None, Some(prefix)) => Ok(Scope::Prefix(prefix)),
        (Some(_), Some(_)) => Err(Problem::invalid_request(
            "query: give prompt or prefix, not both".to_owned(),
        )),
    }
}

fn end_after(seconds: u64) -> Result<Instant, Problem> {
    if seconds > MAX_WAIT_SECONDS {
        let detail = format!("query: wait: {seconds} is more than {MAX_WAIT_SECONDS}");
        return Err(Problem::invalid_request(detail));
    }
    Ok(Instant::now() + Duration::from_secs(seconds))
}
