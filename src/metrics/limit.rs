//! Which limits were run into, and how often.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;

use super::Samples;

/// A limit of the configuration that something can run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Too many connections.
    Connections,
    /// Too many connections of one user.
    ConnectionsPerPeer,
    /// Too many connections over TCP.
    TcpConnections,
    /// Too many requests at one time.
    RequestsInFlight,
    /// Too many requests of one user at one time.
    RequestsInFlightPerPeer,
    /// Too many bytes of bodies and answers at one time.
    BytesInFlight,
    /// A body that is too large.
    Body,
    /// A body of an import that is too large.
    ImportBody,
    /// A head that took too long.
    HeaderTimeout,
    /// A body that took too long.
    BodyTimeout,
    /// A request that was worked on for too long.
    RequestTimeout,
    /// A connection on which nothing happened for too long.
    IdleTimeout,
    /// A page that is too long.
    PageItems,
    /// Requests that were not done when the daemon had to stop.
    DrainTimeout,
    /// Too many writes wait for a shard.
    QueueDepth,
    /// A version that is too large.
    File,
    /// No room on the disk.
    Reserve,
    /// More changes of others at once than are remembered.
    WatchEvents,
    /// An actor that ended too often, and rests.
    Restarts,
    /// Too many jobs wait.
    JobsQueued,
    /// Too many jobs of one author wait.
    JobsQueuedPerAuthor,
    /// A job that took too long.
    JobSeconds,
    /// An import of too many prompts.
    ImportPrompts,
    /// Too many streams of changes.
    WatchStreams,
    /// Too many streams of changes of one user.
    WatchStreamsPerPeer,
}

/// Each with the key of the configuration that sets it.
const LIMITS: [(Limit, &str); 25] = [
    (Limit::Connections, "daemon.limits.max_connections"),
    (
        Limit::ConnectionsPerPeer,
        "daemon.limits.max_connections_per_peer",
    ),
    (Limit::TcpConnections, "daemon.tcp.max_connections"),
    (Limit::RequestsInFlight, "daemon.limits.max_requests_in_flight"),
    (
        Limit::RequestsInFlightPerPeer,
        "daemon.limits.max_requests_in_flight_per_peer",
    ),
    (Limit::BytesInFlight, "daemon.limits.max_bytes_in_flight"),
    (Limit::Body, "daemon.limits.max_body_bytes"),
    (Limit::ImportBody, "daemon.limits.max_import_bytes"),
    (Limit::HeaderTimeout, "daemon.limits.header_timeout_ms"),
    (Limit::BodyTimeout, "daemon.limits.body_timeout_ms"),
    (Limit::RequestTimeout, "daemon.limits.request_timeout_ms"),
    (Limit::IdleTimeout, "daemon.limits.idle_timeout_ms"),
    (Limit::PageItems, "daemon.limits.max_page_items"),
    (Limit::DrainTimeout, "daemon.limits.drain_timeout_ms"),
    (Limit::QueueDepth, "optimizer.storage.config.max_queue_depth"),
    (Limit::File, "optimizer.storage.config.max_file_bytes"),
    (Limit::Reserve, "optimizer.storage.config.min_free_bytes"),
    (Limit::WatchEvents, "optimizer.storage.config.watch.max_events"),
    (Limit::Restarts, "optimizer.storage.config.restart.max_restarts"),
    (Limit::JobsQueued, "daemon.limits.max_jobs_queued"),
    (
        Limit::JobsQueuedPerAuthor,
        "daemon.limits.max_jobs_queued_per_author",
    ),
    (Limit::JobSeconds, "daemon.limits.max_job_seconds"),
    (Limit::ImportPrompts, "daemon.limits.max_import_prompts"),
    (Limit::WatchStreams, "daemon.limits.max_watch_streams"),
    (
        Limit::WatchStreamsPerPeer,
        "daemon.limits.max_watch_streams_per_peer",
    ),
];

/// How often each limit was run into, as one layer counts it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Rejections(Arc<[Counter; LIMITS.len()]>);

/// The rejections of all layers together.
#[derive(Debug, Clone)]
pub struct TotalRejections(pub Vec<Rejections>);

impl Limit {
    /// Returns the key of the configuration that sets the limit.
    #[must_use]
    pub fn key(self) -> &'static str {
        let found = LIMITS.iter().find(|(limit, _)| *limit == self);
        found.map_or("", |(_, key)| key)
    }

    /// Returns the last part of that key, as messages name it.
    #[must_use]
    pub fn short_key(self) -> &'static str {
        self.key().rsplit('.').next().unwrap_or_default()
    }

    /// Returns every limit that is counted.
    pub fn all() -> impl Iterator<Item = Self> {
        LIMITS.into_iter().map(|(limit, _)| limit)
    }
}

impl Rejections {
    /// Notes that a limit was run into.
    pub fn note(&self, limit: Limit) {
        if let Some(counter) = self.counter(limit) {
            counter.inc();
        }
    }

    /// Returns how often a limit was run into.
    #[must_use]
    pub fn count(&self, limit: Limit) -> u64 {
        self.counter(limit).map_or(0, Counter::get)
    }

    fn counter(&self, limit: Limit) -> Option<&Counter> {
        let place = LIMITS.iter().position(|(known, _)| *known == limit)?;
        self.0.get(place)
    }
}

impl Collector for TotalRejections {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut samples = Samples::new(encoder);
        let counts = Limit::all().map(|limit| {
            let count: u64 = self.0.iter().map(|layer| layer.count(limit)).sum();
            (limit.key(), count)
        });
        samples.counters(
            "promptd_rejected",
            "What ran into a limit, by the key that sets it",
            "key",
            counts,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_key_of_the_configuration_and_a_counter_of_its_own() {
        let rejections = Rejections::default();
        for (position, limit) in Limit::all().enumerate() {
            assert!(
                crate::config::keys().iter().any(|key| key.path == limit.key()),
                "{limit:?}"
            );
            for _ in 0..=position {
                rejections.note(limit);
            }
        }
        let counts: Vec<u64> = Limit::all().map(|limit| rejections.count(limit)).collect();
        assert_eq!(counts, (1..=LIMITS.len() as u64).collect::<Vec<_>>());
    }
}
