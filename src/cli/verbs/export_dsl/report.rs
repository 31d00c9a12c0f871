//! What was or would be put back, for people and for programs.

use serde_json::{Value, json};

use super::DslArgs;
use super::plan::{Place, Plan, State};
use crate::cli::color::{Paint, Palette};
use crate::cli::exit::CliError;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::verbs::diff::words;
use crate::cli::visible::visible;
use crate::versions::compare::word_changes;

/// Shows it: on the standard output, unless the patched workflow goes there.
pub(super) fn show(plan: &Plan, args: &DslArgs, session: &mut Session) -> Result<(), CliError> {
    for place in &plan.places {
        warn_of_references(place, session);
    }
    let palette = if args.prints_document() {
        session.console.talk_palette
    } else {
        session.console.palette
    };
    if args.json {
        return plan
            .places
            .iter()
            .try_for_each(|place| session.console.json_line(&as_json(place)));
    }
    let table = table(plan);
    let mut text = session.console.rendered(&table);
    for place in &plan.places {
        // A conflict is shown in any case: it cannot be judged without both texts.
        if place.state == State::Conflict || (args.diff && place.state == State::Changed) {
            text.push_str(&difference(place, palette));
        }
    }
    if args.prints_document() {
        session.console.say_painted(text.trim_end());
        Ok(())
    } else {
        session.console.data(text)
    }
}

fn table(plan: &Plan) -> Table {
    let mut table = Table::new(["PROMPT", "FROM", "TO", "STATE", "PLACE", "NOTE"]);
    for place in &plan.places {
        table.row([
            Cell::of(&place.prompt_id),
            Cell::maybe(place.from.as_ref()),
            Cell::maybe(place.to.as_ref()),
            Cell::of(place.state.word()),
            Cell::of(&place.prompt.pointer),
            Cell::of(note(place)),
        ]);
    }
    table
}

/// Says what the other columns do not.
fn note(place: &Place) -> String {
    match (&place.state, &place.done) {
        (State::Refused(reason), _) => reason.clone(),
        (State::Conflict, _) => "the text in the file is of no stored version".to_owned(),
        (State::Changed, Some(done)) if done.place.old_style != done.place.new_style => {
            format!("now {}", done.place.new_style)
        }
        _ => String::new(),
    }
}

fn as_json(place: &Place) -> Value {
    let done = place.done.as_ref();
    let texts = (place.state == State::Conflict).then_some((&place.prompt.text, &place.text));
    json!({
        "prompt_id": place.prompt_id,
        "from": place.from.as_ref().map(ToString::to_string),
        "to": place.to.as_ref().map(ToString::to_string),
        "state": place.state.word(),
        "pointer": place.prompt.pointer,
        "note": note(place),
        "line": done.map(|done| done.place.line),
        "also": done.and_then(|done| done.also.as_ref()),
        "lost_references": done.map_or(&[][..], |done| &done.lost_references),
        "new_references": done.map_or(&[][..], |done| &done.new_references),
        "file_text": texts.map(|(file, _)| file),
        "store_text": texts.map(|(_, store)| store),
    })
}

/// Shows the text in the file against the one to put back.
fn difference(place: &Place, palette: Palette) -> String {
    let from = match &place.from {
        Some(version) => version.to_string(),
        None => "the file".to_owned(),
    };
    let to = place.to.as_ref().map(ToString::to_string).unwrap_or_default();
    let heading = palette.paint(Paint::Heading, &format!("{}: {from} -> {to}", place.prompt_id));
    let changes = word_changes(&visible(&place.prompt.text), &visible(&place.text));
    format!("\n{heading}\n{}", words::render(&changes, palette))
}

fn warn_of_references(place: &Place, session: &mut Session) {
    let Some(done) = &place.done else {
        return;
    };
    if !done.lost_references.is_empty() {
        let lost = done.lost_references.join(", ");
        session.console.warn(format_args!(
            "{}: the text no longer refers to {lost}",
            place.prompt_id
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dify::{ExtractOptions, extract, prompt_ids};

    fn plan(state: State) -> Plan {
        let document =
            "graph: {nodes: [{id: n, data: {type: llm, prompt_template: [{role: user, text: Be kind.}]}}]}\n";
        let found = extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        let mut plan = Plan::new(prompt_ids("w", &found.prompts), found.prompts, &[]).unwrap();
        plan.places[0].state = state;
        plan.places[0].text = "Be very kind.".to_owned();
        plan
    }

    #[test]
    fn a_conflict_names_both_texts() {
        let plan = plan(State::Conflict);
        assert_eq!(
            table(&plan).for_programs(),
            "w_n_user_0\t\t\tconflict\t/graph/nodes/0/data/prompt_template/0/text\tthe text in the file is of no stored version\n"
        );
        let shown = as_json(&plan.places[0]);
        assert_eq!(
            (&shown["file_text"], &shown["store_text"]),
            (&json!("Be kind."), &json!("Be very kind."))
        );
        let difference = difference(&plan.places[0], Palette::PLAIN);
        assert!(difference.contains("Be {+very +}kind."), "{difference}");
    }

    #[test]
    fn texts_stay_out_of_what_is_said_about_the_others() {
        let shown = as_json(&plan(State::Unchanged).places[0]);
        assert!(shown["file_text"].is_null() && shown["store_text"].is_null());
        assert_eq!(shown["state"], "unchanged");
    }
}
