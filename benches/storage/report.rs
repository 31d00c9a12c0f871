//! Percentiles, which criterion does not give, and ratios of things that were measured in turns.

use std::time::Instant;

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;

use promptd::model::VersionSelector;
use promptd::storage::VersionStorage as _;
use promptd::versions::{Order, VersionManager};

use super::bare::BareStore;
use super::fixture::{Fixture, Scale, client_id, put};
use super::{CLIENTS, page_after};

/// Measures and prints everything. The store comes opened without a cache, and goes opened with one.
pub(crate) fn print(runtime: &Runtime, fixture: Fixture, scale: &Scale) -> Fixture {
    println!(
        "\n{} prompts x {} versions, {} rounds; microseconds",
        scale.prompts, scale.versions, scale.rounds
    );
    println!("{:<34}{:>10}{:>10}{:>10}", "", "p50", "p99", "max");
    disk_reads(runtime, &fixture, scale);
    let fixture = runtime.block_on(fixture.reopen(true));
    println!(
        "{:<34}{:>10.0} ms",
        "opening, with a warm kernel cache",
        fixture.opened_in.as_secs_f64() * 1_000.0
    );
    puts(runtime, &fixture, scale);
    reads(runtime, &fixture, scale);
    growth(runtime, &fixture, scale);
    fixture
}

fn disk_reads(runtime: &Runtime, fixture: &Fixture, scale: &Scale) {
    let disk = measure(scale, || {
        let (id, version) = fixture.some_version();
        runtime.block_on(fixture.storage.read(&id, &version)).unwrap();
    });
    line("disk read (kernel cache)", &disk);
}

fn puts(runtime: &Runtime, fixture: &Fixture, scale: &Scale) {
    let bare = BareStore::new(fixture.scratch(), CLIENTS);
    let (mut bare_times, mut put_times) = (histogram(), histogram());
    for round in 0..scale.rounds {
        time(&mut bare_times, || bare.write(round));
        time(&mut put_times, || {
            runtime.block_on(fixture.put(round % CLIENTS));
        });
    }
    line("bare sequence, one client", &bare_times);
    line("durable put, one client", &put_times);
    ratio(
        "put / bare sequence, p50",
        median(&put_times) / median(&bare_times),
    );
    let each = (scale.rounds as u64).div_ceil(10);
    let (mut bare_seconds, mut put_seconds) = (0.0, 0.0);
    for _ in 0..3 {
        bare_seconds += bare.write_from_threads(CLIENTS, each).as_secs_f64();
        put_seconds += runtime
            .block_on(fixture.put_from_tasks(CLIENTS, each))
            .as_secs_f64();
    }
    let made = (3 * each * CLIENTS as u64) as f64;
    println!(
        "{:<34}{:>10.0} per second",
        "bare sequence, 64 threads",
        made / bare_seconds
    );
    println!(
        "{:<34}{:>10.0} per second",
        "durable puts, 64 clients",
        made / put_seconds
    );
    ratio(
        "puts / bare sequence, 64 clients, throughput",
        bare_seconds / put_seconds,
    );
}

fn reads(runtime: &Runtime, fixture: &Fixture, scale: &Scale) {
    let (hot, version) = fixture.some_version();
    let cached = measure(scale, || {
        runtime.block_on(fixture.storage.read(&hot, &version)).unwrap();
    });
    line("cached read", &cached);
    let latest = measure(scale, || {
        let id = fixture.some_prompt();
        let get = fixture.manager.get(&id, &VersionSelector::Latest);
        runtime.block_on(get).unwrap();
    });
    line("latest", &latest);
    let versions = measure(scale, || {
        let id = fixture.some_prompt();
        let history = fixture.manager.history(&id, None, Order::Asc, 50);
        runtime.block_on(history).unwrap();
    });
    line("list 50 versions", &versions);
    let prompts = measure(scale, || {
        assert!(fixture.storage.prompts(&page_after(fixture)).len() <= 50);
    });
    line("list 50 prompts", &prompts);
}

/// The same in a store of 1,000 versions, in turns with the large one.
fn growth(runtime: &Runtime, fixture: &Fixture, scale: &Scale) {
    let small_scale = Scale {
        prompts: (1_000 / scale.versions).clamp(1, scale.prompts),
        ..scale.clone()
    };
    let small = runtime.block_on(fixture.open_other("small", &small_scale));
    let managers = [
        VersionManager::new(small.clone()),
        VersionManager::new(fixture.storage.clone()),
    ];
    let stores = [&small, &fixture.storage];
    let clients = CLIENTS..2 * CLIENTS;
    for (client, store) in clients.flat_map(|client| stores.map(|store| (client, store))) {
        // The first put of a prompt makes directories, which the others do not.
        runtime.block_on(put(store, client));
    }
    let puts = in_turns(scale, |round, which| {
        runtime.block_on(put(stores[which], CLIENTS + round % CLIENTS));
    });
    let latest = in_turns(scale, |round, which| {
        let id = client_id(CLIENTS + round % CLIENTS);
        runtime
            .block_on(managers[which].get(&id, &VersionSelector::Latest))
            .unwrap();
    });
    ratio("growth of a put, large / 1,000 versions, p50", puts);
    ratio("growth of latest, large / 1,000 versions, p50", latest);
    runtime.block_on(small.close());
}

/// Returns how much slower the second of two things is, by their medians. Whoever goes second finds warmer processors, so
/// they take turns in that too.
fn in_turns(scale: &Scale, work: impl Fn(usize, usize)) -> f64 {
    let mut times = [histogram(), histogram()];
    for round in 0..2 * scale.rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            time(&mut times[which], || work(round, which));
        }
    }
    median(&times[1]) / median(&times[0])
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).unwrap()
}

fn time(times: &mut Histogram<u64>, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    times
        .record(u64::try_from(started.elapsed().as_nanos()).unwrap())
        .unwrap();
}

fn measure(scale: &Scale, work: impl Fn()) -> Histogram<u64> {
    let mut times = histogram();
    work();
    (0..scale.rounds).for_each(|_| time(&mut times, &work));
    times
}

fn median(times: &Histogram<u64>) -> f64 {
    times.value_at_quantile(0.5) as f64
}

fn line(what: &str, times: &Histogram<u64>) {
    let micros = |nanos: u64| nanos as f64 / 1_000.0;
    println!(
        "{what:<34}{:>10.1}{:>10.1}{:>10.1}",
        micros(times.value_at_quantile(0.5)),
        micros(times.value_at_quantile(0.99)),
        micros(times.max())
    );
}

fn ratio(what: &str, ratio: f64) {
    println!("{what:<50}{ratio:>6.2}");
}
