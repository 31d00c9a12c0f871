//! The files that a plan is made of.

#![expect(
    clippy::disallowed_methods,
    reason = "files that the user and the plan name, with the user's own rights; never files of a store"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::MakeArgs;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files::{self, is_same_file};
use crate::cli::session::Session;
use crate::dify;
use crate::model::sha256_hex;
use crate::variants::choose_entry;
use crate::variants::plan::{
    Datasets, PatchMode, PlanError, PromptVariant, Strategy, TestPlan, Variables, WorkflowCatalog,
    WorkflowEntry, WorkflowPlanEntry, parse_catalog, parse_datasets, parse_plan,
};

/// The largest template file.
const MAX_TEMPLATE_BYTES: u64 = 256 * 1024;

/// A plan with everything that belongs to it.
pub(super) struct Plan {
    pub(super) plan: TestPlan,
    pub(super) catalog: Option<WorkflowCatalog>,
    /// What paths in the catalogue begin at.
    pub(super) catalog_dir: PathBuf,
    /// What template files lie beneath.
    pub(super) dir: PathBuf,
}

/// Reads the plan and its catalogue.
pub(super) fn plan(path: &Path, args: &MakeArgs, session: &mut Session) -> Result<Plan, CliError> {
    let text = files::read_text(path)?;
    let env = session.env.clone();
    let variables = move |name: &str| env.var_or_empty(name).map(str::to_owned);
    let variables = args.expand_env.then_some(&variables as Variables<'_>);
    let mut plan = parse_plan(&text, variables).map_err(|error| refused(path, &error))?;
    for key in plan.idle_keys() {
        session
            .console
            .warn(format_args!("{}: `{key}` steers nothing here", path.display()));
    }
    let dir = directory_of(path);
    let (catalog, catalog_dir) = match (&args.catalog, plan.catalog.take()) {
        (Some(file), None) => {
            let catalog = parse_catalog(&files::read_text(file)?).map_err(|error| refused(file, &error))?;
            (Some(catalog), directory_of(file))
        }
        (Some(_), Some(_)) => {
            let message = format!("{} has a catalogue of its own", path.display());
            return Err(CliError::usage(message).hint("leave --catalog out, or `catalog` in the plan"));
        }
        (None, catalog) => (catalog, dir.clone()),
    };
    Ok(Plan {
        plan,
        catalog,
        catalog_dir,
        dir,
    })
}

/// Reads further datasets and adds them.
pub(super) fn add_datasets(path: &Path, all: &mut Datasets) -> Result<(), CliError> {
    let more = parse_datasets(&files::read_text(path)?).map_err(|error| refused(path, &error))?;
    for dataset in more.datasets {
        if all
            .datasets
            .iter()
            .any(|one| one.value.name == dataset.value.name)
        {
            let (file, line, name) = (path.display(), dataset.line, &dataset.value.name);
            let message = format!("{file}:{line}: the dataset '{name}' is in the plan as well");
            return Err(CliError::failure(message).hint("rename one"));
        }
        all.datasets.push(dataset);
    }
    if more.strategy != Strategy::default() {
        if all.strategy != Strategy::default() && all.strategy != more.strategy {
            let message = format!("{} and the plan combine values in different ways", path.display());
            return Err(CliError::failure(message).hint("give `strategy` in one of them"));
        }
        all.strategy = more.strategy;
    }
    Ok(())
}

impl Plan {
    /// Returns the entry of the plan that is meant, and what the catalogue has of it.
    pub(super) fn entry(
        &self,
        args: &MakeArgs,
    ) -> Result<(&WorkflowPlanEntry, Option<&WorkflowEntry>), CliError> {
        let of = |id: &str| self.catalog.as_ref().and_then(|catalog| catalog.workflow(id));
        let file = args.file.as_deref();
        let fits = |id: &str| {
            let Some(file) = file else { return false };
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            match of(id) {
                Some(entry) => is_same_file(&self.catalog_dir.join(&entry.dsl_path), file),
                None => dify::document_stem(&name) == id,
            }
        };
        let entry = choose_entry(&self.plan.workflows, args.entry.as_deref(), fits)
            .map_err(|reason| CliError::new(Exit::NotFound, reason).hint("--entry CATALOG_ID names one"))?;
        let known = of(&entry.catalog_id);
        if self.catalog.is_some() && known.is_none() {
            let message = format!("the catalogue has no workflow '{}'", entry.catalog_id);
            return Err(CliError::new(Exit::NotFound, message));
        }
        Ok((entry, known))
    }

    /// Returns the workflow file that is meant.
    pub(super) fn file(&self, args: &MakeArgs, entry: Option<&WorkflowEntry>) -> Result<PathBuf, CliError> {
        let known = entry.map(|entry| self.catalog_dir.join(&entry.dsl_path));
        args.file.clone().or(known).ok_or_else(|| {
            CliError::usage("no workflow file is named")
                .hint("name it, or give a catalogue with its `dsl_path`")
        })
    }

    /// Reads the template files of some variants. One that leads out of the directory of the plan is refused; one that cannot
    /// be read counts where its fallback says what to do.
    pub(super) fn templates(
        &self,
        variants: &[&PromptVariant],
    ) -> Result<BTreeMap<String, Result<String, String>>, CliError> {
        let mut found = BTreeMap::new();
        for patch in variants.iter().flat_map(|variant| &variant.nodes) {
            let strategy = &patch.value.strategy;
            let file = strategy
                .template
                .as_ref()
                .and_then(|template| template.file.as_ref());
            let Some(file) = file.filter(|_| strategy.mode == PatchMode::Template) else {
                continue;
            };
            if !is_beneath(file) {
                let message = format!(
                    "line {}: the template '{file}' is not beneath the plan",
                    patch.line
                );
                return Err(
                    CliError::failure(message).hint("name a file in the directory of the plan, without '..'")
                );
            }
            if !found.contains_key(file) {
                found.insert(file.clone(), template(&self.dir, file));
            }
        }
        Ok(found)
    }
}

/// Refuses a workflow that is not the one that the catalogue has seen.
pub(super) fn verify_checksum(
    file: &Path,
    document: &[u8],
    entry: Option<&WorkflowEntry>,
) -> Result<(), CliError> {
    let Some(expected) = entry.and_then(|entry| entry.checksum.as_deref()) else {
        return Ok(());
    };
    let digits = expected.strip_prefix("sha256:").unwrap_or(expected);
    let found = sha256_hex(document);
    if found.eq_ignore_ascii_case(digits.trim()) {
        return Ok(());
    }
    let message = format!(
        "{} is not the file of the catalogue: its SHA-256 is {found}",
        file.display()
    );
    Err(CliError::new(Exit::Conflict, message).hint("export the workflow again, or correct `checksum`"))
}

fn is_beneath(file: &str) -> bool {
    let path = Path::new(file);
    !file.is_empty()
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Reads a file beneath a directory; the kernel refuses links that lead out of it.
fn template(dir: &Path, file: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the template {file} cannot be read: {error}");
    let dir = File::open(dir).map_err(|error| failed(&error))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let confined = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened =
        rustix::fs::openat2(&dir, file, flags, Mode::empty(), confined).map_err(|error| failed(&error))?;
    let opened = File::from(opened);
    if !opened.metadata().map_err(|error| failed(&error))?.is_file() {
        return Err(failed(&"it is no regular file"));
    }
    let mut text = String::new();
    let mut bounded = opened.take(MAX_TEMPLATE_BYTES + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_TEMPLATE_BYTES {
        return Err(failed(&format_args!(
            "it is larger than {MAX_TEMPLATE_BYTES} bytes"
        )));
    }
    Ok(text)
}

fn directory_of(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    directory.unwrap_or(Path::new(".")).to_owned()
}

fn refused(path: &Path, error: &PlanError) -> CliError {
    let at = path.display();
    let message = match error {
        PlanError::Syntax { line, message } | PlanError::Invalid { line, message } if *line > 0 => {
            format!("{at}:{line}: {message}")
        }
        other => format!("{at}: {other}"),
    };
    CliError::failure(message)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_template_is_read_from_beneath_the_plan_and_from_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let dir = outside.path().join("plan");
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/t.j2"), "hello").unwrap();
        fs::write(dir.join("big"), vec![b'x'; 300_000]).unwrap();
        std::os::unix::fs::symlink("sub/t.j2", dir.join("inside")).unwrap();
        std::os::unix::fs::symlink("../secret", dir.join("out")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), dir.join("absolute")).unwrap();
        for (file, expected) in [("sub/t.j2", true), ("./sub/t.j2", true), ("inside", true)] {
            assert_eq!(template(&dir, file).is_ok(), expected, "{file}");
        }
        for file in ["out", "absolute", "gone", "sub", "big"] {
            assert!(template(&dir, file).is_err(), "{file}");
        }
        for file in ["../secret", "/etc/passwd", "sub/../../secret", ""] {
            assert!(!is_beneath(file), "{file}");
        }
    }

    #[test]
    fn a_checksum_is_verified_in_either_form() {
        let entry = |checksum: &str| -> WorkflowEntry {
            let text = format!("{{workflows: [{{id: w, dsl_path: x, checksum: '{checksum}'}}]}}");
            parse_catalog(&text).unwrap().workflows.remove(0)
        };
        let sum = sha256_hex(b"x");
        let check = |checksum: &str| verify_checksum(Path::new("x"), b"x", Some(&entry(checksum))).is_ok();
        assert!(check(&sum) && check(&format!("sha256:{sum}")) && check(&sum.to_uppercase()));
        assert!(!check(&sha256_hex(b"y")) && !check("soon"));
    }
}
