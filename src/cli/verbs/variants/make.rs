//! Making the documents and the manifest.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::lookup::{self, Known};
use super::{MakeArgs, candidates, outbox, report, sources};
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::session::Session;
use crate::client::Client;
use crate::model::sha256_hex;
use crate::variants::patch::{Built, Sources, Workflow};
use crate::variants::plan::{Dataset, Datasets, ExecutionPolicy, WorkflowEntry};
use crate::variants::{
    Assembled, Entry, MANIFEST_FILE, Manifest, PromptEntry, Source, VariantEntry, assemble,
};

/// Everything that is to be written.
pub(super) struct Made {
    pub(super) workflow: Workflow,
    pub(super) assembled: Assembled,
    pub(super) manifest: Manifest,
}

/// Makes and writes them.
pub(super) async fn run(args: MakeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let made = match &args.plan {
        Some(plan) => of_plan(plan, &args, session).await?,
        None => of_candidates(&args, session).await?,
    };
    for warning in &made.assembled.warnings {
        session.console.warn(warning);
    }
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.variants", made.workflow.slug)));
    let manifest = made.manifest.to_bytes();
    let documents = made
        .assembled
        .variants
        .iter()
        .map(|(name, built)| (name.as_str(), built.document.as_slice()));
    // The manifest comes last: what it names is there by then.
    let all: Vec<(&str, &[u8])> = documents.chain([(MANIFEST_FILE, manifest.as_slice())]).collect();
    let states = outbox::judge(&output, &all, args.force)?;
    if !args.dry_run {
        outbox::write(&output, &all, &states)?;
    }
    report::show(&made, &output, &states, &args, session)?;
    Ok(Exit::Success)
}

async fn of_plan(path: &Path, args: &MakeArgs, session: &mut Session) -> Result<Made, CliError> {
    let plan = sources::plan(path, args, session)?;
    let (entry, known) = plan.entry(args)?;
    let file = plan.file(args, known)?;
    let workflow = workflow(&file, args, known)?;
    let mut datasets = plan.plan.test_data.clone();
    if let Some(more) = &args.datasets {
        sources::add_datasets(more, &mut datasets)?;
    }
    let variants: Vec<_> = entry.variants().iter().map(|one| &one.value).collect();
    let client = session.client();
    let mut versions = Known::default();
    let sources = Sources {
        versions: lookup::referenced(&client, &variants, &mut versions).await?,
        templates: plan.templates(&variants)?,
        dataset: None,
    };
    let entry = Entry {
        workflow_id: &entry.catalog_id,
        variants,
        datasets: chosen(&datasets, &entry.dataset_refs)?,
        all: &datasets,
    };
    let execution = plan.plan.execution.clone();
    finish(
        workflow,
        &entry,
        sources,
        execution,
        &file,
        (&client, versions),
        session,
    )
    .await
}

async fn of_candidates(args: &MakeArgs, session: &mut Session) -> Result<Made, CliError> {
    let file = args.file.clone().unwrap_or_default();
    let workflow = workflow(&file, args, None)?;
    let mut datasets = Datasets::default();
    if let Some(more) = &args.datasets {
        sources::add_datasets(more, &mut datasets)?;
    }
    let client = session.client();
    let mut versions = Known::default();
    let (variants, texts) = candidates::variants(&client, &workflow, &mut versions).await?;
    let sources = Sources {
        versions: texts,
        ..Sources::default()
    };
    let slug = workflow.slug.clone();
    let entry = Entry {
        workflow_id: &slug,
        variants: variants.iter().collect(),
        datasets: chosen(&datasets, &[])?,
        all: &datasets,
    };
    let execution = ExecutionPolicy::default();
    finish(
        workflow,
        &entry,
        sources,
        execution,
        &file,
        (&client, versions),
        session,
    )
    .await
}

fn workflow(file: &Path, args: &MakeArgs, entry: Option<&WorkflowEntry>) -> Result<Workflow, CliError> {
    let document = files::read(file)?;
    sources::verify_checksum(file, &document, entry)?;
    let refused = |reason: String| CliError::failure(format!("{}: {reason}", file.display()));
    let workflow = Workflow::read(document, &name_of(file), args.workflow.clone(), entry)
        .map_err(|error| refused(error.to_string()))?;
    if workflow.prompts.is_empty() && workflow.fields.is_empty() {
        return Err(refused("it has no prompt".to_owned()).hint("export the app as DSL from Dify"));
    }
    Ok(workflow)
}

fn name_of(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Returns the datasets by name; all of them when none is named.
fn chosen<'d>(datasets: &'d Datasets, names: &[String]) -> Result<Vec<&'d Dataset>, CliError> {
    let all = || datasets.datasets.iter().map(|one| &one.value);
    if names.is_empty() {
        return Ok(all().collect());
    }
    let find = |name: &String| {
        all().find(|dataset| dataset.name == *name).ok_or_else(|| {
            let message = format!("`dataset_refs` names '{name}', and there is no such dataset");
            CliError::new(Exit::NotFound, message).hint("--datasets FILE adds further datasets")
        })
    };
    names.iter().map(find).collect()
}

async fn finish(
    workflow: Workflow,
    entry: &Entry<'_>,
    sources: Sources,
    execution: ExecutionPolicy,
    file: &Path,
    (client, mut versions): (&Client, Known),
    session: &mut Session,
) -> Result<Made, CliError> {
    let sources = Sources {
        dataset: entry.datasets.first().map(|dataset| dataset.name.clone()),
        ..sources
    };
    let name = name_of(file);
    let assembled = assemble(&workflow, entry, &sources, &name)
        .map_err(|reason| CliError::failure(format!("{}: {reason}", file.display())))?;
    look_up(client, &workflow, &assembled, &mut versions, session).await?;
    let variants = assembled
        .variants
        .iter()
        .map(|(document, built)| variant_entry(&workflow, document, built, &versions));
    let manifest = Manifest::new(
        workflow.slug.clone(),
        Source {
            file: name,
            sha256: sha256_hex(&workflow.document),
        },
        variants.collect(),
        assembled.cases.clone(),
        execution,
    );
    Ok(Made {
        workflow,
        assembled,
        manifest,
    })
}

/// Asks the daemon, where there is one, which stored versions the texts are.
async fn look_up(
    client: &Client,
    workflow: &Workflow,
    assembled: &Assembled,
    versions: &mut Known,
    session: &mut Session,
) -> Result<(), CliError> {
    let Some(stored) = lookup::stored(client, &workflow.slug).await? else {
        session
            .console
            .warn("promptd cannot be reached: the manifest does not say which stored versions the texts are");
        return Ok(());
    };
    for (at, id) in workflow.ids.iter().enumerate() {
        if stored.contains(id) {
            let texts = assembled
                .variants
                .iter()
                .filter_map(|(_, built)| built.texts.get(at));
            let wanted: HashSet<String> = texts.map(|text| sha256_hex(text.as_bytes())).collect();
            lookup::by_text(client, id, wanted, versions).await?;
        }
    }
    Ok(())
}

fn variant_entry(workflow: &Workflow, document: &str, built: &Built, versions: &Known) -> VariantEntry {
    let prompts = workflow.ids.iter().zip(&workflow.prompts).zip(&built.texts);
    let prompts = prompts.map(|((id, prompt), text)| {
        let sha256 = sha256_hex(text.as_bytes());
        PromptEntry {
            prompt_id: id.clone(),
            pointer: prompt.pointer.clone(),
            version: versions.version(id, &sha256).cloned(),
            sha256,
        }
    });
    VariantEntry {
        variant: built.variant.clone(),
        document: document.to_owned(),
        sha256: sha256_hex(&built.document),
        prompts: prompts.collect(),
    }
}
