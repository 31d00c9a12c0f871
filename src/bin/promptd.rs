//! The daemon: arguments, configuration, log, and then [`promptd::daemon::run`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use promptd::config::paths::{self, Paths};
use promptd::config::{Config, ConfigError, Sources};
use promptd::daemon::activation::take_passed_sockets;
use promptd::daemon::signals::SignalSource;
use promptd::daemon::{Reload, logging};

/// Exit code for arguments that are not understood (EX_USAGE).
const USAGE: u8 = 64;
/// Exit code for a configuration that is refused (EX_CONFIG).
const CONFIG: u8 = 78;
/// How long work that a stop has given up may still take before the process ends under it.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Keeps every version of every prompt in plain files and serves them over a Unix socket.
///
/// Every setting can also be given as PROMPTD__SECTION__KEY. SIGTERM stops the daemon, SIGHUP reads the configuration
/// again. Under systemd it takes the socket that is passed as "control", and tells when it is ready.
#[derive(Debug, Parser)]
#[command(name = "promptd", version, disable_help_subcommand = true)]
struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory where versions are kept
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The Unix socket to listen on
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    check_config: bool,
    /// Print the configuration that would be used, and exit
    #[arg(long)]
    print_config: bool,
}

/// What the daemon is to do, and where the configuration for it came from.
struct Plan {
    sources: Sources,
    config: Config,
    paths: Paths,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => {
            let code = if answer.use_stderr() { USAGE } else { 0 };
            // Nobody is left to tell when the stream is closed.
            let _printed = answer.print();
            return ExitCode::from(code);
        }
    };
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(error) => {
            logging::say(&error.to_string());
            return ExitCode::from(CONFIG);
        }
    };
    if arguments.print_config {
        return print(&plan.config.with_paths(&plan.paths).render_yaml());
    }
    if arguments.check_config {
        return print("the configuration is valid\n");
    }
    match run(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            logging::say(&message);
            ExitCode::from(code)
        }
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, ConfigError> {
    // What is no text cannot be one of our variables' values.
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let sources = Sources {
        file: paths::config_file(arguments.config.as_deref(), &env, Path::exists),
        env,
        store: arguments.store.clone(),
        socket: arguments.socket.clone(),
    };
    let config = promptd::config::load(&sources)?;
    let paths = paths::resolve(&config, &sources.env)?;
    Ok(Plan {
        sources,
        config,
        paths,
    })
}

fn run(plan: Plan) -> Result<(), (u8, String)> {
    let Plan {
        sources,
        config,
        paths,
    } = plan;
    // First of all, while there is only one thread.
    let passed = take_passed_sockets()
        .map_err(|error| (1, format!("the socket that was passed cannot be used: {error}")))?;
    let log = logging::init(&config.daemon.logging).map_err(|error| (1, error.to_string()))?;
    if !passed.strangers.is_empty() {
        let names = passed.strangers.join(", ");
        tracing::warn!(
            names,
            "sockets were passed that promptd does not know: FileDescriptorName= of its own are control and promptd-tcp"
        );
    }
    let signals = SignalSource::os().map_err(|error| (1, format!("signals cannot be received: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("promptd-worker")
        .enable_all()
        .build()
        .map_err(|error| (1, format!("the runtime cannot be started: {error}")))?;
    let reload = Reload::new(sources, config.clone(), log);
    let ended = runtime.block_on(promptd::daemon::run(
        &config,
        &paths,
        passed,
        signals,
        Some(reload),
    ));
    // What hangs in a call of the system would keep the process for ever; to end it is no worse than a crash.
    runtime.shutdown_timeout(LAST_CALLS);
    ended.map_err(|error| (error.exit_code(), error.to_string()))
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
