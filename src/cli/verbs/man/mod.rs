//! `promptctl man`: the manual pages.

mod pages;
mod roff;

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use crate::cli::exit::{CliError, Exit};
use crate::cli::files::{self, Written};
use crate::cli::session::Session;

const EXAMPLES: &str = "\
Examples:
  promptctl man /usr/local/share/man
  promptctl man man/ && man -M man promptctl";

/// Write the manual pages
///
/// These are promptctl(1), one for each verb, promptd.yaml(5) and promptd(8). They go to man1, man5 and man8 below the directory. Existing pages are replaced.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes them and prints their paths.
pub(super) fn run(args: &ManArgs, session: &mut Session) -> Result<Exit, CliError> {
    for page in all_pages()? {
        let path = args.directory.join(&page.path);
        match files::write_atomically(&path, &page.text, true) {
            Ok(Written::New | Written::Unchanged | Written::Refused) => {
                session.console.line(path.display())?;
            }
            Err(error) => return Err(CliError::file("writing", &path, &error)),
        }
    }
    Ok(Exit::Success)
}

/// A manual page as it lies in the file system.
struct Page {
    /// Such as `man1/promptctl.1`.
    path: String,
    text: Vec<u8>,
}

fn all_pages() -> Result<Vec<Page>, CliError> {
    let mut command = crate::cli::command().disable_help_subcommand(true);
    command.build();
    let mut found = Vec::new();
    push_command(&mut found, &command)?;
    found.push(Page {
        path: "man5/promptd.yaml.5".to_owned(),
        text: pages::configuration().into_bytes(),
    });
    found.push(Page {
        path: "man8/promptd.8".to_owned(),
        text: pages::daemon().into_bytes(),
    });
    Ok(found)
}

/// Adds the page of a command and of everything below it.
fn push_command(found: &mut Vec<Page>, command: &clap::Command) -> Result<(), CliError> {
    let man = Man::new(command.clone())
        .source(format!("promptd {}", env!("CARGO_PKG_VERSION")))
        .manual("promptd manual");
    let mut text = Vec::new();
    man.render(&mut text)?;
    found.push(Page {
        path: format!("man1/{}", man.get_filename()),
        text,
    });
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        push_command(found, verb)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_the_daemon_and_its_configuration_have_a_page() {
        let pages = all_pages().unwrap();
        let paths: Vec<&str> = pages.iter().map(|page| page.path.as_str()).collect();
        for path in [
            "man1/promptctl.1",
            "man1/promptctl-put.1",
            "man1/promptctl-import-dsl.1",
            "man5/promptd.yaml.5",
            "man8/promptd.8",
        ] {
            assert!(paths.contains(&path), "{path} is missing among {paths:?}");
        }
        assert!(
            !paths.iter().any(|path| path.contains("__complete")),
            "hidden verbs have no page"
        );
        for page in &pages {
            let text = String::from_utf8_lossy(&page.text);
            assert!(
                text.contains(".TH ") && text.contains(".SH NAME"),
                "{}",
                page.path
            );
        }
    }
}
