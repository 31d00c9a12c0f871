//! Fuzz target: workflow documents.

use super::*;
use crate::fuzz::fuzz_target;

fuzz_target!(
    a_workflow_is_read_within_its_limits_or_refused,
    "workflow",
    |bytes: &[u8]| {
        let options = ExtractOptions {
            limits: Limits {
                max_nodes: 20_000,
                max_expanded_bytes: 1 << 20,
                max_prompts: 50,
                ..Limits::default()
            },
            ..ExtractOptions::default()
        };
        match extract(bytes, &options) {
            Ok(extraction) => {
                assert!(extraction.prompts.len() <= 50);
                for id in prompt_ids("workflow", &extraction.prompts) {
                    assert!(crate::model::PromptId::new(id.as_str()).is_ok());
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
);
