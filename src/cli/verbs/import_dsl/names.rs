//! Files of one import whose prompts would have the same names.
//!
//! The names come from the name of the file without its ending, so `a/bot.yml`, `b/bot.yml` and `a/bot.yaml` have the same
//! ones. To import one after the other on purpose is to make versions of the same prompts; to name them in one command, as
//! `exports/*/*.yml` does, is a mistake that would mix two workflows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::name_of;
use crate::cli::exit::CliError;
use crate::cli::files::is_same_file;
use crate::dify::{self, Extraction};

/// The files so far, by what the names of their prompts begin with.
#[derive(Debug, Default)]
pub(super) struct Names {
    files: HashMap<String, PathBuf>,
}

impl Names {
    /// Takes the names of a file's prompts for it, and returns what they begin with.
    ///
    /// # Errors
    /// Another file of this import has them.
    pub(super) fn take(
        &mut self,
        file: &Path,
        workflow: Option<&str>,
        extraction: &Extraction,
    ) -> Result<String, CliError> {
        let workflow = workflow.map_or_else(|| workflow_of(file, extraction), str::to_owned);
        let first = self
            .files
            .entry(workflow.clone())
            .or_insert_with(|| file.to_owned());
        if first.as_path() == file || is_same_file(first, file) {
            return Ok(workflow);
        }
        Err(CliError::failure(format!(
            "not imported: its prompts would become versions of those of {}, since the names of both begin with {workflow}; \
             import it alone with --workflow NAME",
            first.display()
        )))
    }
}

fn workflow_of(file: &Path, extraction: &Extraction) -> String {
    let name = name_of(file);
    dify::workflow_slug(dify::document_stem(&name), extraction.app.name.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dify::ExtractOptions;

    const APP: &str = "app: {name: Bot, mode: chat}\nmodel_config: {pre_prompt: Be kind.}\n";

    fn extraction() -> Extraction {
        dify::extract(APP.as_bytes(), &ExtractOptions::default()).unwrap()
    }

    #[test]
    fn a_second_file_with_the_names_of_the_first_is_refused_and_names_both() {
        for second in ["a/bot.yaml", "a/bot.json", "b/bot.yml", "bot"] {
            let mut names = Names::default();
            names.take(Path::new("a/bot.yml"), None, &extraction()).unwrap();
            let refused = names.take(Path::new(second), None, &extraction()).unwrap_err();
            let message = refused.message;
            assert!(
                message.contains("those of a/bot.yml") && message.contains("begin with bot;"),
                "{message}"
            );
        }
    }

    #[test]
    fn files_with_names_of_their_own_and_one_file_twice_are_taken() {
        let mut names = Names::default();
        for file in ["bot.yml", "bot.yml", "bot.v2.yml", "日本.yml", "Bot.yml"] {
            names.take(Path::new(file), None, &extraction()).unwrap();
        }
        assert_eq!(
            names
                .take(Path::new("x.yml"), Some("mine"), &extraction())
                .unwrap(),
            "mine"
        );
    }
}
