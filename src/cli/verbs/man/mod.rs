//! `promptctl man`: the manual pages.

mod pages;
mod roff;

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use roff::Roff;

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
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    text.extend_from_slice(closing(command).as_bytes());
    found.push(Page {
        path: format!("man1/{}", man.get_filename()),
        text,
    });
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        push_command(found, verb)?;
    }
    Ok(())
}

/// Makes sections of what the help says at its end: each paragraph that begins with a title and a colon is one.
fn closing(command: &clap::Command) -> String {
    let help = command.get_after_long_help().or_else(|| command.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let mut page = Roff::part();
    for paragraph in help.split("\n\n") {
        page = match paragraph.split_once(":\n") {
            Some(("Exit codes", lines)) => page.section("EXIT STATUS").verbatim(lines),
            Some((title, lines)) => page.section(&title.to_uppercase()).verbatim(lines),
            None => match paragraph.strip_prefix("Exit codes: ") {
                Some(codes) => page.section("EXIT STATUS").paragraph(codes),
                None => page.paragraph(paragraph),
            },
        };
    }
    page.section("SEE ALSO")
        .paragraph("promptctl(1), promptd(8), promptd.yaml(5)")
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_help_becomes_sections_with_their_lines_kept() {
        let command = clap::Command::new("x")
            .after_help("Examples:\n  x a\n  x b\n\nMore to say.\n\nExit codes: 0 done.");
        let expected = ".SH EXAMPLES\n.PP\n.nf\n  x a\n  x b\n.fi\n.PP\nMore to say.\n.SH EXIT STATUS\n.PP\n0 done.\n\
            .SH SEE ALSO\n.PP\npromptctl(1), promptd(8), promptd.yaml(5)\n";
        assert_eq!(closing(&command), expected);
    }

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
