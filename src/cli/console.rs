//! Data on the standard output, talk on the standard error.

use std::fmt;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::color::{ColorWhen, Paint, Palette};
use super::environment::Environment;
use super::exit::CliError;
use super::table::Table;
use super::visible::visible;

/// How wide a terminal is taken for that does not say it.
const DEFAULT_COLUMNS: u16 = 100;

/// Both outputs of promptctl, and how each wants to be written to.
pub(crate) struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Colour for data.
    pub(crate) palette: Palette,
    /// Colour for talk.
    pub(crate) talk_palette: Palette,
    /// Whether data goes to a terminal.
    pub(crate) is_terminal: bool,
    /// Whether talk goes to a terminal.
    pub(crate) talk_is_terminal: bool,
    columns: u16,
    is_quiet: bool,
}

impl Console {
    /// Makes the console of this process.
    pub(crate) fn of_process(env: &Environment, color: ColorWhen, is_quiet: bool) -> Self {
        let out = Box::new(BufWriter::new(io::stdout()));
        Self::new(env, color, is_quiet, out, Box::new(io::stderr()))
    }

    /// Makes a console on any two outputs.
    pub(crate) fn new(
        env: &Environment,
        color: ColorWhen,
        is_quiet: bool,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
    ) -> Self {
        Self {
            out,
            err,
            palette: color.palette(env, env.stdout_is_terminal),
            talk_palette: color.palette(env, env.stderr_is_terminal),
            is_terminal: env.stdout_is_terminal,
            talk_is_terminal: env.stderr_is_terminal,
            columns: env.columns.unwrap_or(DEFAULT_COLUMNS),
            is_quiet,
        }
    }

    /// Writes data as it is.
    pub(crate) fn data(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), CliError> {
        Ok(self.out.write_all(bytes.as_ref())?)
    }

    /// Writes a line of data.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), CliError> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Writes a text from the store: raw into a pipe; on a terminal with control characters made visible and a line
    /// feed at the end.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        if !self.is_terminal {
            return self.data(text);
        }
        self.data(visible(text).as_bytes())?;
        if text.ends_with('\n') {
            Ok(())
        } else {
            self.data("\n")
        }
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let json = serde_json::to_string(value).map_err(|error| CliError::failure(error.to_string()))?;
        self.line(json)
    }

    /// Writes a value as JSON on several lines.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let json =
            serde_json::to_string_pretty(value).map_err(|error| CliError::failure(error.to_string()))?;
        self.line(json)
    }

    /// Writes a table: for people on a terminal, tab-separated without a heading into a pipe.
    pub(crate) fn table(&mut self, table: &Table) -> Result<(), CliError> {
        let text = self.rendered(table);
        self.data(text)
    }

    /// Returns a table as it would be written.
    pub(crate) fn rendered(&self, table: &Table) -> String {
        if self.is_terminal {
            table.for_people(self.columns, self.palette)
        } else {
            table.for_programs()
        }
    }

    /// Says something, unless told to be quiet. What cannot be said is not worth failing for.
    pub(crate) fn say(&mut self, text: impl fmt::Display) {
        if !self.is_quiet {
            self.insist(visible(&text.to_string()));
        }
    }

    /// As [`Self::say`], for what is painted or rendered already, so that what is in it is up to the caller.
    pub(crate) fn say_painted(&mut self, text: impl fmt::Display) {
        if !self.is_quiet {
            self.insist(text);
        }
    }

    /// Says something even when told to be quiet; it may be painted, so that what is in it is up to the caller.
    pub(crate) fn insist(&mut self, text: impl fmt::Display) {
        drop(self.flush());
        drop(writeln!(self.err, "{text}"));
    }

    /// Asks on the standard error, without a line feed.
    pub(crate) fn ask(&mut self, question: impl fmt::Display) {
        drop(self.flush());
        drop(write!(self.err, "{question}"));
        drop(self.err.flush());
    }

    /// Warns.
    pub(crate) fn warn(&mut self, text: impl fmt::Display) {
        if !self.is_quiet {
            let word = self.talk_palette.paint(Paint::Notice, "warning:");
            self.insist(format_args!("{word} {}", visible(&text.to_string())));
        }
    }

    /// Reports why promptctl failed.
    pub(crate) fn report(&mut self, error: &CliError) {
        if error.message.is_empty() {
            return;
        }
        let (name, hint) = (
            self.talk_palette.paint(Paint::Bad, "promptctl:"),
            self.talk_palette.paint(Paint::Name, "hint:"),
        );
        self.insist(format_args!("{name} {}", visible(&error.message)));
        for text in &error.hints {
            self.insist(format_args!("{hint} {text}"));
        }
    }

    /// Tells whether to show progress: somebody looks at the talk and wants it.
    pub(crate) fn shows_progress(&self) -> bool {
        self.talk_is_terminal && !self.is_quiet
    }

    /// Hands everything that was written over to the system.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.out.flush()?)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("is_terminal", &self.is_terminal)
            .field("is_quiet", &self.is_quiet)
            .finish_non_exhaustive()
    }
}
