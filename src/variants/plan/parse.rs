//! From bytes to a plan, under limits.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _, Options, Spanned};

use super::{Datasets, PlanError, TestPlan, WorkflowCatalog, check, expand};

/// The largest plan, catalogue or file of datasets.
pub const MAX_PLAN_BYTES: usize = 4 << 20;
/// The deepest nesting of one.
const MAX_DEPTH: usize = 64;
/// The most nodes of one.
const MAX_NODES: usize = 400_000;

/// A value and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Lined<T> {
    /// The line.
    pub line: usize,
    /// The value.
    pub value: T,
}

/// What the value of a name is, if it has one.
pub type Variables<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Reads a plan. With `variables`, `${NAME}` in its texts is replaced by what the function returns for the name.
///
/// # Errors
/// [`PlanError`].
pub fn parse_plan(text: &str, variables: Option<Variables<'_>>) -> Result<TestPlan, PlanError> {
    let mut plan: TestPlan = parse(text)?;
    if let Some(variables) = variables {
        expand::expand(&mut plan, variables);
    }
    check::plan(&plan)?;
    Ok(plan)
}

/// Reads a catalogue.
///
/// # Errors
/// [`PlanError`].
pub fn parse_catalog(text: &str) -> Result<WorkflowCatalog, PlanError> {
    let catalog = parse(text)?;
    check::catalog(&catalog)?;
    Ok(catalog)
}

/// Reads a file of datasets.
///
/// # Errors
/// [`PlanError`].
pub fn parse_datasets(text: &str) -> Result<Datasets, PlanError> {
    let datasets = parse(text)?;
    check::datasets(&datasets)?;
    Ok(datasets)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, PlanError> {
    if text.len() > MAX_PLAN_BYTES {
        return Err(PlanError::TooLarge);
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| PlanError::Syntax {
        line: error.location().map_or(0, |location| line(location.line())),
        message: DefaultMessageFormatter.format_message(&error).into_owned(),
    })
}

fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_documents: 1,
        max_total_scalar_bytes: 4 * MAX_PLAN_BYTES,
    };
    serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn line(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lined<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            line: line(spanned.referenced.line()),
            value: spanned.value,
        })
    }
}
