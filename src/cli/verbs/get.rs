//! `promptctl get`: print a version.

use clap::Args;
use serde_json::Value;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::model::{Integrity, VersionRef};

const EXAMPLES: &str = "\
Examples:
  promptctl get greet                         the text of the latest version
  promptctl get greet@production > prompt.txt
  promptctl get greet@1.2.0 --json            the whole document, as its file has it
  promptctl get greet --field analysis.overall_score
  promptctl get greet --field prompt.variables";

/// Print the text of a version
///
/// Into a pipe or a file the text goes to the byte; a terminal shows control characters as pictures.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArgs {
    /// The version: NAME, or NAME@REF
    #[arg(value_name = "NAME@REF")]
    reference: VersionRef,

    /// Print the whole version document
    #[arg(long, conflicts_with = "field")]
    json: bool,

    /// Print one field of the document, by its path with dots; text as it is, everything else as JSON
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
}

/// Prints it.
pub(super) async fn run(args: GetArgs, session: &mut Session) -> Result<Exit, CliError> {
    let VersionRef { prompt_id, selector } = &args.reference;
    let document = session.client().version(prompt_id, selector).await?;
    if document.integrity == Some(Integrity::Edited) {
        let note = format!("{} was changed by hand since promptd wrote it", args.reference);
        session.console.warn(note);
    }
    if args.json {
        let text = String::from_utf8_lossy(&document.bytes);
        session.console.text(&text)?;
        return Ok(Exit::Success);
    }
    let value = document.value()?;
    let path = args.field.as_deref().unwrap_or("prompt.text");
    match field(&value, path) {
        Ok(Value::String(text)) => session.console.text(text)?,
        Ok(other) => session.console.json(other)?,
        Err(missing) => {
            let message = format!("{} has no field {}", args.reference, missing.path);
            let hint = format!("fields there: {}", missing.there.join(", "));
            return Err(CliError::new(Exit::NotFound, message).hint(hint));
        }
    }
    Ok(Exit::Success)
}

/// A field that is not there, and those that are in its place.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    path: String,
    there: Vec<String>,
}

/// Follows a path with dots; keys that have dots themselves are found, too, the longest first.
fn field<'v>(value: &'v Value, path: &str) -> Result<&'v Value, Missing> {
    if let Some(found) = step(value, path) {
        return Ok(found);
    }
    let cuts = path.rmatch_indices('.').map(|(at, _)| path.split_at(at));
    for (head, rest) in cuts {
        if let Some(inner) = step(value, head) {
            return field(inner, rest.trim_start_matches('.')).map_err(|missing| Missing {
                path: format!("{head}.{}", missing.path),
                ..missing
            });
        }
    }
    let there = match value {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(items) if !items.is_empty() => vec![format!("0 to {}", items.len() - 1)],
        _ => vec!["none".to_owned()],
    };
    Err(Missing {
        path: path.to_owned(),
        there,
    })
}

fn step<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => value.get(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &str, expected: Result<Value, (&str, &[&str])>) {
        let document =
            json!({"prompt": {"text": "t", "variables": ["a", "b"]}, "metadata": {"a.b": {"c": 1}}});
        let found = field(&document, path).cloned();
        let expected = expected.map_err(|(path, there)| Missing {
            path: path.to_owned(),
            there: there.iter().map(|key| (*key).to_owned()).collect(),
        });
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn fields_are_found_by_their_path() {
        check("prompt.text", Ok(json!("t")));
        check("prompt.variables", Ok(json!(["a", "b"])));
        check("prompt.variables.1", Ok(json!("b")));
        check("metadata.a.b.c", Ok(json!(1)));
    }

    #[test]
    fn a_missing_field_is_named_with_those_beside_it() {
        check("prompt.txt", Err(("prompt.txt", &["text", "variables"])));
        check("prompt.variables.2", Err(("prompt.variables.2", &["0 to 1"])));
        check("score", Err(("score", &["prompt", "metadata"])));
        check("prompt.text.x", Err(("prompt.text.x", &["none"])));
    }
}
