//! One process of a storm: it sends at its rate, whatever comes of it, and says at the end what did.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::Offer;
use crate::cli::exit::{CliError, Exit};
use crate::cli::interrupt::{self, Held};
use crate::cli::session::Session;
use crate::cli::verbs::bench::keys;
use crate::client::{Client, ClientError};
use crate::model::{PromptId, Version};
use crate::versions::NewVersion;

/// The longest time that is told apart from longer ones: two minutes, in microseconds.
const MAX_MICROS: u64 = 120_000_000;

/// A version that the daemon said is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    pub(super) prompt: String,
    pub(super) version: Version,
    /// Who wrote it, and which of their texts it is.
    pub(super) writer: String,
    pub(super) number: u64,
}

/// What became of what was sent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) refused: u64,
    /// Neither served nor refused: the connection broke, or nothing came.
    pub(super) failed: u64,
    pub(super) first_failure: Option<String>,
    /// How often a request that was served took so many microseconds.
    pub(super) micros: Vec<(u64, u64)>,
    pub(super) acknowledged: Vec<Acknowledged>,
}

impl Outcome {
    pub(super) fn served(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.micros.extend(other.micros);
        self.acknowledged.extend(other.acknowledged);
    }

    /// Notes one request.
    pub(super) fn note(&mut self, took: Duration, result: Result<Acknowledged, ClientError>) {
        self.sent += 1;
        match result {
            Ok(acknowledged) => {
                let micros = u64::try_from(took.as_micros()).unwrap_or(MAX_MICROS);
                self.micros.push((micros.max(1), 1));
                self.acknowledged.push(acknowledged);
            }
            Err(error) if error.is_busy() => self.refused += 1,
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Puts times together.
pub(super) fn histogram(micros: impl IntoIterator<Item = (u64, u64)>) -> Result<Histogram<u64>, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failure(error.to_string());
    let mut histogram = Histogram::new_with_bounds(1, MAX_MICROS, 3).map_err(|error| failed(&error))?;
    for (value, count) in micros {
        histogram.saturating_record_n(value, count);
    }
    Ok(histogram)
}

/// Offers what the argument says, and writes what came of it as one line of JSON.
pub(crate) async fn run(offer: &str, session: &mut Session) -> Result<Exit, CliError> {
    let offer: Offer = serde_json::from_str(offer)
        .map_err(|error| CliError::usage(format!("--offer is for promptctl itself: {error}")))?;
    let (offer, held) = (Arc::new(offer), Arc::new(interrupt::hold()));
    let mut connections = JoinSet::new();
    for number in 0..offer.connections {
        let client = session.client();
        let (offer, held) = (Arc::clone(&offer), Arc::clone(&held));
        connections.spawn(async move { offer_on(number, &client, &offer, &held).await });
    }
    let mut outcome = Outcome::default();
    while let Some(one) = connections.join_next().await {
        outcome.add(one.map_err(|error| CliError::failure(format!("a connection failed: {error}")))?);
    }
    let histogram = histogram(outcome.micros.drain(..))?;
    let recorded = histogram.iter_recorded();
    outcome.micros = recorded
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect();
    session.console.json_line(&outcome)?;
    Ok(Exit::Success)
}

async fn offer_on(number: usize, client: &Client, offer: &Offer, held: &Held) -> Outcome {
    let mut outcome = Outcome::default();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred connections")]
    let (connections, place) = (offer.connections as f64, number as f64);
    let pause = Duration::from_secs_f64(connections / offer.per_second.max(0.001));
    let started = Instant::now();
    let end = started + Duration::from_secs(offer.seconds);
    let mut due = started + pause.mul_f64(place / connections);
    let prompt = format!("{}-{number:03}", offer.name);
    let mut text = 0;
    while due < end && !held.was_interrupted() {
        tokio::time::sleep_until(due).await;
        if Instant::now() >= end {
            break;
        }
        due += pause;
        text += 1;
        let sent = Instant::now();
        let result = put(client, &prompt, &prompt, text, offer.text_bytes).await;
        outcome.note(sent.elapsed(), result);
    }
    outcome
}

/// Stores one text.
pub(super) async fn put(
    client: &Client,
    prompt: &str,
    writer: &str,
    number: u64,
    bytes: usize,
) -> Result<Acknowledged, ClientError> {
    let unsendable = |reason: String| ClientError::Unsendable { reason };
    let id = PromptId::new(prompt).map_err(|error| unsendable(error.to_string()))?;
    let new = NewVersion::of_text(keys::text(writer, number, bytes));
    let stored = client.create_version(&id, &new).await?;
    Ok(Acknowledged {
        prompt: prompt.to_owned(),
        version: stored.document.parse()?.version,
        writer: writer.to_owned(),
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_from_process_to_process() {
        let sent = histogram((1..=1_000).map(|micros| (micros * 10, 1))).unwrap();
        let steps: Vec<(u64, u64)> = sent
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        let received = histogram(steps).unwrap();
        for quantile in [0.5, 0.99, 1.0] {
            let (a, b) = (
                sent.value_at_quantile(quantile),
                received.value_at_quantile(quantile),
            );
            assert!(a.abs_diff(b) * 100 <= a, "{quantile}: {a} and {b}");
        }
    }

    #[test]
    fn what_is_refused_is_told_from_what_failed() {
        let mut outcome = Outcome::default();
        let lost = ClientError::Lost {
            doing: "x".into(),
            reason: "y".into(),
        };
        outcome.note(Duration::ZERO, Err(lost));
        let busy = crate::client::Problem {
            status: 503,
            code: "busy".into(),
            title: String::new(),
            detail: String::new(),
            retry_after: None,
        };
        outcome.note(Duration::ZERO, Err(busy.into()));
        assert_eq!((outcome.sent, outcome.refused, outcome.failed), (2, 1, 1));
        assert!(outcome.first_failure.unwrap().contains('y'));
    }
}
