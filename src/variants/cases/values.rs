//! The values of one input.

use serde_json::{Number, Value};

use crate::variants::plan::{InputParameter, ParameterType, Range};

/// The most values of one input.
pub(crate) const MAX_VALUES: usize = 10_000;
/// Up to so many digits after the point numbers are cut to the digits of the step; beyond, there is nothing to tidy up.
const MAX_DIGITS: usize = 15;

/// Returns the values of an input, each once, in their order: never none. An input that says nothing has the value null.
pub(crate) fn of(parameter: &InputParameter) -> Result<Vec<Value>, String> {
    let values = parameter.values.as_ref().filter(|values| !values.is_empty());
    let pool = parameter.file_pool.as_ref().filter(|pool| !pool.is_empty());
    if pool.is_some() && parameter.kind != ParameterType::File {
        return Err("`file_pool` is for the type `file`".to_owned());
    }
    let found = match (values, &parameter.range, pool, &parameter.json_template) {
        (Some(values), None, None, None) => values.clone(),
        (None, Some(range), None, None) => of_range(*range, parameter.kind)?,
        (None, None, Some(pool), None) => pool.clone(),
        (None, None, None, Some(template)) => vec![of_template(template)?],
        (None, None, None, None) => match &parameter.default {
            Some(default) => vec![default.clone()],
            None => return Ok(vec![Value::Null]),
        },
        _ => {
            return Err(
                "more than one of `values`, `range`, `file_pool` and `json_template` is given: give one"
                    .to_owned(),
            );
        }
    };
    let wrong = found
        .iter()
        .chain(&parameter.default)
        .find(|value| !parameter.kind.admits(value));
    if let Some(wrong) = wrong {
        let kind = parameter.kind.describe();
        return Err(format!(
            "{wrong} is not {kind}: mend it, put it in quotes, or change `type`"
        ));
    }
    if found.len() > MAX_VALUES {
        return Err(format!("{} values; the limit is {MAX_VALUES}", found.len()));
    }
    Ok(distinct(found))
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values
        .into_iter()
        .filter(|value| seen.insert(value.to_string()))
        .collect()
}

fn of_template(template: &Value) -> Result<Value, String> {
    match template {
        Value::String(text) => {
            serde_json::from_str(text).map_err(|error| format!("`json_template` is no JSON: {error}"))
        }
        value => Ok(value.clone()),
    }
}

/// Returns the numbers of a range. They are counted, not added up, so that neither errors pile up nor the end is overshot.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the count is checked against its limit first"
)]
fn of_range(range: Range, kind: ParameterType) -> Result<Vec<Value>, String> {
    let Range { min, max, step } = range;
    if !(min.is_finite() && max.is_finite() && step.is_finite() && step > 0.0 && min <= max) {
        return Err(format!(
            "the range {min} to {max} in steps of {step} is empty: `min` must not exceed `max`, and `step` must be above 0"
        ));
    }
    let steps = ((max - min) / step + 1e-9).floor();
    if steps >= MAX_VALUES as f64 {
        return Err(format!(
            "the range has more than {MAX_VALUES} values: choose a larger `step`"
        ));
    }
    let digits = digits(min).max(digits(step));
    let number = |index: u32| {
        let value = f64::from(index).mul_add(step, min);
        let written = (digits <= MAX_DIGITS).then(|| format!("{value:.digits$}").parse().ok());
        written.flatten().unwrap_or(value)
    };
    match kind {
        ParameterType::Int => {
            if min.fract() != 0.0 || step.fract() != 0.0 || min.abs().max(max.abs()) > 9e15 {
                return Err("a range of whole numbers needs a whole `min` and a whole `step`".to_owned());
            }
            Ok((0..=steps as u32)
                .map(|index| Value::from(number(index) as i64))
                .collect())
        }
        ParameterType::Float => Ok((0..=steps as u32)
            .filter_map(|index| Number::from_f64(number(index)).map(Value::Number))
            .collect()),
        _ => Err("`range` is for the types `int` and `float`".to_owned()),
    }
}

/// Returns how many digits a number has after the point, as it is written in short.
fn digits(number: f64) -> usize {
    let written = number.to_string();
    written.split_once('.').map_or(0, |(_, digits)| digits.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: Result<&str, &str>) {
        let parameter: InputParameter = serde_saphyr::from_str(yaml).unwrap();
        match (of(&parameter), expected) {
            (Ok(values), Ok(expected)) => {
                assert_eq!(Value::from(values).to_string(), expected, "{yaml}");
            }
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{yaml}: {message}"),
            (other, _) => panic!("{yaml}: {other:?}"),
        }
    }

    #[test]
    fn values_come_from_the_list_the_range_the_pool_the_template_or_the_default() {
        check(
            "{type: string, values: [a, b, a], default: c}",
            Ok(r#"["a","b"]"#),
        );
        check("{type: string, values: [], default: c}", Ok(r#"["c"]"#));
        check("{type: string}", Ok("[null]"));
        check(
            "{type: file, file_pool: [a.pdf, {url: b}]}",
            Ok(r#"["a.pdf",{"url":"b"}]"#),
        );
        check(
            "{type: json, json_template: '{\"a\": [1]}'}",
            Ok(r#"[{"a":[1]}]"#),
        );
        check("{type: json, json_template: {a: 1}}", Ok(r#"[{"a":1}]"#));
        check("{type: bool, values: [true, false]}", Ok("[true,false]"));
    }

    #[test]
    fn a_range_never_overshoots_and_counts_in_clean_decimals() {
        check("{type: int, range: {min: 1, max: 10, step: 4}}", Ok("[1,5,9]"));
        check("{type: int, range: {min: -1, max: 1}}", Ok("[-1,0,1]"));
        check(
            "{type: float, range: {min: 0.1, max: 0.5, step: 0.1}}",
            Ok("[0.1,0.2,0.3,0.4,0.5]"),
        );
        check(
            "{type: float, range: {min: 0, max: 1, step: 0.4}}",
            Ok("[0.0,0.4,0.8]"),
        );
        check("{type: float, range: {min: 2, max: 2, step: 0.25}}", Ok("[2.0]"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("{type: int, range: {min: 2, max: 1}}", Err("is empty"));
        check("{type: int, range: {min: 0, max: 1, step: 0}}", Err("is empty"));
        check("{type: int, range: {min: 0, max: .inf}}", Err("is empty"));
        check("{type: int, range: {min: 0.5, max: 2}}", Err("whole"));
        check(
            "{type: float, range: {min: 0, max: 1, step: 1e-9}}",
            Err("more than 10000"),
        );
        check(
            "{type: string, range: {min: 0, max: 1}}",
            Err("`int` and `float`"),
        );
        check("{type: int, values: [a]}", Err("\"a\" is not a whole number"));
        check("{type: string, values: [12]}", Err("put it in quotes"));
        check("{type: int, values: [1], default: x}", Err("is not"));
        check(
            "{type: int, values: [1], range: {min: 0, max: 1}}",
            Err("more than one"),
        );
        check("{type: json, json_template: '{'}", Err("no JSON"));
        check("{type: string, file_pool: [a]}", Err("type `file`"));
    }
}
