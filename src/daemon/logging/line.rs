//! One line of the log as plain data: what it says, what it is about, and its fields.

use std::fmt;

use tracing::field::{Field, Visit};

use crate::log_events::LogEvent;

/// The longest value of a field, in bytes; more is cut off. An entry must fit into one datagram.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// The field that says which kind of event a line is about.
const EVENT: &str = "event";

/// The fields that say about whom or what a line is, the one that counts first.
const SUBJECTS: [&str; 6] = ["peer_uid", "job_id", "prompt_id", "shard", "actor", "path"];

/// One line of the log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) message: String,
    pub(super) event: Option<LogEvent>,
    /// In the order of the call.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Line {
    /// Takes an event of `tracing` apart.
    pub(super) fn of(event: &tracing::Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        line
    }

    /// Returns the line as people read it: the message, and then the fields.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            let separator = if text.is_empty() { "" } else { " " };
            text.push_str(separator);
            text.push_str(name);
            text.push('=');
            text.push_str(&quoted(value));
        }
        text
    }

    /// Returns whom or what it is about, for counting; nothing when no field says so.
    pub(super) fn subject(&self) -> &str {
        let named = |name: &&str| self.fields.iter().find(|(field, _)| field == name);
        let found = SUBJECTS.iter().find_map(named);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            EVENT => self.event = LogEvent::of_name(&value),
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, cut(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, cut(format!("{value:?}")));
    }
}

/// A value with blanks in it would run into the next field, and one with a line break would look like another line.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"';
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

fn cut(mut value: String) -> String {
    if value.len() > MAX_VALUE_BYTES {
        let end = (0..=MAX_VALUE_BYTES)
            .rev()
            .find(|end| value.is_char_boundary(*end));
        value.truncate(end.unwrap_or(0));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[(&'static str, &str)]) -> Line {
        Line {
            message: "an actor ended".into(),
            event: Some(LogEvent::ActorRestarted),
            fields: fields
                .iter()
                .map(|(name, value)| (*name, (*value).into()))
                .collect(),
        }
    }

    #[test]
    fn a_line_for_people_has_the_fields_after_the_message_on_one_line() {
        let check = |fields: &[(&'static str, &str)], text: &str| assert_eq!(line(fields).text(), text);
        check(&[], "an actor ended");
        check(
            &[("shard", "69"), ("reason", "no \"room\"\nleft"), ("label", "")],
            "an actor ended shard=69 reason=\"no \\\"room\\\"\\nleft\" label=\"\"",
        );
    }

    #[test]
    fn a_line_is_about_its_peer_first_and_then_about_its_job_or_prompt() {
        let check = |fields: &[(&'static str, &str)], about: &str| assert_eq!(line(fields).subject(), about);
        check(&[("reason", "x")], "");
        check(&[("shard", "69"), ("prompt_id", "greet")], "greet");
        check(&[("prompt_id", "greet"), ("peer_uid", "1000")], "1000");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(cut("é".repeat(5_000)).len(), MAX_VALUE_BYTES);
        assert_eq!(cut("short".into()), "short");
    }
}
