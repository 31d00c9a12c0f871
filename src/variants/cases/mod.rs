//! From datasets to cases: which inputs are tried together. Pure, and the same every time.

mod pairwise;
mod random;
pub(crate) mod values;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::plan::{Dataset, Mode, Strategy};
use random::Random;

/// The most cases of one dataset and variant where the plan does not say it.
pub const DEFAULT_MAX_CASES: usize = 1_000;
/// The most rows that a pairwise combination may need.
const MAX_ROWS: usize = 100_000;

/// The inputs of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Every parameter with one of its values.
    pub parameters: Map<String, Value>,
    /// The conversation, where there is one.
    pub conversation_flow: Option<Value>,
}

/// What a dataset gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Combined {
    /// The inputs, at most as many as are allowed.
    pub inputs: Vec<Inputs>,
    /// How many there would be without a limit.
    pub wanted: u128,
}

/// Combines the values of a dataset. A dataset with conversations gives one case for each of them, whatever the mode.
///
/// # Errors
/// In words, when a parameter makes no sense or the combination is beyond all limits.
pub fn combine(dataset: &Dataset, strategy: &Strategy) -> Result<Combined, String> {
    let most = strategy.max_cases.unwrap_or(DEFAULT_MAX_CASES);
    let seed = strategy.random_seed;
    let mut names = Vec::new();
    let mut lists = Vec::new();
    for (name, parameter) in &dataset.parameters.0 {
        names.push(name.as_str());
        lists.push(values::of(parameter).map_err(|message| format!("parameter '{name}': {message}"))?);
    }
    let inputs = |row: &[usize]| Inputs {
        parameters: pick(&names, &lists, row),
        conversation_flow: None,
    };
    if !dataset.conversation_flows.is_empty() {
        let first = inputs(&vec![0; lists.len()]);
        let flows = dataset.conversation_flows.iter().map(|flow| Inputs {
            conversation_flow: serde_json::to_value(flow).ok(),
            ..first.clone()
        });
        return Ok(Combined {
            wanted: dataset.conversation_flows.len() as u128,
            inputs: flows.take(most).collect(),
        });
    }
    let (rows, wanted) = match strategy.mode {
        Mode::ScenarioOnly => (vec![vec![0; lists.len()]], 1),
        Mode::Cartesian => cartesian(&sizes(&lists), most, seed),
        Mode::Pairwise => pairs_of(dataset, &names, &lists, most, seed)?,
    };
    Ok(Combined {
        inputs: rows.iter().map(|row| inputs(row)).collect(),
        wanted,
    })
}

fn sizes(lists: &[Vec<Value>]) -> Vec<usize> {
    lists.iter().map(Vec::len).collect()
}

fn pick(names: &[&str], lists: &[Vec<Value>], row: &[usize]) -> Map<String, Value> {
    let values = lists
        .iter()
        .zip(row)
        .map(|(list, at)| list.get(*at).cloned().unwrap_or_default());
    names.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

/// Returns every combination, or so many of them: the first ones, or with a seed any ones.
fn cartesian(sizes: &[usize], most: usize, seed: Option<u64>) -> (Vec<Vec<usize>>, u128) {
    let all = sizes
        .iter()
        .fold(1_u128, |all, size| all.saturating_mul(*size as u128));
    let row = |mut number: u128| {
        let mut row = vec![0; sizes.len()];
        for (place, size) in row.iter_mut().zip(sizes).rev() {
            *place = usize::try_from(number % *size as u128).unwrap_or(0);
            number /= *size as u128;
        }
        row
    };
    let rows = match seed {
        Some(seed) if all > most as u128 => sample(all, most, seed).into_iter().map(row).collect(),
        _ => (0..all.min(most as u128)).map(row).collect(),
    };
    (rows, all)
}

/// Returns different numbers below a limit in their order (Floyd). Numbers beyond 64 bits are not drawn.
fn sample(all: u128, count: usize, seed: u64) -> BTreeSet<u128> {
    let all = u64::try_from(all).unwrap_or(u64::MAX);
    let mut random = Random::new(seed);
    let mut drawn = BTreeSet::new();
    for highest in all.saturating_sub(count as u64)..all {
        let number = u128::from(random.below(highest + 1));
        if !drawn.insert(number) {
            drawn.insert(u128::from(highest));
        }
    }
    drawn
}

/// Returns rows in which every pair of the named dimensions occurs; the other parameters have their first value.
fn pairs_of(
    dataset: &Dataset,
    names: &[&str],
    lists: &[Vec<Value>],
    most: usize,
    seed: Option<u64>,
) -> Result<(Vec<Vec<usize>>, u128), String> {
    let dimensions: Vec<usize> = (0..names.len())
        .filter(|at| {
            names
                .get(*at)
                .is_some_and(|name| dataset.pairwise_dimensions.iter().any(|wanted| wanted == name))
        })
        .collect();
    if dimensions.is_empty() {
        return Ok((vec![vec![0; lists.len()]], 1));
    }
    let sizes: Vec<usize> = dimensions
        .iter()
        .map(|at| lists.get(*at).map_or(1, Vec::len))
        .collect();
    let (pairs, bound) = (pairwise::pairs(&sizes), pairwise::bound(&sizes));
    if pairs > pairwise::MAX_PAIRS || bound > MAX_ROWS {
        return Err(format!(
            "the pairwise dimensions have {pairs} pairs and need at least {bound} cases; the limits are {} and {MAX_ROWS}: \
             name fewer dimensions, or give them fewer values",
            pairwise::MAX_PAIRS
        ));
    }
    let rows = pairwise::rows(&sizes, seed.unwrap_or(0));
    let wanted = rows.len() as u128;
    let rows = rows.into_iter().take(most).map(|row| {
        let mut whole = vec![0; lists.len()];
        for (at, value) in dimensions.iter().zip(row) {
            whole.get_mut(*at).into_iter().for_each(|place| *place = value);
        }
        whole
    });
    Ok((rows.collect(), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATASET: &str = "
name: d
parameters:
  tone: {type: string, values: [warm, cool]}
  size: {type: int, range: {min: 1, max: 3}}
  note: {type: string, values: [a, b]}
  nothing: {type: string}
";

    fn combined(more: &str, strategy: &str) -> Combined {
        let dataset: Dataset = serde_saphyr::from_str(&format!("{DATASET}{more}")).unwrap();
        combine(&dataset, &serde_saphyr::from_str(strategy).unwrap()).unwrap()
    }

    fn shown(combined: &Combined) -> Vec<String> {
        let value = |(_, value): (&String, &Value)| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let row = |inputs: &Inputs| inputs.parameters.iter().map(value).collect::<Vec<_>>().join(" ");
        combined.inputs.iter().map(row).collect()
    }

    #[test]
    fn a_scenario_takes_the_first_value_of_each_parameter() {
        assert_eq!(shown(&combined("", "mode: scenario_only")), ["warm 1 a null"]);
        assert_eq!(shown(&combined("", "mode: pairwise")), ["warm 1 a null"]);
    }

    #[test]
    fn the_cartesian_product_is_cut_with_a_word_about_it() {
        let all = combined("", "mode: cartesian");
        assert_eq!((all.inputs.len(), all.wanted), (12, 12));
        assert_eq!(shown(&all)[..2], ["warm 1 a null", "warm 1 b null"]);
        let first = combined("", "{mode: cartesian, max_cases: 2}");
        assert_eq!((shown(&first), first.wanted), (shown(&all)[..2].to_vec(), 12));
        let drawn = combined("", "{mode: cartesian, max_cases_per_variant: 5, random_seed: 7}");
        assert_eq!(drawn, combined("", "{mode: cartesian, max_cases: 5, seed: 7}"));
        assert_eq!(shown(&drawn).into_iter().collect::<BTreeSet<_>>().len(), 5);
        assert_ne!(drawn, combined("", "{mode: cartesian, max_cases: 5, seed: 8}"));
    }

    #[test]
    fn a_product_beyond_all_numbers_is_cut_too() {
        let sizes = [10_000; 40];
        for seed in [None, Some(1)] {
            let (rows, all) = cartesian(&sizes, 3, seed);
            assert_eq!((rows.len(), all), (3, u128::MAX));
        }
    }

    #[test]
    fn pairs_are_made_of_the_named_dimensions_and_the_others_keep_their_first_value() {
        let pairs = combined("pairwise_dimensions: [size, tone]", "mode: pairwise");
        assert_eq!(
            shown(&pairs),
            [
                "warm 1 a null",
                "warm 2 a null",
                "warm 3 a null",
                "cool 1 a null",
                "cool 2 a null",
                "cool 3 a null"
            ]
        );
        let one = combined("pairwise_dimensions: [size]", "{mode: pairwise, max_cases: 2}");
        assert_eq!(
            (shown(&one), one.wanted),
            (vec!["warm 1 a null".into(), "warm 2 a null".into()], 3)
        );
    }

    #[test]
    fn conversations_are_cases_of_their_own_whatever_the_mode() {
        let flows = combined(
            "conversation_flows: [{title: A, steps: [{role: user, message: Hi}]}, {steps: []}]",
            "mode: cartesian",
        );
        assert_eq!(shown(&flows), ["warm 1 a null"; 2]);
        assert_eq!(
            flows.inputs[0].conversation_flow.as_ref().unwrap().to_string(),
            r#"{"title":"A","steps":[{"role":"user","message":"Hi","wait_for_response":true}],"expected_outcome":null}"#
        );
    }

    #[test]
    fn dimensions_beyond_all_limits_are_refused() {
        let dataset = "{name: d, parameters: {a: {type: int, range: {min: 1, max: 9000}}, b: {type: int, range: {min: 1, max: \
                       9000}}}, pairwise_dimensions: [a, b]}";
        let dataset: Dataset = serde_saphyr::from_str(dataset).unwrap();
        let refused = combine(&dataset, &Strategy::default()).unwrap_err();
        assert!(refused.contains("fewer"), "{refused}");
    }
}
