//! The accept loop: connections, their limits, and their end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::admission::{Claimant, Place};
use crate::log_events::LogEvent;
use crate::metrics::Limit;

use super::body::drain_refused;
use super::listener::Listener;
use super::patience::{AnswerBody, PatientStream, Turn};
use super::peer::Peer;
use super::problem::{Code, Crowd, Problem};
use super::tcp::{Refusal, TcpDoor, TcpGate};
use super::{AppState, access, guard, router};

/// How long to wait before accepting again when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a refused client may take to send the request that is answered with `busy`.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a client that was let in or answered just before a stop may take to send its request.
const SPEAKER_GRACE: Duration = Duration::from_millis(500);

/// How often is looked whether it has.
const SPEAKER_LOOK: Duration = Duration::from_millis(5);

/// How many clients are being refused at once; more are closed without a word.
const MAX_REFUSALS: usize = 256;

/// The longest request line with its headers, in bytes: 16 KiB.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Read and write buffer of one connection, in bytes.
const MAX_BUFFER_BYTES: usize = 64 << 10;

const CONNECTIONS: Crowd = Crowd {
    what: "connections",
    all: Limit::Connections,
    per_peer: Limit::ConnectionsPerPeer,
};

/// Serves the API on a listening socket until `shutdown` resolves; then stops accepting, lets requests end for at most
/// `drain_timeout_ms`, and closes every connection.
pub async fn serve(state: AppState, listener: UnixListener, shutdown: impl Future<Output = ()>) {
    serve_on(state, listener, shutdown).await;
}

/// As [`serve`], over TCP: each request has to pass the gate, and only what is configured is served. Connections count against
/// the limits of both.
pub async fn serve_tcp(state: AppState, door: TcpDoor, shutdown: impl Future<Output = ()>) {
    serve_on(state, door, shutdown).await;
}

async fn serve_on<L: Listener>(state: AppState, listener: L, shutdown: impl Future<Output = ()>) {
    let router = router(state.clone());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut refusals = JoinSet::new();
    let mut turns: HashMap<task::Id, Turn> = HashMap::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next_with_id() => {
                turns.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
                continue;
            }
            Some(_) = refusals.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let gate = listener.gate();
        match enter(&state, L::claimant_of(&stream), gate.map(Arc::as_ref)) {
            Ok(places) => {
                state.metrics().connections.inc();
                let turn = Turn::default();
                let connection = Connection::<L> {
                    turn: turn.clone(),
                    state: state.clone(),
                    router: router.clone(),
                    stream,
                    gate: gate.cloned(),
                    places,
                };
                let task = connections.spawn(connection.converse(graceful.watcher()));
                turns.insert(task.id(), turn);
            }
            Err(problem) => {
                if let Some(limit) = problem.limit {
                    state.metrics().rejections.note(limit);
                    tracing::warn!(event = %LogEvent::Overloaded, limit = limit.key(), "a connection was turned away");
                }
                if refusals.len() < MAX_REFUSALS {
                    refusals.spawn(refuse(stream, state.clone(), problem, gate.is_none()));
                }
            }
        }
    }
    drop(listener);
    state.stopping().cancel();
    let patience = state.limits().drain_timeout();
    await_speakers(&mut connections, turns, patience.min(SPEAKER_GRACE)).await;
    if !drain(graceful, connections, patience).await {
        state.metrics().rejections.note(Limit::DrainTimeout);
    }
}

/// The places that a connection takes.
struct Places {
    _of_all: Place,
    _of_tcp: Option<OwnedSemaphorePermit>,
}

/// Lets a connection in, or says which limit is in the way.
fn enter(state: &AppState, claimant: Claimant, gate: Option<&TcpGate>) -> Result<Places, Problem> {
    // First: what anybody on the host can open must not take the places of those with a socket.
    let of_tcp = match gate {
        Some(gate) => Some(gate.try_connect().ok_or_else(|| {
            let limit = Limit::TcpConnections;
            let detail = format!("too many connections are open ({}): try again", limit.key());
            Problem::over(limit, Code::Busy, detail)
        })?),
        None => None,
    };
    let of_all = state.connections().try_enter(claimant);
    let of_all = of_all.map_err(|refusal| Problem::crowded(refusal, &CONNECTIONS))?;
    Ok(Places {
        _of_all: of_all,
        _of_tcp: of_tcp,
    })
}

/// Waits for the requests of those who were let in or answered a moment ago: they could not know, and what they send to a
/// connection that closes is lost. Whoever connects now is kept for the next daemon when the socket was passed.
async fn await_speakers(
    connections: &mut JoinSet<()>,
    mut turns: HashMap<task::Id, Turn>,
    patience: Duration,
) {
    let all_have_spoken = async {
        loop {
            while let Some(ended) = connections.try_join_next_with_id() {
                turns.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
            }
            if !turns.values().any(|turn| turn.expects_request(SPEAKER_GRACE)) {
                return;
            }
            tokio::time::sleep(SPEAKER_LOOK).await;
        }
    };
    // Who says nothing for so long has not begun a request that could be lost.
    let _silent = tokio::time::timeout(patience, all_have_spoken).await.is_err();
}

/// Returns whether every connection ended by itself.
async fn drain(graceful: GracefulShutdown, mut connections: JoinSet<()>, patience: Duration) -> bool {
    let in_time = tokio::time::timeout(patience, graceful.shutdown()).await.is_ok();
    if !in_time {
        let open = connections.len();
        tracing::warn!(
            open,
            "connections are still busy after drain_timeout_ms; they are closed"
        );
    }
    connections.shutdown().await;
    in_time
}

/// One connection to be served.
struct Connection<L: Listener> {
    state: AppState,
    router: Router,
    stream: L::Stream,
    gate: Option<Arc<TcpGate>>,
    places: Places,
    turn: Turn,
}

impl<L: Listener> Connection<L> {
    /// Answers requests until the client leaves, is out of time, or the server stops.
    async fn converse(self, watcher: Watcher) {
        let Self {
            state,
            router,
            stream,
            gate,
            places,
            turn,
        } = self;
        let peer = match L::peer_of(&stream, &state).await {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "the kernel does not say who is connecting; the connection is closed");
                return;
            }
        };
        let limits = state.limits();
        let (header, idle) = (limits.header_timeout(), limits.idle_timeout());
        let stream = PatientStream::new(stream, turn.clone(), header, idle);
        let io = TokioIo::new(stream.counting(state.metrics().rejections.clone()));
        let service = service_fn(move |request: Request<Incoming>| {
            let answering = answer(router.clone(), peer.clone(), gate.clone(), turn.clone(), request);
            closing_at_stop(answering, state.stopping().clone())
        });
        let connection = http().serve_connection(io, service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(error = %error_chain(&error), "a connection ended early");
        }
        drop(places);
    }
}

async fn answer(
    router: Router,
    peer: Peer,
    gate: Option<Arc<TcpGate>>,
    turn: Turn,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let busy = turn.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    if let Some(gate) = gate {
        if let Err(refusal) = gate.check(&request) {
            return Ok(turned_away(&gate, refusal).map(|body| AnswerBody::new(body, busy)));
        }
        request.extensions_mut().insert(gate);
    }
    request.extensions_mut().insert(turn.cut());
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| AnswerBody::new(body, busy)))
}

/// Ends a connection with its answer once the daemon stops, and says so in the answer (RFC 9112, section 9.6): the client
/// sends its next request where it is answered.
async fn closing_at_stop(
    answering: impl Future<Output = Result<Response<AnswerBody>, Infallible>>,
    stopping: CancellationToken,
) -> Result<Response<AnswerBody>, Infallible> {
    let mut response = answering.await?;
    if stopping.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response)
}

/// Answers a request that does not pass the gate. It says nothing of the store, and its connection ends.
fn turned_away(gate: &TcpGate, refusal: Refusal) -> Response {
    let mut response = access::refuse_over_tcp(gate, refusal).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(challenge) = refusal.challenge() {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// Answers the first request of a connection over the limit with `busy`, and closes it.
async fn refuse<S>(stream: S, state: AppState, problem: Problem, is_known: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut response = problem.clone().into_response();
        // Whoever may open the Unix socket may know of the store.
        if is_known {
            guard::stamp(&mut response, state.versions().storage().revision());
        }
        async move {
            // A socket that is closed with something unread resets the other end, which then never sees the answer.
            drain_refused(request.map(Body::new)).await;
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http();
    let connection = http
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if tokio::time::timeout(REFUSAL_TIMEOUT, connection).await.is_err() {
        tracing::debug!("a client over the limit of connections sent no request");
    }
}

/// Header and idle times are kept by [`PatientStream`]: hyper's one timer for both would close idle connections early.
fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES);
    http
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
