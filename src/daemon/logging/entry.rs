//! An entry of the journal as its native protocol has it: fields in capitals, one after the other.
//!
//! `tracing-journald` does the like, but puts nothing except the bare message into `MESSAGE`, so that `journalctl` shows no
//! field to who does not ask for it, and knows no `MESSAGE_ID`.

use tracing::{Level, Metadata};

use super::line::Line;

/// What the journal knows this program by, also when it runs outside of a unit.
const IDENTIFIER: &str = "promptd";

/// The longest name of a field that the journal takes, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Names that mean something to the journal. A field of ours that is called so gets the prefix `PROMPTD_`.
const RESERVED: [&str; 17] = [
    "CODE_FILE",
    "CODE_FUNC",
    "CODE_LINE",
    "DOCUMENTATION",
    "ERRNO",
    "INVOCATION_ID",
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "SYSLOG_FACILITY",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_PID",
    "SYSLOG_RAW",
    "TARGET",
    "TID",
    "UNIT",
    "USER_UNIT",
];

/// Returns the bytes of an entry.
pub(super) fn encode(line: &Line, metadata: &Metadata<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    put(&mut bytes, "MESSAGE", &line.text());
    put(&mut bytes, "PRIORITY", &priority(*metadata.level()).to_string());
    put(&mut bytes, "SYSLOG_IDENTIFIER", IDENTIFIER);
    put(&mut bytes, "TARGET", metadata.target());
    if let Some(file) = metadata.file() {
        put(&mut bytes, "CODE_FILE", file);
    }
    if let Some(number) = metadata.line() {
        put(&mut bytes, "CODE_LINE", &number.to_string());
    }
    if let Some(event) = line.event {
        put(&mut bytes, "MESSAGE_ID", event.message_id());
        put(&mut bytes, "EVENT", event.name());
    }
    for (name, value) in &line.fields {
        let name = field_name(name);
        if !name.is_empty() {
            put(&mut bytes, &name, value);
        }
    }
    bytes
}

/// Returns the priority of syslog: error 3, warning 4, informational 6, debug 7.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Returns the name of a field in the journal: capitals, digits and underscores, beginning with a letter.
fn field_name(name: &str) -> String {
    let upper = name.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    });
    let name: String = upper
        .skip_while(|c| !c.is_ascii_alphabetic())
        .take(MAX_NAME_BYTES)
        .collect();
    if RESERVED.contains(&name.as_str()) {
        format!("PROMPTD_{name}")
    } else {
        name
    }
}

/// A value that has a line break is written with its length.
fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_capitals_that_the_journal_takes_and_take_no_name_of_its_own() {
        let check = |name: &str, expected: &str| assert_eq!(field_name(name), expected);
        check("prompt_id", "PROMPT_ID");
        check("peer_uid", "PEER_UID");
        check("log.target", "LOG_TARGET");
        check("_pid", "PID");
        check("2nd", "ND");
        check("message", "PROMPTD_MESSAGE");
        check("unit", "PROMPTD_UNIT");
        check("__", "");
        check(&"x".repeat(100), &"X".repeat(64));
    }

    #[test]
    fn a_value_of_several_lines_is_written_with_its_length() {
        let mut bytes = Vec::new();
        put(&mut bytes, "A", "one");
        put(&mut bytes, "B", "one\ntwo");
        assert_eq!(bytes, b"A=one\nB\n\x07\0\0\0\0\0\0\0one\ntwo\n");
    }

    #[test]
    fn levels_are_priorities_of_syslog() {
        let check = |level, expected| assert_eq!(priority(level), expected);
        check(Level::ERROR, 3);
        check(Level::WARN, 4);
        check(Level::INFO, 6);
        check(Level::DEBUG, 7);
        check(Level::TRACE, 7);
    }
}
