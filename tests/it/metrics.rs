//! The numbers of the real daemon, and everything that is written about them.

use std::collections::BTreeSet;
use std::path::Path;

use promptd::client::Client;
use promptd::model::VersionSelector;
use promptd::versions::NewVersion;
use serde_json::json;

use crate::harness::{Daemon, Host, eventually, id, version};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the dashboard leaves out: settings, which do not move. Those beside which something moves are there.
const NOT_ON_THE_DASHBOARD: [&str; 2] = ["promptd_config_seconds", "promptd_config_value"];

/// Starts a daemon and lets it do some of everything.
async fn busy_daemon(host: &mut Host) -> Daemon {
    let scrub = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__SCRUB__FIRST_PAUSE_SECONDS";
    host.environment.push((scrub.into(), "0".into()));
    let page = "PROMPTD__DAEMON__LIMITS__MAX_PAGE_ITEMS";
    host.environment.push((page.into(), "100".into()));
    let daemon = host.start().await;
    let client = daemon.client();
    for n in 0..5 {
        let new = NewVersion::of_text(format!("Say {n}."));
        client.create_version(&id("greet"), &new).await.unwrap();
    }
    for _ in 0..10 {
        read(&client, "1.0.4").await;
    }
    let absent = VersionSelector::Exact(version("9.9.9"));
    client.version(&id("greet"), &absent).await.unwrap_err();
    for arguments in [
        &["backup"][..],
        &["verify"],
        &["label", "greet@1.0.1", "production"],
    ] {
        host.ctl(arguments).success();
    }
    let refused = ask(host, "/v1/prompts?limit=101");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    for path in ["/v1/prompts/greet", "/nowhere/greet", "/v1/prompts/greet/nothing"] {
        ask(host, path);
    }
    eventually("everything was read once", async || {
        let name = "promptd_scrub_last_cycle_timestamp_seconds";
        client.metrics().await.unwrap().contains(name)
    })
    .await;
    daemon
}

async fn read(client: &Client, number: &str) {
    let exact = VersionSelector::Exact(version(number));
    client.version(&id("greet"), &exact).await.unwrap();
}

/// Asks as any program may, and returns the whole answer.
fn ask(host: &Host, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(host.socket()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Returns the names of all metrics of an exposition.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

/// Returns the value of one sample.
fn value(text: &str, sample: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {text}"))
        .parse()
        .unwrap()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Returns everything in a text that is the name of a metric; series of histograms count as their histogram.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c));
    let names = words.filter(|word| {
        (word.starts_with("promptd_") || word.starts_with("process_")) && !word.ends_with('_')
    });
    names.map(str::to_owned).collect()
}

fn of_family(name: &str, families: &BTreeSet<String>) -> bool {
    let endings = ["", "_bucket", "_sum", "_count"];
    endings.iter().any(|ending| {
        name.strip_suffix(ending)
            .is_some_and(|name| families.contains(name))
    })
}

/// Returns the metrics of which a text names any series.
fn families_named(text: &str, families: &BTreeSet<String>) -> BTreeSet<String> {
    let names = named(text);
    let is_named = |family: &&String| {
        let family = BTreeSet::from([(*family).clone()]);
        names.iter().any(|name| of_family(name, &family))
    };
    families.iter().filter(is_named).cloned().collect()
}

#[tokio::test]
async fn every_metric_that_an_alert_a_dashboard_or_the_manual_names_is_served_and_the_manual_names_all() {
    let mut host = Host::new();
    let daemon = busy_daemon(&mut host).await;
    let served = families(&daemon.client().metrics().await.unwrap());
    assert!(served.len() > 50, "{served:?}");
    for path in [
        "config/prometheus/promptd.rules.yml",
        "config/grafana/promptd.json",
    ] {
        let names = named(&file(path));
        assert!(names.len() > 15, "{path}: {names:?}");
        for name in names {
            assert!(
                of_family(&name, &served),
                "{path} names {name}, which is not served"
            );
        }
    }
    let shown = families_named(&file("config/grafana/promptd.json"), &served);
    let (left_out, manual) = (NOT_ON_THE_DASHBOARD, file("docs/operations.md"));
    let hidden: Vec<&String> = served.difference(&shown).collect();
    assert_eq!(hidden, left_out, "what the dashboard does not show");
    let [one, other] = left_out.map(|name| format!("`{name}`"));
    assert!(manual.contains(&format!("every metric but {one} and {other}")));
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained: BTreeSet<String> = rows
        .filter_map(|row| row.split('`').next())
        .filter(|name| name.starts_with("promptd_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = served.difference(&explained).collect();
    let gone: Vec<&String> = explained.difference(&served).collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
    assert!(gone.is_empty(), "in docs/operations.md, and not served: {gone:?}");
}

#[tokio::test]
async fn every_alert_has_a_row_in_the_manual_and_a_test() {
    let (rules, manual) = (
        file("config/prometheus/promptd.rules.yml"),
        file("docs/operations.md"),
    );
    let tests = file("tests/metrics/rules.test.yml");
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 15);
    for alert in alerts {
        assert!(manual.contains(&format!("| `{alert}` | ")), "{alert}");
        for case in ["fires", "is quiet"] {
            assert!(
                tests.contains(&format!("- name: {alert} {case}\n")),
                "{alert} {case}"
            );
        }
    }
}

#[tokio::test]
async fn what_happened_is_counted_and_no_label_names_a_prompt() {
    let mut host = Host::new();
    let daemon = busy_daemon(&mut host).await;
    let text = daemon.client().metrics().await.unwrap();
    assert!(!text.contains("greet"), "{text}");
    let check = |sample: &str, least: f64, most: f64| {
        let found = value(&text, sample);
        assert!((least..=most).contains(&found), "{sample} is {found}");
    };
    let created = "promptd_storage_writes_total{operation=\"put\",outcome=\"created\"}";
    check(created, 5.0, 5.0);
    check("promptd_storage_reads_total{outcome=\"ok\"}", 10.0, 100.0);
    check("promptd_cache_lookups_total{outcome=\"hit\"}", 10.0, 100.0);
    check("promptd_cache_lookups_total{outcome=\"miss\"}", 0.0, 0.0);
    check("promptd_commit_versions_sum", 5.0, 5.0);
    check(
        "promptd_fsync_duration_seconds_count{target=\"file\"}",
        5.0,
        1000.0,
    );
    check(
        "promptd_rejected_total{key=\"daemon.limits.max_page_items\"}",
        1.0,
        1.0,
    );
    check(
        "promptd_config_value{key=\"daemon.limits.max_page_items\"}",
        100.0,
        100.0,
    );
    check("promptd_versions", 5.0, 5.0);
    check("promptd_ready", 1.0, 1.0);
    check("promptd_jobs{kind=\"backup\",state=\"succeeded\"}", 1.0, 1.0);
    let jobs = "promptd_job_duration_seconds_count{kind=\"verify\",state=\"succeeded\"}";
    check(jobs, 1.0, 1.0);
    let request = "promptd_http_request_duration_seconds_count";
    let route = "/v1/prompts/{id}/versions/{version}";
    let reads = format!("{request}{{route=\"{route}\",method=\"GET\",code=\"200\"}}");
    check(&reads, 10.0, 100.0);
    // The two paths that nobody serves are one route.
    let unmatched = format!("{request}{{route=\"unmatched\",method=\"GET\",code=\"404\"}}");
    check(&unmatched, 2.0, 2.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs_f64();
    check("promptd_backup_last_success_timestamp_seconds", now - 600.0, now);
}

#[tokio::test]
async fn the_series_do_not_grow_with_what_clients_ask_for() {
    let mut host = Host::new();
    let daemon = busy_daemon(&mut host).await;
    let client = daemon.client();
    let series = async || {
        let text = client.metrics().await.unwrap();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    // The first scrape is a route, too.
    series().await;
    let before = series().await;
    for n in 0..50 {
        ask(&host, &format!("/nowhere/{n}"));
        let new = NewVersion::of_text("Say it.");
        client.create_version(&id(&format!("p-{n}")), &new).await.unwrap();
        read(&client, "1.0.3").await;
    }
    assert_eq!(series().await, before);
}

#[tokio::test]
async fn health_and_status_say_how_every_part_is() {
    let mut host = Host::new();
    let daemon = busy_daemon(&mut host).await;
    let client = daemon.client();
    let health = client.optimizer_health().await.unwrap();
    let names: Vec<&str> = health.checks.iter().map(|check| check.name.as_str()).collect();
    let expected = [
        "disk_used",
        "slow_writes",
        "slow_reads",
        "cache_hit_rate",
        "errors",
    ];
    assert_eq!(names, expected);
    assert!(health.self_check_microseconds > 0, "{health:?}");
    let status = client.status_json_with_shards().await.unwrap();
    let (storage, jobs) = (&status["storage"], &status["jobs"]);
    for actor in ["index", "watcher", "janitor", "supervisor"] {
        assert_eq!(storage["actors"][actor]["up"], true, "{actor}: {status}");
    }
    assert_eq!(
        jobs["actor"],
        json!({"up": true, "silent": false, "restarts": 0, "last_error": null})
    );
    let shards = &storage["shards"];
    let all = shards["all"].as_array().unwrap();
    assert_eq!(all.len() as u64, shards["count"].as_u64().unwrap());
    assert_eq!(
        (&shards["queue_depth"], &shards["up"]),
        (&json!(0), &shards["count"])
    );
    assert!(storage["disk"]["used_percent"].as_f64().is_some(), "{status}");
    assert_eq!(
        client.status_json().await.unwrap()["storage"]["shards"].get("all"),
        None
    );
    let shown = host.ctl(&["status", "--shards"]).success();
    for words in [
        "shards",
        "of reads found in it",
        "directories watched",
        ", up",
        "the newest is",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}
