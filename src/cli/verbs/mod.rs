//! The verbs, one file each.

mod analyze;
mod audit;
mod backup;
mod bench;
mod collect;
mod completions;
mod config;
mod demo;
mod diff;
mod doctor;
mod edit;
mod evidence;
mod export;
mod export_dsl;
mod get;
mod import;
mod import_dir;
mod import_dsl;
mod job;
mod label;
mod latest;
mod list;
mod log;
mod man;
mod metrics;
mod optimize;
mod promote;
mod put;
mod restore;
mod rewrite;
mod rm;
mod rollback;
mod status;
mod trash;
mod variants;
mod verify;
mod version;
mod watch;

use clap::Subcommand;

use super::exit::{CliError, Exit};
use super::session::Session;

/// Everything that promptctl can do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Put(put::PutArgs),
    Get(get::GetArgs),
    List(list::ListArgs),
    Log(log::LogArgs),
    Latest(latest::LatestArgs),
    Diff(diff::DiffArgs),
    Rollback(rollback::RollbackArgs),
    Label(label::LabelArgs),
    Edit(edit::EditArgs),
    Rm(rm::RmArgs),
    Trash(trash::TrashArgs),
    Restore(restore::RestoreArgs),
    Analyze(analyze::AnalyzeArgs),
    Rewrite(rewrite::RewriteArgs),
    Optimize(optimize::OptimizeArgs),
    Promote(promote::PromoteArgs),
    Evidence(evidence::EvidenceArgs),
    Variants(variants::VariantsArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Backup(backup::BackupArgs),
    Job(job::JobArgs),
    Watch(watch::WatchArgs),
    Verify(verify::VerifyArgs),
    Collect(collect::CollectArgs),
    Audit(audit::AuditArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Metrics(metrics::MetricsArgs),
    Config(config::ConfigArgs),
    Bench(bench::BenchArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    #[command(name = "__complete", hide = true)]
    Complete(completions::CompleteArgs),
    Man(man::ManArgs),
    Version(version::VersionArgs),
}

impl Verb {
    /// Tells whether the verb does so much at once that it wants more than one thread.
    pub(super) fn is_parallel(&self) -> bool {
        matches!(self, Self::Bench(_))
    }

    /// Does it.
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, CliError> {
        match self {
            Self::Put(args) => put::run(args, session).await,
            Self::Get(args) => get::run(args, session).await,
            Self::List(args) => list::run(args, session).await,
            Self::Log(args) => log::run(args, session).await,
            Self::Latest(args) => latest::run(args, session).await,
            Self::Diff(args) => diff::run(args, session).await,
            Self::Rollback(args) => rollback::run(args, session).await,
            Self::Label(args) => label::run(args, session).await,
            Self::Edit(args) => edit::run(args, session).await,
            Self::Rm(args) => rm::run(args, session).await,
            Self::Trash(args) => trash::run(args, session).await,
            Self::Restore(args) => restore::run(args, session).await,
            Self::Analyze(args) => analyze::run(args, session).await,
            Self::Rewrite(args) => rewrite::run(args, session).await,
            Self::Optimize(args) => optimize::run(args, session).await,
            Self::Promote(args) => promote::run(args, session).await,
            Self::Evidence(args) => evidence::run(args, session).await,
            Self::Variants(args) => variants::run(args, session).await,
            Self::Import(args) => import::run(args, session).await,
            Self::Export(args) => export::run(args, session).await,
            Self::Backup(args) => backup::run(args, session).await,
            Self::Job(args) => job::run(args, session).await,
            Self::Watch(args) => watch::run(args, session).await,
            Self::Verify(args) => verify::run(args, session).await,
            Self::Collect(args) => collect::run(args, session).await,
            Self::Audit(args) => audit::run(args, session).await,
            Self::Status(args) => status::run(args, session).await,
            Self::Doctor(args) => doctor::run(args, session).await,
            Self::Metrics(args) => metrics::run(args, session).await,
            Self::Config(args) => config::run(args, session),
            Self::Bench(args) => bench::run(args, session).await,
            Self::Demo(args) => demo::run(args, session).await,
            Self::Completions(args) => completions::run(&args, session),
            Self::Complete(args) => completions::complete(args, session).await,
            Self::Man(args) => man::run(&args, session),
            Self::Version(args) => version::run(args, session).await,
        }
    }
}
