//! The manifest of an outbox: which documents there are, what is in them, and which cases they are for.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::{MANIFEST_FILE, RESULTS_FILE};
use super::plan::{ExecutionPolicy, check};
use crate::model::{PromptId, Version, sha256_hex};

/// The format that is written and read.
const FORMAT: u32 = 1;
/// How many hex digits of its hash a case is named by: 64 bits.
const ID_DIGITS: usize = 16;

/// What is in an outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format; 1.
    pub format: u32,
    /// What the ids of the prompts begin with.
    pub workflow: String,
    /// The workflow that the variants were made of.
    pub source: Source,
    /// The variants, the default first.
    pub variants: Vec<VariantEntry>,
    /// The cases, variant by variant.
    pub cases: Vec<Case>,
    /// How they are run.
    #[serde(default)]
    pub execution: ExecutionPolicy,
}

/// A file and what it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name without its directory.
    pub file: String,
    /// The SHA-256 of its bytes, in hex digits.
    pub sha256: String,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantEntry {
    /// Its name.
    pub variant: String,
    /// The file of its document, beside the manifest.
    pub document: String,
    /// The SHA-256 of that file, in hex digits.
    pub sha256: String,
    /// Its prompts, in the order of the document.
    pub prompts: Vec<PromptEntry>,
}

/// One prompt of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptEntry {
    /// Its id.
    pub prompt_id: PromptId,
    /// Where its text stands in the document.
    pub pointer: String,
    /// The stored version that has this text, where one is known.
    pub version: Option<Version>,
    /// The SHA-256 of the text, in hex digits.
    pub sha256: String,
}

/// One case: a variant and the inputs that it is tried with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, made of all that it is: the same case has the same name in every run, and another document makes it another
    /// case.
    pub case_id: String,
    /// The workflow, as the plan calls it.
    pub workflow_id: String,
    /// The variant.
    pub variant: String,
    /// The dataset.
    pub dataset: String,
    /// What the dataset is for.
    pub scenario: String,
    /// The inputs.
    pub parameters: Map<String, Value>,
    /// The conversation, where there is one.
    pub conversation_flow: Option<Value>,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No JSON of the right shape.
    #[error("it is no manifest: {0}")]
    Malformed(String),
    /// Another format.
    #[error("it has format {0}, and this promptctl knows format {FORMAT}: use a newer one")]
    Format(u32),
    /// It contradicts itself.
    #[error("{0}: write the outbox anew")]
    Inconsistent(String),
}

/// Reads a manifest. Files that it names lie beside it, and each case has a variant.
///
/// # Errors
/// [`ManifestError`].
pub fn parse_manifest(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
    let Head { format } = serde_json::from_slice(bytes).map_err(malformed)?;
    if format != FORMAT {
        return Err(ManifestError::Format(format));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
    manifest.check().map_err(ManifestError::Inconsistent)?;
    Ok(manifest)
}

impl Manifest {
    /// Makes a manifest.
    #[must_use]
    pub const fn new(
        workflow: String,
        source: Source,
        variants: Vec<VariantEntry>,
        cases: Vec<Case>,
        execution: ExecutionPolicy,
    ) -> Self {
        Self {
            format: FORMAT,
            workflow,
            source,
            variants,
            cases,
            execution,
        }
    }

    /// Returns the bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Returns a variant.
    #[must_use]
    pub fn variant(&self, name: &str) -> Option<&VariantEntry> {
        self.variants.iter().find(|entry| entry.variant == name)
    }

    fn check(&self) -> Result<(), String> {
        let mut ids = HashSet::new();
        for case in &self.cases {
            if self.variant(&case.variant).is_none() {
                return Err(format!(
                    "the case {} has the unknown variant '{}'",
                    case.case_id, case.variant
                ));
            }
            if !ids.insert(case.case_id.as_str()) {
                return Err(format!("the case {} is there twice", case.case_id));
            }
        }
        let mut files = HashSet::from([MANIFEST_FILE, RESULTS_FILE]);
        for entry in &self.variants {
            let file = entry.document.as_str();
            if file.is_empty() || file.starts_with('.') || file.contains(['/', '\0']) {
                return Err(format!("'{file}' is no name of a file in the outbox"));
            }
            if !files.insert(file) {
                return Err(format!("the file '{file}' is meant twice"));
            }
        }
        check::execution(&self.execution)
    }
}

impl Case {
    /// Names a case after all that it is. `document` is the SHA-256 of its document, `again` tells equal cases apart.
    pub(super) fn named(mut self, document: &str, again: usize) -> Self {
        let whole = json!([
            self.workflow_id,
            self.variant,
            document,
            self.dataset,
            self.scenario,
            self.parameters,
            self.conversation_flow,
            again,
        ]);
        let canonical = serde_json_canonicalizer::to_vec(&whole).unwrap_or_default();
        let mut id = sha256_hex(&canonical);
        id.truncate(ID_DIGITS);
        self.case_id = format!("case-{id}");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(parameter: i64) -> Case {
        Case {
            case_id: String::new(),
            workflow_id: "bot".to_owned(),
            variant: "default".to_owned(),
            dataset: "d".to_owned(),
            scenario: "normal".to_owned(),
            parameters: Map::from_iter([("n".to_owned(), parameter.into())]),
            conversation_flow: None,
        }
    }

    fn manifest(document: &str) -> Manifest {
        let source = Source {
            file: "bot.yml".to_owned(),
            sha256: "0".repeat(64),
        };
        let variant = VariantEntry {
            variant: "default".to_owned(),
            document: document.to_owned(),
            sha256: "0".repeat(64),
            prompts: Vec::new(),
        };
        let cases = vec![case(1).named("0", 0), case(2).named("0", 0)];
        Manifest::new(
            "bot".to_owned(),
            source,
            vec![variant],
            cases,
            ExecutionPolicy::default(),
        )
    }

    #[test]
    fn a_manifest_reads_back() {
        let written = manifest("bot.default.yml");
        assert_eq!(parse_manifest(&written.to_bytes()), Ok(written));
    }

    #[test]
    fn a_case_is_named_after_all_that_it_is() {
        let named = |case: Case, document: &str, again: usize| case.named(document, again).case_id;
        let first = named(case(1), "a", 0);
        assert_eq!(first, named(case(1), "a", 0));
        for other in [
            named(case(2), "a", 0),
            named(case(1), "b", 0),
            named(case(1), "a", 1),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_or_contradicts_itself_is_refused() {
        let check = |manifest: &Manifest, words: &str| {
            let message = parse_manifest(&manifest.to_bytes()).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        };
        for name in ["../bot.yml", "/etc/passwd", "", ".", ".hidden"] {
            check(&manifest(name), "no name of a file");
        }
        check(&manifest(RESULTS_FILE), "meant twice");
        let mut odd = manifest("a.yml");
        odd.cases.push(odd.cases[0].clone());
        check(&odd, "is there twice");
        odd.cases[2].variant = "other".to_owned();
        check(&odd, "unknown variant");
        odd.format = 2;
        check(&odd, "format 2");
        let mut idle = manifest("a.yml");
        idle.execution.concurrency = 0;
        check(&idle, "concurrency");
        assert!(parse_manifest(b"[]").is_err());
    }
}
