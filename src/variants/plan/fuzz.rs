//! Fuzz targets: plans, and what is made of them.

use super::*;
use crate::fuzz::fuzz_target;
use crate::variants::patch::{Sources, Workflow};
use crate::variants::{Entry, Manifest, Source, assemble, parse_manifest};

const WORKFLOW: &str = "app: {mode: workflow}\nkind: app\nworkflow: {graph: {nodes: [{id: '1', data: {type: llm, title: Answer, \
                        prompt_template: [{role: system, text: 'Say {{#sys.query#}}.'}]}}]}}\n";

fuzz_target!(
    a_plan_is_carried_out_within_its_limits_or_refused,
    "test-plan",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        drop(parse_catalog(text).map_err(|error| error.to_string()));
        let plan = match parse_plan(text, None) {
            Ok(plan) => plan,
            Err(error) => return assert!(!error.to_string().is_empty()),
        };
        let known = plan
            .catalog
            .as_ref()
            .and_then(|catalog| catalog.workflows.first());
        let workflow = Workflow::read(WORKFLOW.into(), "bot.yml", None, known).unwrap();
        let mut datasets = plan.test_data.clone();
        datasets.strategy.max_cases = Some(datasets.strategy.max_cases.unwrap_or(10).min(10));
        for one in plan.workflows.iter().map(|entry| &entry.value) {
            let entry = Entry {
                workflow_id: &one.catalog_id,
                variants: one
                    .variants()
                    .iter()
                    .take(5)
                    .map(|variant| &variant.value)
                    .collect(),
                datasets: datasets
                    .datasets
                    .iter()
                    .take(5)
                    .map(|dataset| &dataset.value)
                    .collect(),
                all: &datasets,
            };
            let Ok(made) = assemble(&workflow, &entry, &Sources::default(), "bot.yml") else {
                continue;
            };
            assert!(made.cases.len() <= 5 * 10 * 6);
            for (name, built) in &made.variants {
                assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
                assert!(
                    crate::dify::parse_document(&built.document, &crate::dify::Limits::default()).is_ok()
                );
            }
        }
    }
);

fuzz_target!(
    a_manifest_is_read_or_refused,
    "variant-manifest",
    |bytes: &[u8]| {
        match parse_manifest(bytes) {
            Ok(manifest) => assert_eq!(parse_manifest(&manifest.to_bytes()), Ok(manifest)),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
);

#[test]
fn an_empty_manifest_is_one() {
    let source = Source {
        file: String::new(),
        sha256: String::new(),
    };
    let manifest = Manifest::new(String::new(), source, vec![], vec![], ExecutionPolicy::default());
    assert_eq!(parse_manifest(&manifest.to_bytes()), Ok(manifest));
}
