//! `promptctl audit`: who changed what and when.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::audit::verify::{AuditReport, verify_directory};
use crate::audit::{Entry, Hash};
use crate::cli::age::Age;
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::wording::counted;
use crate::client::AuditFilter;
use crate::model::{PromptId, Timestamp};
use crate::storage::Action;

/// How often `--follow` asks for what is new.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  promptctl audit                              the newest changes first
  promptctl audit --prompt greet --since 7d
  promptctl audit --action set-label --json
  promptctl audit --user ann --follow
  promptctl audit verify                       is the log whole?
  promptctl audit verify /var/lib/promptd/store     the same without a daemon
  promptctl audit verify --head HASH           does it still hold what it held when that hash was printed?

Exit codes: 1 the log is broken, 77 only an admin may read it.";

/// Show who changed what and when, and check that the log of it is whole
///
/// The newest first. Columns in a pipe: number, time, user, action, what, from, to, what came of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    verb: Option<AuditVerb>,

    /// Only changes of this prompt
    #[arg(long, value_name = "NAME")]
    prompt: Option<PromptId>,

    /// Only what this user did, by name or number; 'outside' for other programs
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Only this action, such as create, delete or set-label
    #[arg(long, value_name = "ACTION")]
    action: Option<Action>,

    /// Only what is not older: an age such as 7d, or a time such as 2026-11-22T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    since: Option<Timestamp>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    /// Also the entries that say that something is about to be done
    #[arg(long)]
    intended: bool,

    /// Go on with what is logged from now on, the oldest first, until interrupted
    #[arg(short, long)]
    follow: bool,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// Check each line of the log against the one before; exit code 1 when the log is broken
    ///
    /// Prints the hash of the last entry. Kept elsewhere and given as --head later, it shows that nothing before it was
    /// changed or cut off since.
    Verify {
        /// A store, or a directory with the files of a log; without it, the daemon checks its own
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// The hash of an entry that must be there
        #[arg(long, value_name = "HASH")]
        head: Option<Hash>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what was asked.
pub(super) async fn run(args: AuditArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.verb {
        Some(AuditVerb::Verify { dir, head, json }) => verify(dir, head, json, session).await,
        None => list(args, session).await,
    }
}

async fn list(args: AuditArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    let filter = AuditFilter {
        prompt: args.prompt,
        user: args.user,
        action: args.action,
        since: args.since,
        intended: args.intended,
        newest_first: true,
    };
    let mut found = Vec::new();
    let mut pages = client.audit(&filter, None).limit(args.limit.clamp(1, 1_000));
    while found.len() < args.limit {
        let Some(items) = pages.next().await? else { break };
        found.extend(items);
    }
    found.truncate(args.limit);
    if args.follow {
        found.reverse();
    }
    show(&found, args.json, session)?;
    if !args.follow {
        if found.is_empty() {
            session.console.say("nothing is logged");
        }
        return Ok(Exit::Success);
    }
    let mut after = found.last().map_or(0, |entry| entry.seq);
    let filter = AuditFilter {
        newest_first: false,
        ..filter
    };
    loop {
        session.console.flush()?;
        tokio::time::sleep(FOLLOW_INTERVAL).await;
        let mut pages = client.audit(&filter, Some(after));
        while let Some(items) = pages.next().await? {
            after = items.last().map_or(after, |entry| entry.seq);
            show(&items, args.json, session)?;
        }
    }
}

fn show(entries: &[Entry], json: bool, session: &mut Session) -> Result<(), CliError> {
    let mut table = Table::new(["NO", "WHEN", "WHO", "ACTION", "WHAT", "FROM", "TO", "OUTCOME"]);
    for entry in entries {
        if json {
            session.console.json_line(entry)?;
            continue;
        }
        let draft = &entry.draft;
        let outcome = serde_json::to_value(draft.outcome).unwrap_or_default();
        table.row([
            Cell::of(entry.seq),
            Cell::time(Some(&entry.at)),
            Cell::of(&draft.user),
            Cell::of(draft.action),
            Cell::of(what(entry)),
            Cell::maybe(draft.from.as_ref()),
            Cell::maybe(draft.to.as_ref()),
            Cell::of(outcome.as_str().unwrap_or_default()),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    session.console.table(&table)
}

/// Says what an entry is about: the version, the label, or what it says in words.
fn what(entry: &Entry) -> String {
    let draft = &entry.draft;
    let Some(id) = &draft.prompt_id else {
        return draft.detail.clone().unwrap_or_default();
    };
    match (&draft.label, &draft.version) {
        (Some(label), _) => format!("{id} {label}"),
        (None, Some(version)) => format!("{id}@{version}"),
        (None, None) => id.to_string(),
    }
}

async fn verify(
    dir: Option<PathBuf>,
    head: Option<Hash>,
    json: bool,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let asked = head.as_ref().map(ToString::to_string);
    let report = match dir {
        Some(dir) => verify_directory(&dir, head)
            .map_err(|error| CliError::file("reading the audit log in", &dir, &error))?,
        None => session.client().verify_audit(asked.as_deref()).await?,
    };
    if json {
        session.console.json(&report)?;
    } else {
        if let Some(head) = &report.head {
            session.console.line(head)?;
        }
        session.console.say(summary(&report));
    }
    if report.is_sound() {
        return Ok(Exit::Success);
    }
    if !json {
        session.console.insist(complaint(&report));
    }
    Ok(Exit::Failure)
}

fn summary(report: &AuditReport) -> String {
    let entries = match report.entries {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    let begins = match report.first_seq {
        Some(first) if first > 1 => format!("; it begins with entry {first}, older files were removed"),
        _ => String::new(),
    };
    format!("{entries} in {}{begins}", counted(report.segments, "file"))
}

fn complaint(report: &AuditReport) -> String {
    match &report.broken {
        Some(broken) => format!(
            "promptctl: the log is broken at {}:{}: {}",
            broken.segment, broken.line, broken.reason
        ),
        None => "promptctl: the log does not hold the entry with that hash: it was cut off or written anew"
            .to_owned(),
    }
}

fn read_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(age) = text.parse::<Age>() {
        let seconds = i64::try_from(age.seconds).map_err(|error| error.to_string())?;
        let then = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds));
        return then
            .map(Timestamp::from_instant)
            .map_err(|error| error.to_string());
    }
    Timestamp::new(text).map_err(|error| format!("{error}, or an age such as 7d"))
}
