//! Which request needs which right, and what becomes of one that lacks it.
//!
//! [`TABLE`] has every route; a test walks the routes and fails where one is missing. A route that is missing all the same
//! is for those who may do everything.

mod refusals;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Missing, Principal, Rights, Role};
use crate::log_events::LogEvent;
use crate::model::{Label, PromptId};
use crate::storage::{Action, Actor};

use super::AppState;
use super::peer::Peer;
use super::problem::{Code, Problem};
use super::tcp::{Class, Refusal, TcpGate};

pub(super) use refusals::Refusals;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing but a connection.
    Nothing,
    /// The role on some prompt: what is answered are the prompts that may be read.
    Anywhere(Role),
    /// The role on the prompt in the path.
    Prompt(Role),
    /// `write` on the prompt in the path, and `admin` with `purge=true`; with `force=true` also the right to move the labels that
    /// go with it.
    Deletion,
    /// The right to move the label in the path.
    Label,
    /// The role on all prompts.
    Everywhere(Role),
    /// What the kind of the job needs: [`JobNeed`](crate::jobs::JobNeed).
    Submission,
    /// To be the author of the job, or `admin` of everything. Others are told that there is no such job.
    OwnJob,
}

/// Every route: what it needs, and as what it is served over TCP. Whoever adds one says both here, and in docs/operations.md.
pub(super) const TABLE: &[(Method, &str, Need, Class)] = &[
    (
        Method::GET,
        "/v1/prompts",
        Need::Anywhere(Role::Read),
        Class::Read,
    ),
    (
        Method::GET,
        "/v1/prompts/{id}",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (Method::DELETE, "/v1/prompts/{id}", Need::Deletion, Class::Never),
    (
        Method::GET,
        "/v1/prompts/{id}/versions",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (
        Method::POST,
        "/v1/prompts/{id}/versions",
        Need::Prompt(Role::Write),
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/prompts/{id}/versions/{version}",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (
        Method::PUT,
        "/v1/prompts/{id}/versions/{version}",
        Need::Prompt(Role::Write),
        Class::Never,
    ),
    (
        Method::DELETE,
        "/v1/prompts/{id}/versions/{version}",
        Need::Deletion,
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/prompts/{id}/compare",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (
        Method::POST,
        "/v1/prompts/{id}/rollback",
        Need::Prompt(Role::Write),
        Class::Never,
    ),
    (
        Method::POST,
        "/v1/prompts/{id}/promote",
        Need::Prompt(Role::Write),
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/prompts/{id}/labels",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (
        Method::PUT,
        "/v1/prompts/{id}/labels/{label}",
        Need::Label,
        Class::Never,
    ),
    (
        Method::DELETE,
        "/v1/prompts/{id}/labels/{label}",
        Need::Label,
        Class::Never,
    ),
    (Method::GET, "/v1/trash", Need::Anywhere(Role::Read), Class::Read),
    (
        Method::POST,
        "/v1/trash/{id}/{version}/restore",
        Need::Prompt(Role::Write),
        Class::Never,
    ),
    (
        Method::DELETE,
        "/v1/trash/{id}/{version}",
        Need::Prompt(Role::Admin),
        Class::Never,
    ),
    (
        Method::POST,
        "/v1/evidence",
        Need::Anywhere(Role::Write),
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/prompts/{id}/versions/{version}/evidence",
        Need::Prompt(Role::Read),
        Class::Read,
    ),
    (
        Method::POST,
        "/v1/analyze",
        Need::Anywhere(Role::Read),
        Class::Never,
    ),
    (
        Method::POST,
        "/v1/rewrite",
        Need::Anywhere(Role::Read),
        Class::Never,
    ),
    (Method::GET, "/v1/jobs", Need::Anywhere(Role::Read), Class::Never),
    (Method::POST, "/v1/jobs", Need::Submission, Class::Never),
    (Method::GET, "/v1/jobs/{id}", Need::OwnJob, Class::Never),
    (Method::GET, "/v1/jobs/{id}/events", Need::OwnJob, Class::Never),
    (Method::DELETE, "/v1/jobs/{id}", Need::OwnJob, Class::Never),
    (
        Method::GET,
        "/v1/backups",
        Need::Everywhere(Role::Admin),
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/audit",
        Need::Everywhere(Role::Admin),
        Class::Never,
    ),
    (
        Method::GET,
        "/v1/audit/verify",
        Need::Everywhere(Role::Admin),
        Class::Never,
    ),
    (Method::GET, "/v1/watch", Need::Anywhere(Role::Read), Class::Never),
    (Method::GET, "/v1/status", Need::Anywhere(Role::Read), Class::Read),
    (Method::GET, "/metrics", Need::Nothing, Class::Metrics),
    (Method::GET, "/health/optimizer", Need::Nothing, Class::Health),
    (Method::GET, "/healthz", Need::Nothing, Class::Health),
    (Method::GET, "/readyz", Need::Nothing, Class::Health),
    (Method::GET, "/openapi.json", Need::Nothing, Class::Read),
];

/// Who asks, and what they may do. It travels with every request.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) rights: Arc<Rights>,
    route: Route,
    peer: Peer,
}

/// What was asked for, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    method: Method,
    path: String,
    prompt: Option<String>,
    label: Option<String>,
}

/// Lets a request pass that has the rights it needs, and no other.
pub(super) async fn enforce(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(path) = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned())
    else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
        return Problem::new(Code::Forbidden, "nobody knows who is asking").into_response();
    };
    if let Some(gate) = parts.extensions.get::<Arc<TcpGate>>()
        && let Err(refusal) = gate.check_class(class_of(&parts.method, &path))
    {
        return refuse_over_tcp(gate, refusal).into_response();
    }
    let params = RawPathParams::from_request_parts(&mut parts, &state).await.ok();
    let param = |name: &str| {
        let found = params.as_ref()?.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| {
            value
                .chars()
                .take(crate::model::MAX_PROMPT_ID_LEN)
                .collect::<String>()
        })
    };
    let is_of_a_prompt = path.starts_with("/v1/prompts/") || path.starts_with("/v1/trash/");
    let route = Route {
        method: parts.method.clone(),
        prompt: param("id").filter(|_| is_of_a_prompt),
        label: param("label"),
        path,
    };
    let rights = Arc::new(match &peer.principal {
        Some(principal) => state.policy().rights_of(principal),
        None => Rights::to_read(),
    });
    let access = Access { rights, route, peer };
    if let Err(missing) = access.check(need_of(&access.route.method, &access.route.path)) {
        return access.refuse(&state, &missing).await.into_response();
    }
    if !parts.method.is_safe() {
        let (peer, route) = (&access.peer, &access.route);
        tracing::debug!(
            peer_uid = peer.uid(), peer_gid = peer.gid, peer_pid = peer.pid, method = %route.method,
            route = route.path, prompt_id = route.prompt, "allowed"
        );
    }
    parts.extensions.insert(access);
    next.run(Request::from_parts(parts, body)).await
}

/// Returns the method by which the table has a request: HEAD is GET without the body.
fn as_in_table(method: &Method) -> &Method {
    if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    }
}

/// Returns what a route needs. For a method that the route does not have, nothing: the router says so.
fn need_of(method: &Method, path: &str) -> Need {
    let method = as_in_table(method);
    let mut of_path = TABLE.iter().filter(|(_, known, ..)| *known == path).peekable();
    if of_path.peek().is_none() {
        return Need::Everywhere(Role::Admin);
    }
    let found = of_path.find(|(known, ..)| known == method);
    found.map_or(Need::Nothing, |(_, _, need, _)| *need)
}

/// Returns as what a route is served over TCP. One that is missing in the table is not, nor is a method that it does not have.
fn class_of(method: &Method, path: &str) -> Class {
    let method = as_in_table(method);
    let found = TABLE
        .iter()
        .find(|(known, of_path, ..)| known == method && *of_path == path);
    found.map_or(Class::Never, |(.., class)| *class)
}

/// Refuses a request over TCP, and says so in the log. The audit log is about users.
pub(super) fn refuse_over_tcp(gate: &TcpGate, refusal: Refusal) -> Problem {
    gate.note(refusal);
    tracing::warn!(
        event = %LogEvent::TcpRefused, peer = "tcp", reason = refusal.word(), address = %gate.address(),
        "a request over TCP is refused"
    );
    refusal.problem()
}

impl Access {
    fn check(&self, need: Need) -> Result<(), Missing> {
        let rights = &self.rights;
        let id = self.route.prompt.as_deref().unwrap_or_default();
        match need {
            // Whose job it is, and what a submission needs, the handlers know.
            Need::Nothing | Need::OwnJob => Ok(()),
            Need::Submission => rights.need_anywhere(Role::Read),
            Need::Anywhere(role) => rights.need_anywhere(role),
            Need::Prompt(role) => rights.need_on(role, id),
            Need::Deletion => rights.need_on(Role::Write, id),
            Need::Everywhere(role) => rights.need_everywhere(role),
            Need::Label => match self.route.label.as_deref().map(Label::new) {
                Some(Ok(label)) => rights.need_label(id, &label),
                // The handler says what is wrong with it.
                _ => rights.need_on(Role::Read, id),
            },
        }
    }

    /// Returns who asks, for what is done on their behalf.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            author: self.peer.author.clone(),
            gid: self.peer.gid,
            pid: self.peer.pid,
            job_id: None,
        }
    }

    /// Returns who asks, for those who look up the rights again while they answer; nobody whom the kernel knows, over TCP.
    pub(super) const fn principal(&self) -> Option<&Principal> {
        self.peer.principal.as_ref()
    }

    /// Tells whether a prompt may be read.
    pub(super) fn reads(&self, id: &PromptId) -> bool {
        self.rights.on(id.as_str()) >= Role::Read
    }

    /// Tells whether a job is this one's own, or may be seen by who may do everything.
    pub(super) fn sees_job_of(&self, author: &crate::model::Author) -> bool {
        self.rights.everywhere() == Role::Admin
            || (self.peer.author.uid.is_some() && self.peer.author.uid == author.uid)
    }

    /// Passes a right on, or refuses the request and says so in the logs.
    pub(super) async fn demand(&self, state: &AppState, right: Result<(), Missing>) -> Result<(), Problem> {
        match right {
            Ok(()) => Ok(()),
            Err(missing) => Err(self.refuse(state, &missing).await),
        }
    }

    /// Refuses the request, and says so in the logs.
    pub(super) async fn refuse(&self, state: &AppState, missing: &Missing) -> Problem {
        let (peer, route) = (&self.peer, &self.route);
        tracing::warn!(
            event = %LogEvent::AccessRefused, peer_uid = peer.uid(), peer_gid = peer.gid, peer_pid = peer.pid,
            method = %route.method, route = route.path, prompt_id = route.prompt, missing = %missing,
            "a request is refused for want of rights"
        );
        if let Some(left_out) = state.refusals().admit(peer.uid()) {
            state.audit_refusal(self.refusal(missing, left_out)).await;
        }
        Problem::forbidden(missing)
    }

    fn refusal(&self, missing: &Missing, left_out: u64) -> crate::audit::Draft {
        let route = &self.route;
        let mut draft =
            crate::audit::Draft::new(&self.actor(), Action::Refuse, crate::audit::Outcome::Refused);
        draft.prompt_id = route.prompt.as_deref().and_then(|id| PromptId::new(id).ok());
        draft.label = route.label.as_deref().and_then(|label| Label::new(label).ok());
        let and_more = match left_out {
            0 => String::new(),
            count => format!("; {count} more before it are left out"),
        };
        draft.detail = Some(format!(
            "{} {} needs {missing}{and_more}",
            route.method, route.path
        ));
        draft
    }
}

impl Problem {
    /// Makes the answer to a request that lacks a right. It says nothing of what is in the store.
    pub(super) fn forbidden(missing: &Missing) -> Self {
        Self::new(
            Code::Forbidden,
            format!("this needs {missing}, which your user does not have"),
        )
    }
}
