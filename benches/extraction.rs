//! Finding the prompts in workflow documents: our own fixture, and a large one composed here.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot go on has nothing better to do than to end"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use promptd::dify::{self, ExtractOptions};

const FIXTURE: &str = include_str!("../tests/fixtures/dify/sample_support_bot.yml");

/// A workflow with so many LLM nodes of two messages each.
fn workflow(nodes: usize) -> String {
    let mut document = String::from(
        "version: 0.6.0\nkind: app\napp: {name: Large, mode: workflow}\nworkflow:\n  graph:\n    nodes:\n",
    );
    for node in 0..nodes {
        document.push_str(&format!(
            r"    - id: '{node}'
      data:
        type: llm
        title: Node {node}
        model: {{provider: openai, name: gpt, mode: chat}}
        prompt_template:
        - role: system
          text: |
            You summarise what customers write, in the language they write in.
            Never invent an order number.
        - role: user
          text: 'Summarise {{{{#{node}.text#}}}} in at most {node} words.'
"
        ));
    }
    document
}

fn extraction(criterion: &mut Criterion) {
    let options = ExtractOptions::default();
    let mut group = criterion.benchmark_group("extract");
    for (name, document) in [
        ("fixture", FIXTURE.to_owned()),
        ("100_nodes", workflow(100)),
        ("1000_nodes", workflow(1_000)),
    ] {
        let found = dify::extract(document.as_bytes(), &options).unwrap();
        assert!(!found.prompts.is_empty(), "{name}");
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &document,
            |bencher, document| {
                bencher.iter(|| black_box(dify::extract(document.as_bytes(), &options).unwrap()));
            },
        );
    }
    group.finish();
}

fn naming(criterion: &mut Criterion) {
    let document = workflow(1_000);
    let found = dify::extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
    criterion.bench_function("prompt_ids/1000_nodes", |bencher| {
        bencher.iter(|| black_box(dify::prompt_ids("large", &found.prompts)));
    });
}

criterion_group!(benches, extraction, naming);
criterion_main!(benches);
