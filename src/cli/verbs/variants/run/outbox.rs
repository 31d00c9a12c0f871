//! Reading an outbox.

#![expect(
    clippy::disallowed_methods,
    reason = "a directory that the user names, with the user's own rights; never files of a store"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::RunArgs;
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::model::sha256_hex;
use crate::variants::{Case, MANIFEST_FILE, Manifest, parse_manifest};

/// An outbox that was read.
pub(super) struct Outbox {
    /// Where it is, from the root.
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
}

impl Outbox {
    /// Reads the manifest.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = path.join(MANIFEST_FILE);
        if !file.exists() {
            let message = format!("{} holds no {MANIFEST_FILE}", path.display());
            let hint = "'promptctl variants FILE --plan PLAN' writes an outbox";
            return Err(CliError::new(Exit::NotFound, message).hint(hint));
        }
        let manifest = parse_manifest(&files::read(&file)?)
            .map_err(|error| CliError::failure(format!("{}: {error}", file.display())))?;
        let path = fs::canonicalize(path).map_err(|error| CliError::file("opening", path, &error))?;
        Ok(Self { path, manifest })
    }

    /// Returns a case.
    pub(super) fn case(&self, at: usize) -> Option<&Case> {
        self.manifest.cases.get(at)
    }

    /// Returns where the document of a variant is.
    pub(super) fn document(&self, variant: &str) -> Option<PathBuf> {
        self.manifest
            .variant(variant)
            .map(|entry| self.path.join(&entry.document))
    }

    /// Returns the positions of the cases that are meant.
    pub(super) fn chosen(&self, args: &RunArgs) -> Result<Vec<usize>, CliError> {
        let cases = &self.manifest.cases;
        for variant in &args.variant {
            if self.manifest.variant(variant).is_none() {
                return Err(unknown(
                    "variant",
                    variant,
                    self.manifest.variants.iter().map(|one| one.variant.as_str()),
                ));
            }
        }
        for dataset in &args.dataset {
            if !cases.iter().any(|case| case.dataset == *dataset) {
                return Err(unknown(
                    "dataset",
                    dataset,
                    cases.iter().map(|case| case.dataset.as_str()),
                ));
            }
        }
        let is_meant = |wanted: &[String], there: &String| wanted.is_empty() || wanted.contains(there);
        let chosen = cases.iter().enumerate().filter(|(_, case)| {
            is_meant(&args.variant, &case.variant) && is_meant(&args.dataset, &case.dataset)
        });
        Ok(chosen.map(|(at, _)| at).collect())
    }

    /// Refuses documents that are not what the manifest says: their results would be those of something else.
    pub(super) fn verify(&self, chosen: &[usize]) -> Result<(), CliError> {
        let used: BTreeSet<&str> = chosen
            .iter()
            .filter_map(|at| self.case(*at))
            .map(|case| case.variant.as_str())
            .collect();
        for entry in self
            .manifest
            .variants
            .iter()
            .filter(|entry| used.contains(entry.variant.as_str()))
        {
            let path = self.path.join(&entry.document);
            if sha256_hex(&files::read(&path)?) != entry.sha256 {
                let message = format!("{} is not the document that the manifest says", path.display());
                let hint = "write the outbox anew with 'promptctl variants ... --force'";
                return Err(CliError::new(Exit::Conflict, message).hint(hint));
            }
        }
        Ok(())
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> CliError {
    let known: BTreeSet<&str> = known.collect();
    let known: Vec<&str> = known.into_iter().take(20).collect();
    CliError::new(Exit::NotFound, format!("the outbox has no {what} '{name}'"))
        .hint(format!("it has {}", known.join(", ")))
}
