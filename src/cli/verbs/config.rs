//! `promptctl config`: the configuration of promptd. Needs no daemon.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::wording::counted;
use crate::config::{self, Config, ConfigError, Sources, paths};

const EXAMPLES: &str = "\
Examples:
  promptctl config print                   what would be in force here
  promptctl config print --defaults        every key with its manual, as a file to begin with
  promptctl config check /etc/promptd/promptd.yaml
  promptctl config migrate promptd.yaml --dry-run";

/// Print, check and migrate the configuration of promptd
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the configuration that a promptd started here would use: defaults, file and environment together
    Print {
        /// The file; without it the first of $PROMPTD_CONFIG, $CONFIGURATION_DIRECTORY, ~/.config/promptd and /etc/promptd
        file: Option<PathBuf>,
        /// Print every key with its default and what it does, as a file to begin with
        #[arg(long, conflicts_with_all = ["file", "json"])]
        defaults: bool,
        /// Print JSON instead of YAML
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration file; exit code 1 when promptd would refuse it
    Check {
        /// The file; without it the one that promptd would take
        file: Option<PathBuf>,
    },
    /// Bring a file with the names of older versions up to date
    ///
    /// Only names change: every other key, value and comment stays. The old file is kept beside it as FILE.bak. Run again,
    /// it does nothing.
    Migrate {
        /// The file
        file: PathBuf,
        /// Print the file as it would be, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object per change
        #[arg(long, conflicts_with = "dry_run")]
        json: bool,
    },
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::failure(error.to_string())
    }
}

/// Does what was asked.
pub(super) fn run(args: ConfigArgs, session: &mut Session) -> Result<Exit, CliError> {
    match args.action {
        Action::Print { defaults: true, .. } => session.console.data(config::commented_defaults())?,
        Action::Print { file, json, .. } => {
            let (_, config) = load(file.as_deref(), session)?;
            if json {
                session.console.json(&config)?;
            } else {
                session.console.data(config.render_yaml())?;
            }
        }
        Action::Check { file } => {
            let (file, _) = load(file.as_deref(), session)?;
            let place = file.map_or_else(|| "the defaults".to_owned(), |file| file.display().to_string());
            session.console.say(format_args!("{place}: no problem found"));
        }
        Action::Migrate { file, dry_run, json } => migrate(&file, dry_run, json, session)?,
    }
    Ok(Exit::Success)
}

fn load(file: Option<&Path>, session: &Session) -> Result<(Option<PathBuf>, Config), CliError> {
    let env = session.env.vars();
    let file = paths::config_file(file, env, Path::exists);
    let sources = Sources {
        file: file.clone(),
        env: env.to_vec(),
        ..Sources::default()
    };
    let config = config::load(&sources)?;
    let places = paths::resolve(&config, env)?;
    Ok((file, config.with_paths(&places)))
}

fn migrate(file: &Path, dry_run: bool, json: bool, session: &mut Session) -> Result<(), CliError> {
    let migration = config::migrate_file(file, dry_run)?;
    for change in &migration.changes {
        let config::Change { line, from, to, note } = change;
        if json {
            session
                .console
                .json_line(&json!({"line": line, "from": from, "to": to, "note": note}))?;
        } else {
            session
                .console
                .say(format_args!("{}:{line}: {from} -> {to}: {note}", file.display()));
        }
    }
    if dry_run {
        session.console.data(&migration.text)?;
    }
    let done = match (migration.changes.len() as u64, dry_run) {
        (0, _) => "nothing to do".to_owned(),
        (count, true) => format!("{} to make", counted(count, "change")),
        (count, false) => {
            format!(
                "{} made; the old file is kept beside it, ending in .bak",
                counted(count, "change")
            )
        }
    };
    session.console.say(format_args!("{}: {done}", file.display()));
    Ok(())
}
