//! `promptctl job`: long work of the daemon.

use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::exit::{CliError, Exit};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::table::{Cell, Table};
use crate::cli::visible::visible_line;
use crate::client::Client;
use crate::http::wire::{JobState, JobView};

const EXAMPLES: &str = "\
Examples:
  promptctl job list --state failed
  promptctl job submit rebuild_index --wait
  promptctl job show 0198c2f3-...
  promptctl job show 0198c2f3-... --follow --json
  promptctl job cancel 0198c2f3-...";

/// List, follow and cancel long work of the daemon
///
/// Jobs are imports, optimisations, verifications, collections, backups, restorings and rebuilds of the index.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List jobs, the newest first. Columns in a pipe: id, kind, state, progress, time, who submitted it
    List {
        /// Only jobs in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Show at most so many jobs
        #[arg(short = 'n', long = "limit", value_name = "COUNT", default_value_t = 50)]
        limit: usize,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Submit a job with no parameters, and print its id
    ///
    /// The other kinds need parameters and have verbs of their own: import, collect, optimize, restore and verify_backup
    /// (promptctl import, collect, optimize, restore and backup verify).
    Submit {
        /// What to do: verify, rebuild_index or backup
        kind: String,
        /// Wait for its end; exit code 1 when it did not succeed
        #[arg(long)]
        wait: bool,
        /// Print the job as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a job
    Show {
        /// Its id
        id: String,
        /// Show it again whenever it changes, until it has ended
        #[arg(long)]
        follow: bool,
        /// Print JSON; with --follow one object per line
        #[arg(long)]
        json: bool,
    },
    /// Wait for the end of a job and show it; exit code 1 when it did not succeed
    Wait {
        /// Its id
        id: String,
        /// Print the job as JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel a job. What it has done so far stays
    Cancel {
        /// Its id
        id: String,
        /// Print the job as JSON
        #[arg(long)]
        json: bool,
    },
}

/// The states of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// Does what was asked.
pub(super) async fn run(args: JobArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.client();
    match args.action {
        Action::List { state, limit, json } => list(&client, state, limit, json, session).await,
        Action::Submit { kind, wait, json } => {
            let job = client.submit_job(&kind, Map::new()).await?;
            if wait {
                let job = wait_for(&client, &job.job_id, session).await?;
                return ended(&job, json, session);
            }
            if json {
                session.console.json_line(&job)?;
            } else {
                session.console.line(&job.job_id)?;
            }
            Ok(Exit::Success)
        }
        Action::Show {
            id,
            follow: true,
            json,
        } => follow(&client, &id, json, session).await,
        Action::Show {
            id,
            follow: false,
            json,
        } => {
            let job = client.job(&id, std::time::Duration::ZERO).await?;
            show(&job, json, session)?;
            Ok(Exit::Success)
        }
        Action::Wait { id, json } => {
            let job = wait_for(&client, &id, session).await?;
            ended(&job, json, session)
        }
        Action::Cancel { id, json } => {
            let job = client.cancel_job(&id).await?;
            show(&job, json, session)?;
            Ok(Exit::Success)
        }
    }
}

/// Waits for the end of a job with a progress bar.
pub(super) async fn wait_for(client: &Client, id: &str, session: &Session) -> Result<JobView, CliError> {
    let progress = Progress::start(&session.console, "working", 0);
    let ended = client
        .wait_for_job(id, |job| progress.set(job.progress.done, job.progress.total))
        .await;
    progress.finish();
    Ok(ended?)
}

/// Returns what came of a job that has ended; `what` names its work.
pub(super) fn result_of<T: DeserializeOwned>(job: &JobView, what: &str) -> Result<T, CliError> {
    if job.state != JobState::Succeeded {
        let reason = job.error.as_deref().unwrap_or("no reason was given");
        let message = format!("the {what} {}: {reason}", state_word(job.state));
        return Err(CliError::failure(message));
    }
    understood(job.result.as_ref().unwrap_or(&Value::Null), "report")
}

/// Reads what a job says of itself; `what` names it.
pub(super) fn understood<T: DeserializeOwned>(said: &Value, what: &str) -> Result<T, CliError> {
    T::deserialize(said).map_err(|error| {
        CliError::failure(format!(
            "the {what} is not understood ({error}): are promptctl and promptd of one version?"
        ))
    })
}

async fn list(
    client: &Client,
    state: Option<State>,
    limit: usize,
    json: bool,
    session: &mut Session,
) -> Result<Exit, CliError> {
    let mut pages = client.jobs(state.map(JobState::from));
    let mut left = limit;
    let mut table = Table::new(["JOB", "KIND", "STATE", "PROGRESS", "SUBMITTED", "BY"]);
    while left > 0
        && let Some(mut jobs) = pages.next().await?
    {
        jobs.truncate(left);
        left -= jobs.len();
        for job in &jobs {
            if json {
                session.console.json_line(job)?;
            } else {
                table.row(row(job));
            }
        }
    }
    if left == limit {
        session.console.say("no jobs");
    }
    if !table.is_empty() {
        session.console.table(&table)?;
    }
    Ok(Exit::Success)
}

async fn follow(client: &Client, id: &str, json: bool, session: &mut Session) -> Result<Exit, CliError> {
    let mut events = client.job_events(id).await?;
    let mut last = None;
    while let Some(job) = events.next().await? {
        if json {
            session.console.json_line(&job)?;
        } else {
            session.console.line(format_args!(
                "{} {} {}",
                job.job_id,
                state_word(job.state),
                progress(&job)
            ))?;
        }
        session.console.flush()?;
        last = Some(job);
    }
    match last {
        Some(job) => Ok(exit_of(&job)),
        None => Err(CliError::failure(format!(
            "job {id}: the stream ended without saying anything"
        ))),
    }
}

fn ended(job: &JobView, json: bool, session: &mut Session) -> Result<Exit, CliError> {
    show(job, json, session)?;
    Ok(exit_of(job))
}

fn exit_of(job: &JobView) -> Exit {
    if job.state == JobState::Succeeded {
        Exit::Success
    } else {
        Exit::Failure
    }
}

fn show(job: &JobView, json: bool, session: &mut Session) -> Result<(), CliError> {
    if json {
        session.console.json(job)
    } else {
        session.console.data(describe(job))
    }
}

fn describe(job: &JobView) -> String {
    let mut text = format!(
        "job       {}\nkind      {}\nstate     {}\n",
        job.job_id,
        job.kind,
        state_word(job.state)
    );
    if job.progress.done > 0 || job.progress.total > 0 {
        text.push_str(&format!("progress  {}\n", progress(job)));
    }
    text.push_str(&format!(
        "submitted {} by {}\n",
        job.created_at,
        visible_line(&job.author.name)
    ));
    for (name, at) in [("started  ", &job.started_at), ("finished ", &job.finished_at)] {
        if let Some(at) = at {
            text.push_str(&format!("{name} {at}\n"));
        }
    }
    if let Some(error) = &job.error {
        text.push_str(&format!("error     {}\n", visible_line(error)));
    }
    if let Some(result) = &job.result {
        let result = serde_json::to_string_pretty(result).unwrap_or_default();
        text.push_str(&format!("result    {}\n", result.replace('\n', "\n          ")));
    }
    text
}

fn row(job: &JobView) -> [Cell; 6] {
    [
        Cell::of(&job.job_id),
        Cell::of(&job.kind),
        Cell::of(state_word(job.state)),
        Cell::of(progress(job)),
        Cell::time(Some(&job.created_at)),
        Cell::of(&job.author.name),
    ]
}

/// Returns a state as a word.
pub(super) const fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

fn progress(job: &JobView) -> String {
    match (job.progress.done, job.progress.total) {
        (0, 0) => String::new(),
        (done, 0) => format!("{done} {}", job.progress.unit),
        (done, total) => format!("{done}/{total} {}", job.progress.unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobKind;
    use serde_json::json;

    fn job(state: &str) -> JobView {
        serde_json::from_value(json!({
            "job_id": "j1", "kind": "verify", "state": state, "progress": {"done": 3, "total": 10, "unit": "prompts"},
            "result": {"prompts": 10}, "error": null, "created_at": "2026-01-02T03:04:05Z",
            "started_at": "2026-01-02T03:04:06Z", "finished_at": null, "author": {"name": "ada"}
        }))
        .unwrap()
    }

    #[test]
    fn a_job_is_described_line_by_line() {
        insta::assert_snapshot!(describe(&job("running")), @r#"
        job       j1
        kind      verify
        state     running
        progress  3/10 prompts
        submitted 2026-01-02T03:04:05Z by ada
        started   2026-01-02T03:04:06Z
        result    {
                    "prompts": 10
                  }
        "#);
    }

    #[test]
    fn the_help_of_submit_names_every_kind() {
        let command = JobArgs::augment_args(clap::Command::new("job"));
        let submit = command.find_subcommand("submit").unwrap();
        let help = submit.clone().render_long_help().to_string();
        for kind in JobKind::ALL {
            assert!(help.contains(kind.as_str()), "{} is not in {help}", kind.as_str());
        }
    }

    #[test]
    fn only_a_job_that_succeeded_is_a_success() {
        assert_eq!(exit_of(&job("succeeded")), Exit::Success);
        for state in ["failed", "cancelled", "queued"] {
            assert_eq!(exit_of(&job(state)), Exit::Failure, "{state}");
        }
    }
}
