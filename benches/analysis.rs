//! Scoring a text and comparing two, by length.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot go on has nothing better to do than to end"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use promptd::model::PromptVersion;
use promptd::optimizer;
use promptd::versions::compare;
use serde_json::json;

/// Lengths in characters; the last is the longest that a prompt may have.
const LENGTHS: [usize; 4] = [200, 2_000, 20_000, 100_000];

/// A text of so many characters in paragraphs, lists and variables, no two paragraphs alike.
fn text(characters: usize) -> String {
    let mut text = String::new();
    for paragraph in 1.. {
        text.push_str(&format!(
            "## Step {paragraph}\n\nRead {{{{#node_{paragraph}.text#}}}} and classify it as one of:\n- urgent, if some person \
             waits for an answer within {paragraph} hours\n- normal\n- noise, maybe an advert\n\nAnswer with one word.\n\n"
        ));
        if text.len() >= characters {
            break;
        }
    }
    text.chars().take(characters).collect()
}

fn version(number: &str, text: &str) -> PromptVersion {
    serde_json::from_value(json!({
        "prompt_id": "p", "version": number,
        "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": optimizer::analyze("p", text, 0),
    }))
    .unwrap()
}

fn analysis(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("analyze");
    for length in LENGTHS {
        let text = text(length);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(length), &text, |bencher, text| {
            bencher.iter(|| black_box(optimizer::analyze("p", text, 0)));
        });
    }
    group.finish();
}

fn comparison(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compare");
    group.sample_size(20);
    for length in LENGTHS {
        let old = text(length);
        let new = old.replace("one word", "one lower-case word");
        let (old, new) = (version("1.0.0", &old), version("1.0.1", &new));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| black_box(compare::compare(&old, &new)));
        });
    }
    group.finish();
}

criterion_group!(benches, analysis, comparison);
criterion_main!(benches);
