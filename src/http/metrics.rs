//! What the server measures: each request by its route, never by its path.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;

use crate::metrics::{ByTwo, Counter, Histogram, LATENCY_BOUNDS, Rejections, Samples, Share};

use super::state::Parts;
use super::tcp::{Refusal, TcpGate};

/// The route of what no route matches.
const UNMATCHED: &str = "unmatched";
const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "other",
];
/// The statuses that this server answers with; a test holds them against the codes of errors.
const STATUSES: &[&str] = &[
    "200", "201", "304", "404", "204", "202", "400", "401", "403", "405", "408", "409", "410", "412", "413",
    "415", "421", "422", "500", "503", "507", "other",
];

/// What the server measures.
#[derive(Debug, Default)]
pub(super) struct HttpMetrics {
    routes: OnceLock<HashMap<String, ByTwo<Histogram>>>,
    pub(super) connections: Counter,
    pub(super) rejections: Rejections,
}

/// Requests since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// How many, and how many of them by the fault of the daemon were no success.
    pub(super) errors: Share,
}

impl HttpMetrics {
    /// Makes a place for each route. Called once, by the router; after that nothing here takes a lock.
    pub(super) fn set_routes(&self, templates: impl Iterator<Item = String>) {
        let of_route = |template| {
            let metrics = ByTwo::new(["method", "code"], METHODS, STATUSES, || {
                Histogram::seconds(LATENCY_BOUNDS)
            });
            (template, metrics)
        };
        let routes = templates.chain([UNMATCHED.to_owned()]).map(of_route).collect();
        // A second router of the same state has the same routes.
        let _known = self.routes.set(routes);
    }

    /// Notes a request that was answered.
    pub(super) fn note(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let Some(routes) = self.routes.get() else {
            return;
        };
        let route = routes
            .get(route.unwrap_or(UNMATCHED))
            .or_else(|| routes.get(UNMATCHED));
        let histogram = route.and_then(|metrics| metrics.of(method.as_str(), status.as_str()));
        if let Some(histogram) = histogram {
            histogram.observe(took);
        }
    }

    /// Counts requests and errors so far.
    pub(super) fn answered(&self) -> Answered {
        let mut answered = Answered::default();
        for metrics in self.routes.get().into_iter().flat_map(HashMap::values) {
            for (_, code, histogram) in metrics.used() {
                let count = histogram.above(f64::INFINITY).all;
                answered.errors.all += count;
                if is_error(code) {
                    answered.errors.above += count;
                }
            }
        }
        answered
    }
}

/// Tells whether a status means that the daemon did not do what it should have. `busy` is one of them: clients notice.
fn is_error(code: &str) -> bool {
    code.starts_with('5')
}

/// Looks at a server when it is asked. Does not keep it.
#[derive(Debug)]
pub(super) struct HttpCollector(pub(super) Weak<Parts>);

impl Collector for HttpCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(parts) = self.0.upgrade() else {
            return Ok(());
        };
        let mut family = encoder.encode_descriptor(
            "promptd_http_request_duration_seconds",
            "How long requests took until the head of the answer was ready, by the route that they matched.",
            None,
            MetricType::Histogram,
        )?;
        let mut routes: Vec<_> = parts.metrics.routes.get().into_iter().flatten().collect();
        routes.sort_unstable_by_key(|(template, _)| *template);
        for (template, metrics) in routes {
            for (method, code, histogram) in metrics.used() {
                let labels = [("route", template.as_str()), ("method", method), ("code", code)];
                histogram.encode(family.encode_family(&labels)?)?;
            }
        }
        let mut samples = Samples::new(encoder);
        samples.gauge(
            "promptd_http_requests_in_flight",
            "Requests that are being worked on",
            parts.in_flight.taken() as u64,
        )?;
        samples.gauge(
            "promptd_http_connections",
            "Open connections",
            parts.connections.taken() as u64,
        )?;
        samples.gauge(
            "promptd_http_requests_in_flight_busiest_peer",
            "Requests of the user who has most of them",
            parts.in_flight.taken_by_one() as u64,
        )?;
        samples.gauge(
            "promptd_http_connections_busiest_peer",
            "Open connections of the user who has most of them",
            parts.connections.taken_by_one() as u64,
        )?;
        samples.gauge(
            "promptd_http_bytes_in_flight",
            "Bytes of large bodies and answers that are held",
            parts.bytes.taken() as u64,
        )?;
        samples.counter(
            "promptd_http_connections_accepted",
            "Connections that were accepted",
            parts.metrics.connections.get(),
        )?;
        let (streams, feed) = (&parts.streams, parts.versions.storage().feed());
        samples.gauge(
            "promptd_feed_streams",
            "Streams of changes that are open",
            streams.open() as u64,
        )?;
        samples.counter(
            "promptd_feed_events_sent",
            "Changes that were sent to those who follow them, each as often as it was",
            streams.sent(),
        )?;
        samples.counter(
            "promptd_feed_streams_cut_off",
            "Streams of changes that ended because their readers were too slow",
            streams.cut_off(),
        )?;
        samples.gauge(
            "promptd_feed_events_kept",
            "Changes that are kept for those who come back",
            feed.len() as u64,
        )?;
        samples.counter(
            "promptd_changes",
            "Changes of the store since the start",
            feed.revision().counter,
        )?;
        samples.gauge(
            "promptd_tcp_connections",
            "Open connections over TCP",
            parts.tcp().map_or(0, TcpGate::connections) as u64,
        )?;
        samples.counters(
            "promptd_tcp_refused",
            "Requests over TCP that were refused, by the reason",
            "reason",
            Refusal::WORDS
                .iter()
                .map(|word| (*word, parts.tcp().map_or(0, |gate| gate.refused(word)))),
        )?;
        samples.gauge(
            "promptd_ready",
            "Whether every part of the store and the job queue are up, as /readyz says",
            u64::from(parts.health().is_ok() && !parts.stopping.is_cancelled()),
        )?;
        samples.gauge(
            "promptd_concerns",
            "What somebody should look at although everything is served, as /readyz lists it",
            parts.concerns().len() as u64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Code;

    #[test]
    fn every_status_of_an_error_is_a_label_of_its_own() {
        for code in Code::ALL {
            assert!(STATUSES.contains(&code.status().as_str()), "{code:?}");
        }
    }

    #[test]
    fn a_path_that_nobody_foresaw_is_one_route_whatever_it_is() {
        let metrics = HttpMetrics::default();
        metrics.set_routes(["/v1/prompts/{id}".to_owned()].into_iter());
        let note = |route, method: &Method, status| {
            metrics.note(route, method, status, Duration::from_millis(1));
        };
        let brew = Method::from_bytes(b"BREW").unwrap();
        note(Some("/v1/prompts/{id}"), &Method::GET, StatusCode::OK);
        note(None, &Method::GET, StatusCode::NOT_FOUND);
        note(Some("/v1/prompts/greet"), &brew, StatusCode::IM_A_TEAPOT);
        note(None, &Method::PUT, StatusCode::SERVICE_UNAVAILABLE);
        let routes = metrics.routes.get().unwrap();
        let used = |route: &str| -> Vec<(&str, &str)> {
            let pairs = routes[route].used();
            pairs.map(|(method, code, _)| (method, code)).collect()
        };
        assert_eq!(routes.len(), 2);
        assert_eq!(used("/v1/prompts/{id}"), [("GET", "200")]);
        assert_eq!(
            used(UNMATCHED),
            [("GET", "404"), ("PUT", "503"), ("other", "other")]
        );
        assert_eq!(metrics.answered().errors, Share { above: 1, all: 4 });
    }
}
