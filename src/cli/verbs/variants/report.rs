//! What was or would be made, for people and for programs.

use std::path::Path;

use serde_json::{Value, json};

use super::MakeArgs;
use super::make::Made;
use super::outbox::State;
use crate::cli::color::{Paint, Palette};
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::verbs::diff::words;
use crate::cli::visible::visible;
use crate::cli::wording::counted;
use crate::model::PromptId;
use crate::variants::patch::Built;
use crate::versions::compare::word_changes;

/// Shows it.
pub(super) fn show(
    made: &Made,
    output: &Path,
    states: &[State],
    args: &MakeArgs,
    session: &mut Session,
) -> Result<(), CliError> {
    if args.json {
        return session.console.json_line(&as_json(made, output, states, args));
    }
    let mut table = Table::new(["VARIANT", "DOCUMENT", "STATE", "CHANGES", "CASES"]).numbers([3, 4]);
    for ((name, built), state) in made.assembled.variants.iter().zip(states) {
        table.row([
            Cell::of(&built.variant),
            Cell::of(name),
            Cell::of(state.word()),
            Cell::of(built.changes.len()),
            Cell::of(cases(made, &built.variant)),
        ]);
    }
    session.console.table(&table)?;
    if args.diff {
        let palette = session.console.palette;
        for (_, built) in &made.assembled.variants {
            session.console.data(difference(built, palette))?;
        }
    }
    let what = format!(
        "{}, {}",
        counted(made.assembled.variants.len() as u64, "variant"),
        counted(made.assembled.cases.len() as u64, "case")
    );
    if args.dry_run {
        session.console.say(format_args!("{what}; nothing was written"));
        return Ok(());
    }
    let output = output.display();
    session.console.say(format_args!("{what} in {output}"));
    session.console.say(format_args!(
        "'promptctl variants run {output} -- COMMAND' calls a command for each case"
    ));
    Ok(())
}

fn cases(made: &Made, variant: &str) -> usize {
    let cases = made.assembled.cases.iter();
    cases.filter(|case| case.variant == variant).count()
}

fn as_json(made: &Made, output: &Path, states: &[State], args: &MakeArgs) -> Value {
    let variants = made.assembled.variants.iter().zip(states);
    let variants: Vec<Value> = variants
        .map(|((document, built), state)| {
            let changes = built
                .changes
                .iter()
                .map(|change| json!({"pointer": change.pointer, "prompt_id": change.prompt_id}));
            json!({
                "variant": built.variant,
                "document": document,
                "state": state.word(),
                "changes": changes.collect::<Vec<_>>(),
                "cases": cases(made, &built.variant),
            })
        })
        .collect();
    json!({
        "output": output.display().to_string(),
        "workflow": made.workflow.slug,
        "written": !args.dry_run,
        "variants": variants,
        "cases": made.assembled.cases.len(),
        "warnings": made.assembled.warnings,
    })
}

/// Shows what a variant changes, word by word.
fn difference(built: &Built, palette: Palette) -> String {
    let mut shown = String::new();
    for change in &built.changes {
        let place = change
            .prompt_id
            .as_ref()
            .map_or(change.pointer.as_str(), PromptId::as_str);
        let title = format!("{}: {place}", built.variant);
        shown.push_str(&format!(
            "\n{}\n",
            palette.paint(Paint::Heading, &visible(&title))
        ));
        let changes = word_changes(&visible(&change.before), &visible(&change.after));
        shown.push_str(&words::render(&changes, palette));
    }
    shown
}
