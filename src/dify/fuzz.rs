//! Fuzz targets: workflow documents, read and patched.

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

fuzz_target!(
    a_workflow_is_patched_exactly_or_not_at_all,
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
        let Ok(found) = extract(bytes, &options) else {
            return;
        };
        let ids = prompt_ids("workflow", &found.prompts);
        let new = "  two lines: 'a' \"b\" # c\n\n\u{1f600}\t---";
        let replacements: Vec<PromptReplacement> = ids
            .into_iter()
            .zip(&found.prompts)
            .map(|(prompt_id, prompt)| PromptReplacement {
                prompt_id,
                expected: prompt.text.clone(),
                text: new.to_owned(),
            })
            .collect();
        match patch_prompts(bytes, "workflow", &replacements, &options) {
            Ok(patch) => {
                let again = extract(&patch.bytes, &options).unwrap();
                for ((outcome, old), there) in patch.prompts.iter().zip(&found.prompts).zip(&again.prompts) {
                    let expected = if outcome.is_ok() { new } else { &old.text };
                    assert_eq!(there.text, expected);
                }
            }
            // The new texts can be too much for the limits.
            Err(error) => assert!(matches!(error, PatchError::Document(_)), "{error}"),
        }
    }
);
