//! Making versions: next, exact, rollback.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{
    Author, Bump, Checksum, MAX_PROMPT_CHARS, OptimizationResult, Prompt, PromptId, PromptVersion, Timestamp,
    Version, VersionSelector, default_role, optional_variable_names, refuse_unknown_fields,
};
use crate::optimizer;
use crate::storage::{
    Fingerprint, Numbering, PutOutcome, PutVersion, RESERVED_METADATA, Sameness, StorageError, StoredVersion,
};

use super::numbering::bump_for_improvement;
use super::{VersionError, VersionManager};

/// How often a put is tried again because the latest version changed while it was compared.
pub(super) const MAX_STALE_RETRIES: usize = 32;

/// A prompt text as a client sends it; ids and times are filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrompt {
    /// The text: at least one character that is no white space, at most 100,000 characters.
    #[schema(min_length = 1, max_length = 100000, pattern = r"\S")]
    pub text: String,
    /// The chat role.
    #[serde(default = "default_role")]
    pub role: String,
    /// Names of the variables; found in the text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = optional_variable_names)]
    pub variables: Option<Vec<String>>,
    /// Whatever is known about the place it comes from.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// The workflow it comes from.
    #[serde(default)]
    pub workflow_id: String,
    /// The node of that workflow.
    #[serde(default)]
    pub node_id: String,
    /// The kind of that node.
    #[serde(default)]
    pub node_type: String,
}

/// A new version as a client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"prompt": {"text": "Summarize {{text}} in three bullets."}, "bump": "minor"}))]
pub struct NewVersion {
    /// The prompt.
    pub prompt: NewPrompt,
    /// Which part of the number to raise. Absent: by the improvement of the result, or patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bump: Option<Bump>,
    /// The version it was made from; absent: the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_version: Option<Version>,
    /// How it was made, when a rewriting made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimization_result: Option<OptimizationResult>,
    /// Free metadata; the daemon's own keys cannot be set.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What came of making a version.
#[derive(Debug, Clone)]
pub struct Created {
    /// The version.
    pub version: Arc<StoredVersion>,
    /// Whether it is new; otherwise the same content was there.
    pub is_new: bool,
}

impl NewVersion {
    /// Makes a new version of nothing but a text.
    #[must_use]
    pub fn of_text(text: impl Into<String>) -> Self {
        let (workflow_id, node_id, node_type) = Default::default();
        let (variables, context) = (None, Map::new());
        let prompt = NewPrompt {
            text: text.into(),
            role: default_role(),
            variables,
            context,
            workflow_id,
            node_id,
            node_type,
        };
        Self {
            prompt,
            bump: None,
            parent_version: None,
            optimization_result: None,
            metadata: Map::new(),
        }
    }
}

impl VersionManager {
    /// Stores the next version of a prompt, or answers with the latest when its content is the same.
    ///
    /// # Errors
    /// `invalid-document`, `not-found` (the parent), or what the storage says.
    pub async fn create(
        &self,
        id: &PromptId,
        new: NewVersion,
        author: &Author,
    ) -> Result<Created, VersionError> {
        let NewPrompt {
            text,
            role,
            variables,
            context,
            workflow_id,
            node_id,
            node_type,
        } = new.prompt;
        let variables = variables.unwrap_or_else(|| optimizer::variables_in(&text));
        let extracted_at = Timestamp::now();
        let id_text = id.as_str().to_owned();
        let prompt = Prompt {
            id: id_text,
            workflow_id,
            node_id,
            node_type,
            text,
            role,
            variables,
            context,
            extracted_at,
        };
        let bump = new.bump.unwrap_or_else(|| {
            new.optimization_result.as_ref().map_or(Bump::Patch, |result| {
                bump_for_improvement(result.improvement_score)
            })
        });
        let draft = Draft {
            prompt,
            bump,
            parent_version: new.parent_version,
            optimization_result: new.optimization_result,
            metadata: new.metadata,
            sameness: Sameness::Content,
        };
        self.store(id, draft, author).await
    }

    /// Stores a prompt that an import found; only another text makes a version. `source` says where it was found.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn import(
        &self,
        id: &PromptId,
        prompt: Prompt,
        source: Value,
        author: &Author,
    ) -> Result<Created, VersionError> {
        let metadata = Map::new();
        let (bump, sameness) = (Bump::Patch, Sameness::Text);
        let draft = Draft {
            prompt,
            bump,
            parent_version: None,
            optimization_result: None,
            metadata,
            sameness,
        };
        self.store_with(id, draft, author, vec![("import", source)]).await
    }

    /// Makes a new version with the content of an old one, and records where it came from.
    ///
    /// # Errors
    /// `not-found`, `corrupt-version`, or what the storage says.
    pub async fn rollback(
        &self,
        id: &PromptId,
        to: &VersionSelector,
        author: &Author,
    ) -> Result<Created, VersionError> {
        let target = self.get(id, to).await?.document()?;
        let latest = self.get(id, &VersionSelector::Latest).await?.version.clone();
        let user_metadata = target
            .metadata
            .into_iter()
            .filter(|(key, _)| !is_reserved(key))
            .collect();
        let draft = Draft {
            prompt: target.prompt,
            bump: Bump::Patch,
            parent_version: Some(latest.clone()),
            optimization_result: None,
            metadata: user_metadata,
            sameness: Sameness::Never,
        };
        let provenance = vec![
            ("rollback_from", Value::String(latest.to_string())),
            ("rollback_to", Value::String(target.version.to_string())),
        ];
        self.store_with(id, draft, author, provenance).await
    }

    /// Stores a document under exactly its own number.
    ///
    /// # Errors
    /// `invalid-document`; `version-conflict` when the number holds other content; `version-deleted`; or what the storage says.
    pub async fn save(
        &self,
        id: &PromptId,
        version: &Version,
        document: &Value,
    ) -> Result<Created, VersionError> {
        let parsed = PromptVersion::from_client(document)?;
        if parsed.prompt_id != *id || parsed.version != *version {
            return Err(VersionError::InvalidRequest(format!(
                "the document says {}@{}, the path says {id}@{version}",
                parsed.prompt_id, parsed.version
            )));
        }
        let checksum = Checksum::of(document).map_err(crate::model::DocumentError::from)?;
        let claimed = document
            .get("metadata")
            .and_then(|metadata| metadata.get("checksum"));
        if claimed.is_some_and(|claimed| claimed.as_str() != Some(checksum.as_str())) {
            return Err(VersionError::InvalidRequest(
                "metadata.checksum does not match the document: leave it out to have it computed".into(),
            ));
        }
        match self.storage.put(id, PutVersion::exact(parsed)).await {
            Ok(PutOutcome::Created(version)) => Ok(Created {
                version,
                is_new: true,
            }),
            Ok(PutOutcome::Unchanged(version)) => self.existing(id, &version).await,
            Err(StorageError::Conflict { .. }) => {
                let there = self.storage.read(id, version).await?;
                let mut again = PromptVersion::from_client(document)?;
                again.take_unsaid_times(document, &there.document()?);
                if there.checksum == StoredVersion::seal(&mut again)?.checksum {
                    Ok(Created {
                        version: there,
                        is_new: false,
                    })
                } else {
                    Err(StorageError::Conflict {
                        id: id.clone(),
                        version: version.clone(),
                    }
                    .into())
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn store(&self, id: &PromptId, draft: Draft, author: &Author) -> Result<Created, VersionError> {
        refuse_reserved(&draft.metadata)?;
        self.store_with(id, draft, author, Vec::new()).await
    }

    async fn store_with(
        &self,
        id: &PromptId,
        draft: Draft,
        author: &Author,
        provenance: Vec<(&'static str, Value)>,
    ) -> Result<Created, VersionError> {
        draft
            .prompt
            .validate()
            .map_err(crate::model::DocumentError::from)?;
        if let Some(parent) = &draft.parent_version {
            self.check_parent(id, parent)?;
        }
        let (bump, sameness) = (draft.bump, draft.sameness);
        let document = draft.into_document(id, author, provenance).await?;
        document.validate()?;
        for _ in 0..MAX_STALE_RETRIES {
            let latest_seen = self.latest_seen(id, sameness).await;
            let request = PutVersion {
                document: document.clone(),
                numbering: Numbering::Next(bump),
                sameness,
                latest_seen,
            };
            match self.storage.put(id, request).await {
                Ok(PutOutcome::Created(version)) => {
                    return Ok(Created {
                        version,
                        is_new: true,
                    });
                }
                Ok(PutOutcome::Unchanged(version)) => return self.existing(id, &version).await,
                Err(StorageError::StaleLatest(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::StaleLatest(id.clone()).into())
    }

    pub(super) async fn existing(&self, id: &PromptId, version: &Version) -> Result<Created, VersionError> {
        Ok(Created {
            version: self.storage.read(id, version).await?,
            is_new: false,
        })
    }

    fn check_parent(&self, id: &PromptId, parent: &Version) -> Result<(), VersionError> {
        match self.storage.prompt(id) {
            Some(entry) if entry.has(parent) || entry.has_trashed(parent) => Ok(()),
            _ => Err(VersionError::NoMatch {
                id: id.clone(),
                selector: VersionSelector::Exact(parent.clone()),
            }),
        }
    }

    /// Reads the latest version for comparison, unless the writer knows its content already.
    pub(super) async fn latest_seen(
        &self,
        id: &PromptId,
        sameness: Sameness,
    ) -> Option<(Version, Fingerprint)> {
        let entry = self.storage.prompt(id).filter(|_| sameness != Sameness::Never)?;
        let latest = entry.latest()?;
        if let Some((version, fingerprint)) = &entry.latest_fingerprint
            && version == latest
        {
            return Some((version.clone(), fingerprint.clone()));
        }
        let stored = self.storage.read(id, latest).await.ok()?;
        Some((latest.clone(), stored.fingerprint.clone()))
    }
}

/// A version on its way to a number.
pub(super) struct Draft {
    pub(super) prompt: Prompt,
    pub(super) bump: Bump,
    pub(super) parent_version: Option<Version>,
    pub(super) optimization_result: Option<OptimizationResult>,
    pub(super) metadata: Map<String, Value>,
    pub(super) sameness: Sameness,
}

impl Draft {
    pub(super) async fn into_document(
        self,
        id: &PromptId,
        author: &Author,
        provenance: Vec<(&'static str, Value)>,
    ) -> Result<PromptVersion, VersionError> {
        let variables = self.prompt.variables.len();
        let profile = optimizer::ScoringProfile::Reference;
        let analysis = analyze(profile, id.as_str(), &self.prompt.text, variables).await?;
        let mut metadata = Map::new();
        metadata.insert("author".into(), Value::String(author.name.clone()));
        if let Some(uid) = author.uid {
            metadata.insert("author_uid".into(), uid.into());
        }
        metadata.extend(self.metadata);
        metadata.extend(provenance.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Ok(PromptVersion {
            prompt_id: id.clone(),
            version: Version::FIRST,
            prompt: self.prompt,
            analysis,
            optimization_result: self.optimization_result,
            parent_version: self.parent_version,
            created_at: Timestamp::now(),
            metadata,
        })
    }
}

/// Texts above this many bytes are analysed on a thread of their own.
const INLINE_ANALYSIS_BYTES: usize = 8 << 10;

/// Analyses a text without holding up the tasks that share this thread.
pub(crate) async fn analyze(
    profile: optimizer::ScoringProfile,
    id: &str,
    text: &str,
    variables: usize,
) -> Result<crate::model::PromptAnalysis, VersionError> {
    refuse_overlong(text)?;
    if text.len() <= INLINE_ANALYSIS_BYTES {
        return Ok(profile.analyze(id, text, variables));
    }
    let (id, text) = (id.to_owned(), text.to_owned());
    tokio::task::spawn_blocking(move || profile.analyze(&id, &text, variables))
        .await
        .map_err(|_| StorageError::Unavailable("the analysis failed".into()).into())
}

/// Refuses a text that is longer than a prompt may be.
pub(crate) fn refuse_overlong(text: &str) -> Result<(), VersionError> {
    let chars = text.chars().count();
    if chars > MAX_PROMPT_CHARS {
        let error = crate::model::InvalidPrompt::TextTooLong { chars };
        return Err(crate::model::DocumentError::from(error).into());
    }
    Ok(())
}

pub(super) fn is_reserved(key: &str) -> bool {
    RESERVED_METADATA.contains(&key)
}

fn refuse_reserved(metadata: &Map<String, Value>) -> Result<(), VersionError> {
    match metadata.keys().find(|key| is_reserved(key)) {
        Some(key) => Err(VersionError::InvalidRequest(format!(
            "metadata.{key} is set by the daemon: leave it out"
        ))),
        None => Ok(()),
    }
}

/// Reads the body of a create request.
///
/// # Errors
/// `invalid-document` names the place and the rule, also for unknown keys deep inside.
pub(crate) fn parse_new_version(body: &Value) -> Result<NewVersion, VersionError> {
    refuse_unknown_fields::<NewVersion>(body)?;
    let new: NewVersion =
        serde_path_to_error::deserialize(body).map_err(|e| crate::model::DocumentError::Shape {
            path: e.path().to_string(),
            reason: e.inner().to_string(),
        })?;
    Ok(new)
}
