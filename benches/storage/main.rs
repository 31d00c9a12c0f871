//! The store against the bare system calls, and reads in a large store.
//!
//! `cargo bench --bench storage` runs the criterion benches and then prints a report of percentiles and ratios; the ratios
//! compare two things measured in turns in the same run, so they mean something on any machine. The files lie beneath
//! `target/tmp`, or beneath `$PROMPTD_BENCH_DIR`: take a real disk, since fsync costs nothing on a memory file system.
//!
//! `PROMPTD_BENCH_PROMPTS` (10000) and `PROMPTD_BENCH_VERSIONS` (50) set the size of the large store,
//! `PROMPTD_BENCH_ROUNDS` (1000) the measurements behind each line of the report. `cargo test --benches` runs everything
//! once, in a tiny store.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on has nothing better to do than to end, and its report goes to the terminal"
)]

mod bare;
mod fixture;
mod report;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use tokio::runtime::Runtime;

use promptd::model::VersionSelector;
use promptd::storage::{PromptPage, VersionStorage};
use promptd::versions::Order;

use bare::BareStore;
use fixture::{Fixture, Scale};

/// Clients at the same time in the benches of concurrency.
const CLIENTS: usize = 64;

fn durable_puts(criterion: &mut Criterion, runtime: &Runtime, fixture: &Fixture) {
    let bare = BareStore::new(fixture.scratch(), CLIENTS);
    let mut group = criterion.benchmark_group("durable_put");
    group.bench_function("bare", |bencher| bencher.iter(|| bare.write(0)));
    group.bench_function("promptd", |bencher| {
        bencher.to_async(runtime).iter(|| fixture.put(0));
    });
    group.finish();
    let mut group = criterion.benchmark_group("durable_put_64");
    group.bench_function("bare", |bencher| {
        bencher.iter_custom(|puts| bare.write_from_threads(CLIENTS, per_client(puts)));
    });
    group.bench_function("promptd", |bencher| {
        bencher.iter_custom(|puts| runtime.block_on(fixture.put_from_tasks(CLIENTS, per_client(puts))));
    });
    group.finish();
}

/// Criterion counts single puts; each client makes its share.
fn per_client(puts: u64) -> u64 {
    puts.div_ceil(CLIENTS as u64)
}

fn reads(criterion: &mut Criterion, runtime: &Runtime, fixture: &Fixture) {
    let mut group = criterion.benchmark_group("read");
    let (id, version) = fixture.some_version();
    group.bench_function("cached", |bencher| {
        bencher
            .to_async(runtime)
            .iter(async || black_box(fixture.storage.read(&id, &version).await.unwrap()));
    });
    group.bench_function("latest", |bencher| {
        bencher.to_async(runtime).iter(async || {
            let id = fixture.some_prompt();
            black_box(fixture.manager.get(&id, &VersionSelector::Latest).await.unwrap())
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group("list_50");
    group.bench_function(BenchmarkId::from_parameter("versions"), |bencher| {
        bencher.to_async(runtime).iter(async || {
            let id = fixture.some_prompt();
            black_box(fixture.manager.history(&id, None, Order::Asc, 50).await.unwrap())
        });
    });
    group.bench_function(BenchmarkId::from_parameter("prompts"), |bencher| {
        bencher.iter(|| black_box(fixture.storage.prompts(&page_after(fixture))));
    });
    group.finish();
}

/// Reads that promptd has not cached; the kernel may have.
fn disk_reads(criterion: &mut Criterion, runtime: &Runtime, fixture: &Fixture) {
    criterion.bench_function("read/disk", |bencher| {
        bencher.to_async(runtime).iter(async || {
            let (id, version) = fixture.some_version();
            black_box(fixture.storage.read(&id, &version).await.unwrap())
        });
    });
}

fn page_after(fixture: &Fixture) -> PromptPage {
    PromptPage {
        prefix: String::new(),
        label: None,
        after: Some(fixture.some_prompt()),
        limit: 50,
    }
}

fn main() {
    // As criterion tells it: measured is only when cargo says `--bench`, and nobody says `--test`.
    let told = |flag: &str| std::env::args().any(|argument| argument == flag);
    let scale = Scale::from_environment(told("--test") || !told("--bench"));
    let runtime = Runtime::new().unwrap();
    let started = Instant::now();
    let fixture = runtime.block_on(Fixture::make(&scale));
    eprintln!(
        "a store of {} prompts with {} versions each was made in {:.1} s and opened",
        scale.prompts,
        scale.versions,
        started.elapsed().as_secs_f64()
    );
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(10))
        .configure_from_args();
    durable_puts(&mut criterion, &runtime, &fixture);
    reads(&mut criterion, &runtime, &fixture);
    let fixture = runtime.block_on(fixture.reopen(false));
    disk_reads(&mut criterion, &runtime, &fixture);
    criterion.final_summary();
    let fixture = report::print(&runtime, fixture, &scale);
    runtime.block_on(fixture.close());
}
