//! The language model that the configuration asks for, and where its files lie.

use std::path::Path;

use crate::config::Config;
use crate::config::paths::Paths;
use crate::llm::{LanguageModel, LlmPlaces};

use super::service_dirs;

/// The directory of everything that has to do with the language model, beside the store and in the cache directory.
const DIR: &str = "llm";
/// The directory of answers beside the store.
const ANSWERS: &str = "answers";

/// Opens the language model; `None` when none is configured.
///
/// # Errors
/// A sentence for the operator.
pub(super) async fn open(config: &Config, paths: &Paths) -> Result<Option<LanguageModel>, String> {
    let settings = config.optimizer.llm.clone();
    if !settings.is_on() {
        return Ok(None);
    }
    let places = LlmPlaces {
        credentials_dir: service_dirs::credentials_dir(),
        ..places(
            settings.cache.dir.as_deref(),
            service_dirs::cache_dir().as_deref(),
            paths.store.as_deref(),
        )
    };
    let opened = tokio::task::spawn_blocking(move || LanguageModel::open(&settings, &places)).await;
    let model = opened.map_err(|error| format!("it failed: {error}"))??;
    if let Some(model) = &model {
        tracing::info!(model = model.name(), "a language model may be asked");
    }
    Ok(model)
}

/// Answers lie where they are configured to, else in the cache directory of the service, else beside the store. What was
/// spent lies beside the store always: a cache may be emptied at any time.
fn places(configured: Option<&Path>, cache: Option<&Path>, store: Option<&Path>) -> LlmPlaces {
    let beside = store.map(|store| store.parent().unwrap_or(store).join(DIR));
    let in_cache = cache.map(|cache| cache.join(DIR));
    let answers = configured.map(Path::to_owned).or(in_cache);
    LlmPlaces {
        answers_dir: answers.or_else(|| beside.as_ref().map(|beside| beside.join(ANSWERS))),
        state_dir: beside,
        credentials_dir: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        configured: Option<&str>,
        cache: Option<&str>,
        store: Option<&str>,
        state: Option<&str>,
        answers: Option<&str>,
    ) {
        let found = places(
            configured.map(Path::new),
            cache.map(Path::new),
            store.map(Path::new),
        );
        assert_eq!(found.state_dir.as_deref(), state.map(Path::new));
        assert_eq!(found.answers_dir.as_deref(), answers.map(Path::new));
    }

    #[test]
    fn what_was_spent_lies_beside_the_store_and_answers_where_they_may_be_lost() {
        let (store, state) = (Some("/s/store"), Some("/s/llm"));
        check(None, None, store, state, Some("/s/llm/answers"));
        check(None, Some("/c"), store, state, Some("/c/llm"));
        check(Some("/a"), Some("/c"), store, state, Some("/a"));
        check(None, None, None, None, None);
        check(None, Some("/c"), None, None, Some("/c/llm"));
    }
}
