//! `/health/optimizer` and `/metrics`: what monitoring asks, answered whatever the load is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics::{self, Share};
use crate::optimizer::analyze;
use crate::storage::Performance;

use super::AppState;
use super::metrics::Answered;
use super::problem::{Code, Problem};
use super::responses::UnavailableProblem;
use super::wire::{HealthCheck, OptimizerHealth};

/// What is judged is what happened since a look at least this long ago, if there was one.
const WINDOW: Duration = Duration::from_secs(300);
/// From this many seconds on a read of a version is slow.
const SLOW_READ_SECONDS: f64 = 0.02;
/// From this many seconds on a change is slow.
const SLOW_WRITE_SECONDS: f64 = 0.05;
/// So many of a hundred may be slow.
const MAX_SLOW_RATIO: f64 = 0.05;
/// The part of the disk that may be used.
const MAX_DISK_RATIO: f64 = 0.8;
/// The part of versions that the cache should have.
const MIN_HIT_RATIO: f64 = 0.7;
/// The part of requests that may fail by the fault of the daemon.
const MAX_ERROR_RATIO: f64 = 0.01;
/// Of fewer events than this, a ratio says nothing.
const MIN_EVENTS: u64 = 100;
/// What is analysed to see that analysis works.
const SAMPLE: &str =
    "Summarise the text in {{text}} in three sentences. Write plainly, and keep every number.";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(optimizer_health))
        .routes(routes!(scrape))
}

/// Is the optimiser well
///
/// Analyses a text, and holds what happened lately against limits: disk used, slow reads and writes, the cache, errors.
/// `degraded` means that something is beyond its limit; all is served.
#[utoipa::path(
    get, path = "/health/optimizer", tag = "operation", operation_id = "optimizer_health",
    responses((status = 200, description = "It works.", body = OptimizerHealth), UnavailableProblem)
)]
async fn optimizer_health(State(state): State<AppState>) -> Result<Json<OptimizerHealth>, Problem> {
    let self_check = self_check()?;
    state
        .jobs()
        .health()
        .map_err(|reason| Problem::new(Code::Unavailable, reason))?;
    let storage = state.versions().storage();
    storage.observe().await;
    let look = Look {
        at: Instant::now(),
        performance: storage
            .performance(SLOW_READ_SECONDS, SLOW_WRITE_SECONDS)
            .unwrap_or_default(),
        answered: state.metrics().answered(),
    };
    let facts = state.recent().since(look);
    let checks = judge(&facts);
    let jobs = state.jobs().counts();
    let status = if checks.iter().all(|check| check.ok) {
        "ok"
    } else {
        "degraded"
    };
    Ok(Json(OptimizerHealth {
        status: status.to_owned(),
        window_seconds: facts.window.as_secs(),
        checks,
        self_check_microseconds: u64::try_from(self_check.as_micros()).unwrap_or(u64::MAX),
        scoring_profile: state.optimization().scoring_profile,
        strategies: state.optimization().strategies.clone(),
        jobs_queued: jobs.queued as u64,
        jobs_running: jobs.running as u64,
    }))
}

/// Numbers for Prometheus
///
/// In its text format, version 0.0.4. docs/operations.md explains each.
#[utoipa::path(
    get, path = "/metrics", tag = "operation", operation_id = "metrics",
    responses(
        (status = 200, description = "Every number.", body = String, content_type = "text/plain"),
        UnavailableProblem
    )
)]
async fn scrape(State(state): State<AppState>) -> Result<Response, Problem> {
    state.versions().storage().observe().await;
    let Some(registry) = state.registry() else {
        return Err(Problem::new(Code::Unavailable, "nothing is measured here"));
    };
    let text = metrics::render(registry).map_err(|_| {
        let detail = "the numbers could not be written";
        Problem::new(Code::InternalError, detail)
    })?;
    let mut response = text.into_response();
    let kind = HeaderValue::from_static(metrics::TEXT);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Analyses a text and returns how long that took.
fn self_check() -> Result<Duration, Problem> {
    let started = Instant::now();
    let score = analyze("health", SAMPLE, 1).overall_score;
    if (0.0..=100.0).contains(&score) {
        Ok(started.elapsed())
    } else {
        let detail = format!("the analysis of a known text gave a score of {score}");
        Err(Problem::new(Code::InternalError, detail))
    }
}

/// What was counted when somebody looked.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    performance: Performance,
    answered: Answered,
}

/// The last looks, so that what happened lately can be told from what happened long ago.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Option<Looks>>);

#[derive(Debug, Clone, Copy)]
struct Looks {
    earlier: Look,
    later: Look,
}

/// What is judged.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    window: Duration,
    disk: Option<(u64, u64)>,
    reads: Share,
    writes: Share,
    cache: Share,
    errors: Share,
}

impl Recent {
    /// Remembers a look, and returns what happened since an earlier one; since the start for the first.
    fn since(&self, now: Look) -> Facts {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_first, next) = (looks.is_none(), advance(*looks, now));
        *looks = Some(next);
        drop(looks);
        facts((!is_first).then_some(next.earlier), &now)
    }
}

/// The earlier look gives way when the later one is old enough to take its place.
fn advance(looks: Option<Looks>, now: Look) -> Looks {
    let Some(Looks { earlier, later }) = looks else {
        return Looks {
            earlier: now,
            later: now,
        };
    };
    if now.at.duration_since(later.at) >= WINDOW {
        Looks {
            earlier: later,
            later: now,
        }
    } else {
        Looks { earlier, later }
    }
}

fn facts(earlier: Option<Look>, now: &Look) -> Facts {
    let misses = |performance: &Performance| Share {
        above: performance.cache_misses,
        all: performance.cache_hits + performance.cache_misses,
    };
    let (performance, answered) =
        earlier.map_or_else(Default::default, |look| (look.performance, look.answered));
    Facts {
        window: earlier.map_or(Duration::ZERO, |look| now.at.duration_since(look.at)),
        disk: now.performance.disk,
        reads: now.performance.reads.since(performance.reads),
        writes: now.performance.writes.since(performance.writes),
        cache: misses(&now.performance).since(misses(&performance)),
        errors: now.answered.errors.since(answered.errors),
    }
}

/// Holds the facts against the limits.
fn judge(facts: &Facts) -> Vec<HealthCheck> {
    let most = |name: &str, share: Share, limit: f64, meaning: &str| {
        let value = share.ratio();
        HealthCheck {
            name: name.to_owned(),
            value,
            limit,
            ok: share.all < MIN_EVENTS || value.is_none_or(|value| value <= limit),
            meaning: meaning.to_owned(),
        }
    };
    let hits = Share {
        above: facts.cache.all - facts.cache.above,
        all: facts.cache.all,
    };
    let hit_rate = hits.ratio();
    let disk = facts.disk.map(|(free, total)| Share {
        above: total.saturating_sub(free),
        all: total,
    });
    vec![
        HealthCheck {
            // However small a disk is, its ratio says something.
            ok: disk
                .and_then(Share::ratio)
                .is_none_or(|used| used <= MAX_DISK_RATIO),
            ..most(
                "disk_used",
                disk.unwrap_or_default(),
                MAX_DISK_RATIO,
                "part of the disk of the store that is used",
            )
        },
        most(
            "slow_writes",
            facts.writes,
            MAX_SLOW_RATIO,
            "part of the changes that took more than 50 ms",
        ),
        most(
            "slow_reads",
            facts.reads,
            MAX_SLOW_RATIO,
            "part of the reads that took more than 20 ms",
        ),
        HealthCheck {
            name: "cache_hit_rate".to_owned(),
            value: hit_rate,
            limit: MIN_HIT_RATIO,
            ok: hits.all < MIN_EVENTS || hit_rate.is_none_or(|rate| rate >= MIN_HIT_RATIO),
            meaning: "part of the versions asked for that were in the cache; at least the limit".to_owned(),
        },
        most(
            "errors",
            facts.errors,
            MAX_ERROR_RATIO,
            "part of the requests that failed by the fault of the daemon",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(facts: &Facts) -> Vec<String> {
        let checks = judge(facts).into_iter().filter(|check| !check.ok);
        checks.map(|check| check.name).collect()
    }

    fn check(change: impl Fn(&mut Facts), expected: &[&str]) {
        let mut facts = Facts::default();
        change(&mut facts);
        assert_eq!(failing(&facts), expected, "{facts:?}");
    }

    #[test]
    fn each_limit_is_kept_up_to_its_value_and_not_beyond() {
        let share = |above, all| Share { above, all };
        check(|_| {}, &[]);
        check(|f| f.disk = Some((20, 100)), &[]);
        check(|f| f.disk = Some((19, 100)), &["disk_used"]);
        check(|f| f.writes = share(50, 1000), &[]);
        check(|f| f.writes = share(51, 1000), &["slow_writes"]);
        check(|f| f.reads = share(50, 1000), &[]);
        check(|f| f.reads = share(51, 1000), &["slow_reads"]);
        check(|f| f.cache = share(300, 1000), &[]);
        check(|f| f.cache = share(301, 1000), &["cache_hit_rate"]);
        check(|f| f.errors = share(10, 1000), &[]);
        check(|f| f.errors = share(11, 1000), &["errors"]);
    }

    #[test]
    fn a_handful_of_events_says_nothing() {
        let all = Share { above: 99, all: 99 };
        check(
            |f| (f.reads, f.writes, f.cache, f.errors) = (all, all, all, all),
            &[],
        );
    }

    #[test]
    fn what_happened_long_ago_does_not_count() {
        let start = Instant::now();
        let look = |seconds: u64, errors: u64| Look {
            at: start + Duration::from_secs(seconds),
            performance: Performance::default(),
            answered: Answered {
                errors: Share {
                    above: errors,
                    all: errors * 2,
                },
            },
        };
        let recent = Recent::default();
        assert_eq!(recent.since(look(0, 1000)).errors.above, 1000, "since the start");
        assert_eq!(recent.since(look(400, 1010)).errors.above, 10);
        let facts = recent.since(look(500, 1011));
        assert_eq!((facts.errors.above, facts.window.as_secs()), (11, 500));
        let facts = recent.since(look(800, 1011));
        assert_eq!((facts.errors.above, facts.window.as_secs()), (1, 400));
    }

    #[test]
    fn the_analysis_of_the_sample_works() {
        assert!(self_check().is_ok());
    }
}
