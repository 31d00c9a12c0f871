//! Editing a text in the user's editor.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use tempfile::{Builder, NamedTempFile};

use super::environment::Environment;
use super::exit::CliError;
use super::files;
use super::interrupt;
use super::session::Session;

/// The editor of those who chose none.
const DEFAULT_EDITOR: &str = "vi";

/// The line between what promptctl says and the text.
const CUT: &str = "# ------------------------ the text begins below this line ------------------------";

/// A text that is being edited, in a file of its own.
#[derive(Debug)]
pub(crate) struct Draft {
    file: NamedTempFile,
    heading: Vec<String>,
    adds_line_feed: bool,
}

/// Returns the command of the editor.
fn choose(env: &Environment) -> &str {
    ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| env.var(name))
        .unwrap_or(DEFAULT_EDITOR)
}

impl Draft {
    /// Writes a text with some lines of explanation above it into a private file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn new(name: &str, explanation: &[String], text: &str) -> Result<Self, CliError> {
        let heading = heading(explanation);
        let content = template(&heading, text);
        let file = Builder::new()
            .prefix(&format!("promptctl-{name}-"))
            .suffix(".txt")
            .tempfile()
            .and_then(|mut file| file.write_all(content.as_bytes()).map(|()| file))
            .map_err(|error| CliError::failure(format!("writing a temporary file: {error}")))?;
        Ok(Self {
            file,
            heading,
            adds_line_feed: !text.ends_with('\n'),
        })
    }

    /// Lets the user edit the text and returns it as it is afterwards.
    ///
    /// # Errors
    /// When the editor fails; the file then stays, and the error names it.
    pub(crate) fn edit(self, session: &mut Session) -> Result<(Self, String), CliError> {
        let command = choose(&session.env).to_owned();
        session.console.flush()?;
        let ran = {
            let _held = interrupt::hold();
            Command::new("sh")
                .arg("-c")
                .arg(format!("{command} \"$@\""))
                .arg(&command)
                .arg(self.file.path())
                .status()
        };
        let failed = match ran {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("the editor '{command}' ended with {status}")),
            Err(error) => Some(format!("the editor '{command}' cannot be started: {error}")),
        };
        if let Some(message) = failed {
            let hint = "set $VISUAL or $EDITOR to another editor";
            return Err(self.kept(CliError::failure(message).hint(hint)));
        }
        // The path is read anew: editors write another file under the same name.
        match files::read_text(self.file.path()) {
            Ok(content) => {
                let text = text_of(&content, &self.heading, self.adds_line_feed);
                Ok((self, text))
            }
            Err(error) => Err(self.kept(error)),
        }
    }

    /// Keeps the file and adds to an error where it is.
    pub(crate) fn kept(self, error: CliError) -> CliError {
        match self.keep() {
            Some(path) => error.hint(format!("your text is kept in {}", path.display())),
            None => error,
        }
    }

    fn keep(self) -> Option<PathBuf> {
        self.file.into_temp_path().keep().ok()
    }
}

fn heading(explanation: &[String]) -> Vec<String> {
    let said = explanation.iter().map(|line| format!("# {line}"));
    said.chain([CUT.to_owned()]).collect()
}

fn template(heading: &[String], text: &str) -> String {
    let mut content = heading.join("\n");
    content.push('\n');
    content.push_str(text);
    if !text.ends_with('\n') {
        content.push('\n');
    }
    content
}

/// Takes the heading off again, and the line feed that was put behind the text. Other lines that begin with `#` belong to
/// the text: prompts have headings.
fn text_of(content: &str, heading: &[String], added_line_feed: bool) -> String {
    let mut rest = content;
    while let Some((line, after)) = rest.split_once('\n') {
        if !heading.iter().any(|known| known == line.trim_end_matches('\r')) {
            break;
        }
        rest = after;
    }
    let text = if added_line_feed {
        rest.strip_suffix('\n').unwrap_or(rest)
    } else {
        rest
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let heading = heading(&["greet@1.2.0".to_owned(), "Save and leave.".to_owned()]);
        let content = template(&heading, text);
        assert!(
            content.starts_with("# greet@1.2.0\n# Save and leave.\n# ---"),
            "{content}"
        );
        assert_eq!(text_of(&content, &heading, !text.ends_with('\n')), text);
    }

    #[test]
    fn an_untouched_draft_is_the_same_text() {
        for text in [
            "Say hello.",
            "Say hello.\n",
            "# Heading\n\ntext",
            "",
            "\n",
            "a\r\nb",
        ] {
            check(text);
        }
    }

    #[test]
    fn headings_of_the_prompt_stay_and_the_explanation_may_be_deleted() {
        let heading = heading(&["greet@1.2.0".to_owned()]);
        let check = |content: &str, expected: &str| assert_eq!(text_of(content, &heading, true), expected);
        check("# greet@1.2.0\n# Task\nDo it.\n", "# Task\nDo it.");
        check("# Task\nDo it.\n", "# Task\nDo it.");
        check(&format!("{CUT}\n{CUT}\ntext\n"), "text");
        check("", "");
    }

    #[test]
    fn the_editor_is_the_users_choice() {
        assert_eq!(
            choose(&Environment::of_vars([("VISUAL", "code -w"), ("EDITOR", "ed")])),
            "code -w"
        );
        assert_eq!(
            choose(&Environment::of_vars([("VISUAL", ""), ("EDITOR", "ed")])),
            "ed"
        );
        assert_eq!(choose(&Environment::default()), "vi");
    }
}
