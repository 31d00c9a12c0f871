//! The manifest of a run of workflow variants: which versions each variant is made of.

use std::path::Path;

use serde::Deserialize;

use crate::cli::exit::CliError;
use crate::cli::files;
use crate::model::{PromptId, Version};

/// The format that is understood.
const FORMAT: u64 = 1;
/// The variant of results that name none.
const DEFAULT_VARIANT: &str = "default";

/// What of a manifest says where results belong; the rest is not looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    format: u64,
    variants: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
struct Variant {
    variant: String,
    document: String,
    prompts: Vec<VariantPrompt>,
}

#[derive(Debug, Deserialize)]
struct VariantPrompt {
    prompt_id: PromptId,
    version: Option<Version>,
}

impl Manifest {
    /// Reads a manifest.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        Self::parse(&files::read(path)?)
            .map_err(|why| CliError::failure(format!("{}: {why}", path.display())))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| format!("not a manifest of variants: {e}"))?;
        if manifest.format != FORMAT {
            return Err(format!(
                "it has format {}, and this promptctl knows {FORMAT}",
                manifest.format
            ));
        }
        Ok(manifest)
    }

    /// Returns the versions that a variant is made of.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn targets(&self, variant: Option<&str>) -> Result<Vec<(PromptId, Version)>, String> {
        let name = variant.unwrap_or(DEFAULT_VARIANT);
        let Some(found) = self.variants.iter().find(|one| one.variant == name) else {
            let known: Vec<&str> = self.variants.iter().map(|one| one.variant.as_str()).collect();
            return Err(format!(
                "the manifest has no variant {name:?}; it has {}",
                known.join(", ")
            ));
        };
        if found.prompts.is_empty() {
            return Err(format!("variant {name:?} of the manifest has no prompts"));
        }
        let version_of = |prompt: &VariantPrompt| match &prompt.version {
            Some(version) => Ok((prompt.prompt_id.clone(), version.clone())),
            None => Err(format!(
                "prompt {} of variant {name:?} is no version yet: run 'promptctl import dsl {}' first, then make the manifest again",
                prompt.prompt_id, found.document
            )),
        };
        found.prompts.iter().map(version_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{"format":1,"workflow":"bot","source":{"file":"bot.yml","sha256":"0"},"variants":[
        {"variant":"default","document":"bot.default.yml","sha256":"0","prompts":[
            {"prompt_id":"bot_1_system_0","pointer":"/a","version":"1.0.0","sha256":"0"},
            {"prompt_id":"bot_2_system_0","pointer":"/b","version":"1.1.0","sha256":"0"}]},
        {"variant":"short","document":"bot.short.yml","sha256":"0","prompts":[
            {"prompt_id":"bot_1_system_0","pointer":"/a","version":null,"sha256":"0"}]},
        {"variant":"bare","document":"bot.bare.yml","sha256":"0","prompts":[]}],"cases":[]}"#;

    fn check(variant: Option<&str>, expected: Result<&[&str], &str>) {
        let targets = Manifest::parse(MANIFEST.as_bytes()).unwrap().targets(variant);
        match (targets, expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<String> = found
                    .iter()
                    .map(|(id, version)| format!("{id}@{version}"))
                    .collect();
                assert_eq!(found, expected);
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, _) => panic!("{variant:?}: {found:?}"),
        }
    }

    #[test]
    fn a_variant_is_the_versions_that_it_is_made_of() {
        let both: &[&str] = &["bot_1_system_0@1.0.0", "bot_2_system_0@1.1.0"];
        check(None, Ok(both));
        check(Some("default"), Ok(both));
        check(Some("short"), Err("promptctl import dsl bot.short.yml"));
        check(Some("long"), Err("it has default, short, bare"));
        check(Some("bare"), Err("has no prompts"));
    }

    #[test]
    fn another_format_is_refused() {
        let newer = MANIFEST.replacen("\"format\":1", "\"format\":2", 1);
        assert!(
            Manifest::parse(newer.as_bytes())
                .unwrap_err()
                .contains("format 2")
        );
        assert!(Manifest::parse(b"[]").unwrap_err().contains("not a manifest"));
    }
}
