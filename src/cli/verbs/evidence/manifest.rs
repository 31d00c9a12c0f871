//! Which versions the variants of an outbox are made of.

use std::path::Path;

use crate::cli::exit::CliError;
use crate::cli::files;
use crate::model::{PromptId, Version};
use crate::variants::{Manifest, PromptEntry, parse_manifest};

/// The variant of results that name none.
const DEFAULT_VARIANT: &str = "default";

/// Reads a manifest.
pub(super) fn read(path: &Path) -> Result<Manifest, CliError> {
    parse_manifest(&files::read(path)?).map_err(|why| CliError::failure(format!("{}: {why}", path.display())))
}

/// Returns the versions that a variant is made of.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn targets(
    manifest: &Manifest,
    variant: Option<&str>,
) -> Result<Vec<(PromptId, Version)>, String> {
    let name = variant.unwrap_or(DEFAULT_VARIANT);
    let Some(found) = manifest.variant(name) else {
        let known: Vec<&str> = manifest.variants.iter().map(|one| one.variant.as_str()).collect();
        return Err(format!(
            "the manifest has no variant {name:?}; it has {}",
            known.join(", ")
        ));
    };
    if found.prompts.is_empty() {
        return Err(format!("variant {name:?} of the manifest has no prompts"));
    }
    let version_of = |prompt: &PromptEntry| match &prompt.version {
        Some(version) => Ok((prompt.prompt_id.clone(), version.clone())),
        None => Err(format!(
            "prompt {} of variant {name:?} is no version yet: run 'promptctl import dsl {}' first, then make the manifest again",
            prompt.prompt_id, found.document
        )),
    };
    found.prompts.iter().map(version_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variants::plan::ExecutionPolicy;
    use crate::variants::{Source, VariantEntry};

    fn variant(name: &str, prompts: &[(&str, Option<&str>)]) -> VariantEntry {
        let entry = |(id, version): &(&str, Option<&str>)| PromptEntry {
            prompt_id: id.parse().unwrap(),
            pointer: "/a".to_owned(),
            version: version.map(|version| version.parse().unwrap()),
            sha256: String::new(),
        };
        VariantEntry {
            variant: name.to_owned(),
            document: format!("bot.{name}.yml"),
            sha256: String::new(),
            prompts: prompts.iter().map(entry).collect(),
        }
    }

    fn check(name: Option<&str>, expected: Result<&[&str], &str>) {
        let both = [
            ("bot_1_system_0", Some("1.0.0")),
            ("bot_2_system_0", Some("1.1.0")),
        ];
        let variants = vec![
            variant("default", &both),
            variant("short", &[("bot_1_system_0", None)]),
            variant("bare", &[]),
        ];
        let source = Source {
            file: "bot.yml".to_owned(),
            sha256: String::new(),
        };
        let manifest = Manifest::new(
            "bot".to_owned(),
            source,
            variants,
            Vec::new(),
            ExecutionPolicy::default(),
        );
        match (targets(&manifest, name), expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<String> = found
                    .iter()
                    .map(|(id, version)| format!("{id}@{version}"))
                    .collect();
                assert_eq!(found, expected);
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, _) => panic!("{name:?}: {found:?}"),
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
}
