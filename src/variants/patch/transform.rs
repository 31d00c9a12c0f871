//! What becomes of one text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Sources, StoredText, template};
use crate::variants::plan::{PatchMode, PromptStrategy, PromptTemplate};

/// A new text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transformed {
    pub(super) text: String,
    /// What went wrong on the way.
    pub(super) note: Option<String>,
}

/// Applies a strategy to a text. `is_jinja2` says whether the text is a Jinja2 template in its workflow.
pub(super) fn transform(
    strategy: &PromptStrategy,
    original: &str,
    is_jinja2: Option<bool>,
    sources: &Sources,
) -> Result<Transformed, String> {
    let content = || content(strategy, is_jinja2, sources);
    let text = match strategy.mode {
        PatchMode::Replace => content()?.to_owned(),
        PatchMode::Prepend => format!("{}\n\n{original}", content()?),
        PatchMode::Append => format!("{original}\n\n{}", content()?),
        PatchMode::Template => return rendered(strategy, original, sources),
    };
    Ok(Transformed { text, note: None })
}

fn content<'s>(
    strategy: &'s PromptStrategy,
    is_jinja2: Option<bool>,
    sources: &'s Sources,
) -> Result<&'s str, String> {
    let Some(reference) = &strategy.reference else {
        return Ok(strategy.content.as_deref().unwrap_or_default());
    };
    let reference = reference.to_string();
    let StoredText { text, is_jinja2: was } = sources
        .versions
        .get(&reference)
        .ok_or_else(|| format!("there is no version {reference}"))?;
    if let (Some(was), Some(is)) = (was, is_jinja2)
        && *was != is
    {
        let [stored, there] = [*was, is].map(|is| if is { "a Jinja2 template" } else { "basic text" });
        return Err(format!(
            "version {reference} is {stored}, and the prompt in the workflow is {there}"
        ));
    }
    Ok(text)
}

fn rendered(strategy: &PromptStrategy, original: &str, sources: &Sources) -> Result<Transformed, String> {
    let template = strategy.template.clone().unwrap_or_default();
    let variables = variables(&template, original, sources)?;
    let source = match (&template.inline, &template.file) {
        (Some(inline), _) => Ok(inline.clone()),
        (None, Some(file)) => sources
            .templates
            .get(file)
            .cloned()
            .unwrap_or_else(|| Err(format!("the template {file} was not read"))),
        (None, None) => Err("there is no template".to_owned()),
    };
    let text = source.and_then(|source| template::render(&source, &variables));
    match (text, &strategy.fallback_value) {
        (Ok(text), _) => Ok(Transformed { text, note: None }),
        (Err(reason), Some(fallback)) if !fallback.is_empty() => Ok(Transformed {
            text: fallback.clone(),
            note: Some(format!("{reason}; the fallback is used")),
        }),
        (Err(reason), _) => Err(reason),
    }
}

/// Returns the names that a template may use. A clash is an error of the plan, which no fallback hides.
fn variables(
    template: &PromptTemplate,
    original: &str,
    sources: &Sources,
) -> Result<BTreeMap<String, Value>, String> {
    let mut variables = BTreeMap::from([("original".to_owned(), Value::from(original))]);
    if let Some(dataset) = &sources.dataset {
        variables.insert("dataset".to_owned(), Value::from(dataset.as_str()));
    }
    for (name, value) in &template.variables {
        if name == "dataset" || variables.insert(name.clone(), value.clone()).is_some() {
            return Err(format!(
                "the template variable '{name}' has a name that is taken: rename it"
            ));
        }
    }
    Ok(variables)
}
