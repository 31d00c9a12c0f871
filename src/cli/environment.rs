//! What promptctl knows of the world it was started in.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Variables and terminals of the process. Everything that depends on them takes this, so that it can be tested.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    vars: Vec<(String, String)>,
    /// Whether standard input is a terminal.
    pub stdin_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// How many columns the terminal has, where there is one.
    pub columns: Option<u16>,
    /// The program file of this process, where it is known.
    pub executable: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let terminal = std::io::stdout();
        let size = rustix::termios::tcgetwinsize(&terminal).ok();
        Self {
            vars: std::env::vars_os().filter_map(text_pair).collect(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stdout_is_terminal: terminal.is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            columns: size.map(|size| size.ws_col).filter(|columns| *columns > 0),
            executable: std::env::current_exe().ok(),
        }
    }

    /// Makes an environment without terminals, with the given variables.
    #[must_use]
    pub fn of_vars<const N: usize>(vars: [(&str, &str); N]) -> Self {
        Self {
            vars: vars
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Self::default()
        }
    }

    /// Returns every variable whose name and value are text.
    #[must_use]
    pub fn vars(&self) -> &[(String, String)] {
        &self.vars
    }

    /// Returns a variable that is set to something.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.var_or_empty(name).filter(|value| !value.is_empty())
    }

    /// Returns a variable that is set, also to the empty text.
    #[must_use]
    pub fn var_or_empty(&self, name: &str) -> Option<&str> {
        let (_, value) = self.vars.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

fn text_pair((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
