//! `promptctl doctor`: finds and explains what is wrong with an installation, whether promptd runs or not.
//!
//! First facts are gathered ([`gather`]), then they are judged ([`judge`], pure), then what was found is shown.

mod facts;
mod finding;
mod gather;
mod judge;
mod judge_daemon;
mod judge_units;
mod look_at_store;
mod system;

use clap::Args;
use serde_json::json;

use crate::cli::color::{Paint, Palette};
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::visible::visible_line;
use crate::cli::wording::counted;

use finding::{Finding, Level};

const EXAMPLES: &str = "\
Examples:
  promptctl doctor                       what is wrong, why it matters, and what to do
  promptctl doctor --all                 also what is as it should be
  promptctl doctor --json | jq '.findings[] | select(.level == \"problem\")'
  sudo -u promptd promptctl doctor --socket /run/promptd/promptd.sock

Exit codes: 0 nothing is broken, 1 something is. Warnings and notes leave it at 0, unless --strict is given.";

/// Find and explain what is wrong with this installation of promptd
///
/// Looks at the configuration, the units of systemd, the socket, the daemon, the store and its disk, inotify, backups and
/// the clock. Works whether promptd runs or not, and changes nothing.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Show also what is as it should be
    #[arg(short, long)]
    all: bool,
    /// Let warnings count, too
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks, judges and says.
pub(super) async fn run(args: DoctorArgs, session: &mut Session) -> Result<Exit, CliError> {
    let findings = judge::judge(&gather::gather(session).await);
    let worst = findings.iter().map(|finding| finding.level).max();
    let is_broken = match worst {
        Some(Level::Problem) => true,
        Some(Level::Warning) => args.strict,
        _ => false,
    };
    if args.json {
        session
            .console
            .json(&json!({"broken": is_broken, "findings": findings}))?;
    } else {
        let text = render(&findings, args.all, session.console.palette);
        session.console.data(text)?;
    }
    Ok(if is_broken { Exit::Failure } else { Exit::Success })
}

/// Shows the worst first; what is as it should be only when asked for, and counted otherwise.
fn render(findings: &[Finding], all: bool, palette: Palette) -> String {
    let mut sorted: Vec<&Finding> = findings
        .iter()
        .filter(|finding| all || finding.level > Level::Ok)
        .collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let mut text = String::new();
    for finding in sorted {
        let (word, paint) = match finding.level {
            Level::Problem => ("problem", Paint::Bad),
            Level::Warning => ("warning", Paint::Notice),
            Level::Note => ("note", Paint::Faint),
            Level::Ok => ("ok", Paint::Good),
        };
        let what = visible_line(&finding.what);
        text.push_str(&format!(
            "{}  {}: {what}\n",
            palette.paint(paint, word),
            finding.area
        ));
        if !finding.why.is_empty() {
            text.push_str(&format!("    why: {}\n", visible_line(&finding.why)));
        }
        for step in &finding.fix {
            text.push_str(&format!("    do:  {}\n", visible_line(step)));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    text.push_str(&format!(
        "{}, {}, {}, {} as it should be\n",
        counted(count(Level::Problem), "problem"),
        counted(count(Level::Warning), "warning"),
        counted(count(Level::Note), "note"),
        count(Level::Ok)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_what_is_well_is_only_counted() {
        let findings = [
            Finding::ok("clock", "it shows a time that can be"),
            Finding::note("manual pages", "not installed").fix("promptctl man DIR"),
            Finding::problem("socket", "/s is \u{1b}[31m no socket")
                .why("promptd does not start")
                .fix("move it away"),
        ];
        insta::assert_snapshot!(render(&findings, false, Palette::PLAIN), @r"
        problem  socket: /s is ␛[31m no socket
            why: promptd does not start
            do:  move it away
        note  manual pages: not installed
            do:  promptctl man DIR
        1 problem, 0 warnings, 1 note, 1 as it should be
        ");
    }
}
