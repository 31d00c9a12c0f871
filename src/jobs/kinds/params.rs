//! Reading the parameters of a request. Errors name keys and rules, never values.

use serde_json::{Map, Value};

use super::{JobError, JobKind};
use crate::jobs::error::cut;
use crate::model::{OptimizationStrategy, PromptId, Version};
use crate::optimizer::ScoringProfile;

/// The longest list in the parameters of a job.
pub(crate) const MAX_LIST_ITEMS: usize = 1_000;

/// The parameters of a request; each is taken out, and none may be left at the end.
pub(super) struct Params {
    kind: JobKind,
    rest: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Params {
    pub(super) const fn new(kind: JobKind, params: Map<String, Value>) -> Self {
        Self {
            kind,
            rest: params,
            known: Vec::new(),
        }
    }

    /// Takes a text that may be absent or null.
    pub(super) fn optional_text(&mut self, key: &'static str) -> Result<Option<String>, JobError> {
        self.known.push(key);
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(JobError::InvalidParams(format!("params.{key} must be a string"))),
        }
    }

    /// Takes a list of texts; one that is absent or null is empty.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, JobError> {
        self.known.push(key);
        let wrong = || JobError::InvalidParams(format!("params.{key} must be a list of strings"));
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => serde_json::from_value(value).map_err(|_| wrong()),
        }
    }

    /// Takes a yes or no; one that is absent or null is a no.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, JobError> {
        self.known.push(key);
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(JobError::InvalidParams(format!(
                "params.{key} must be true or false"
            ))),
        }
    }

    /// Takes a text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> Result<String, JobError> {
        let kind = self.kind.as_str();
        self.optional_text(key)?.ok_or_else(|| {
            JobError::InvalidParams(format!("params.{key} is missing: a job of kind {kind} needs it"))
        })
    }

    /// Takes a whole number that may be absent or null.
    pub(super) fn count(&mut self, key: &'static str) -> Result<Option<u64>, JobError> {
        self.known.push(key);
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                JobError::InvalidParams(format!("params.{key} must be a whole number from 0 on"))
            }),
        }
    }

    /// Takes a whole number that is not 0 and may be absent or null.
    pub(super) fn positive_count(&mut self, key: &'static str) -> Result<Option<u64>, JobError> {
        match self.count(key)? {
            Some(0) => Err(JobError::InvalidParams(format!(
                "params.{key} must be at least 1; leave it out for no limit"
            ))),
            count => Ok(count),
        }
    }

    /// Takes a number that may be absent or null.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<f64>, JobError> {
        self.known.push(key);
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| JobError::InvalidParams(format!("params.{key} must be a number"))),
        }
    }

    /// Takes the name of a scoring profile that may be absent or null.
    pub(super) fn profile(&mut self, key: &'static str) -> Result<Option<ScoringProfile>, JobError> {
        let name = self.optional_text(key)?;
        let profile = name.map(|name| serde_json::from_value(Value::String(name)));
        profile
            .transpose()
            .map_err(|_| JobError::InvalidParams(format!("params.{key} must be reference or balanced")))
    }

    /// Takes a list of strategies; absent or null is an empty one.
    pub(super) fn strategies(&mut self, key: &'static str) -> Result<Vec<OptimizationStrategy>, JobError> {
        let names = OptimizationStrategy::ALL
            .map(OptimizationStrategy::as_str)
            .join(", ");
        self.list(
            key,
            &format!("names of strategies: {names}"),
            OptimizationStrategy::parse,
        )
    }

    /// Takes a list of prompt ids; absent or null is an empty one.
    pub(super) fn prompt_ids(&mut self, key: &'static str) -> Result<Vec<PromptId>, JobError> {
        self.list(key, "prompt ids", |text| PromptId::new(text).ok())
    }

    /// Takes a list of exact versions, each as `name@1.2.0`; absent or null is an empty one.
    pub(super) fn exact_versions(&mut self, key: &'static str) -> Result<Vec<(PromptId, Version)>, JobError> {
        self.list(key, "versions such as name@1.2.0", |text| {
            let (id, version) = text.split_once('@')?;
            Some((PromptId::new(id).ok()?, Version::new(version).ok()?))
        })
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        of: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, JobError> {
        self.known.push(key);
        let wrong = || JobError::InvalidParams(format!("params.{key} must be a list of {of}"));
        match self.rest.remove(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= MAX_LIST_ITEMS => items
                .iter()
                .map(|item| item.as_str().and_then(&read).ok_or_else(wrong))
                .collect(),
            Some(Value::Array(_)) => Err(JobError::InvalidParams(format!(
                "params.{key} has more than {MAX_LIST_ITEMS} items"
            ))),
            Some(_) => Err(wrong()),
        }
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) -> Result<(), JobError> {
        let Some(key) = self.rest.keys().next() else {
            return Ok(());
        };
        let kind = self.kind.as_str();
        let known = if self.known.is_empty() {
            "no parameters".to_owned()
        } else {
            self.known.join(", ")
        };
        let message = format!(
            "unknown parameter {:?}: a job of kind {kind} takes {known}",
            cut(key)
        );
        Err(JobError::InvalidParams(message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::wire::JobRequest;
    use crate::jobs::kinds::Order;

    fn check(kind: &str, params: &Value, error: Option<&str>) {
        let request = JobRequest {
            kind: kind.into(),
            params: params.as_object().unwrap().clone(),
        };
        let read = Order::read(request);
        match (read, error) {
            (Ok(order), None) => assert_eq!(order.kind().as_str(), kind),
            (Err(found), Some(says)) => {
                assert_eq!(found.code(), "invalid-request");
                assert!(found.to_string().contains(says), "{found}");
                assert!(
                    !found.to_string().contains("sesame"),
                    "a value is repeated: {found}"
                );
            }
            (read, error) => panic!("{kind} {params}: {read:?}, not {error:?}"),
        }
    }

    #[test]
    fn each_kind_takes_its_own_parameters_and_no_others() {
        let content = "sesame";
        check("verify", &json!({}), None);
        check("rebuild_index", &json!({}), None);
        check(
            "rebuild_index",
            &json!({"deep": 1}),
            Some("rebuild_index takes no parameters"),
        );
        check(
            "verify",
            &json!({"prompts": ["a"], "repair": true, "dry_run": true}),
            None,
        );
        check("verify", &json!({"accept_edits": ["a@1.0.0"]}), None);
        check(
            "collect",
            &json!({"keep_last": 3, "prefix": "wf_", "apply": true}),
            None,
        );
        check(
            "collect",
            &json!({"trash_older_than_seconds": 0, "prompts": null}),
            None,
        );
        check("import", &json!({"name": "a.yml", "content": content}), None);
        let optimize = |more: Value| {
            let mut params = json!({"name": "a.yml", "content": content});
            params
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            params
        };
        let all = json!({"workflow": "w", "strategies": ["auto"], "profile": "reference", "min_baseline_score": 90,
            "min_improvement": 0.5, "min_confidence": null, "max_iterations": 2, "max_growth": 2, "max_shrink": 2,
            "max_accepted": 1, "max_failures": 1, "max_seconds": 1, "max_tokens": 5, "max_cost": 0.5,
            "dry_run": true});
        check("optimize", &optimize(all), None);
        for (more, says) in [
            (
                json!({"strategies": ["sesame"]}),
                "params.strategies must be a list of names of strategies: clarity_focus",
            ),
            (
                json!({"profile": "sesame"}),
                "params.profile must be reference or balanced",
            ),
            (
                json!({"min_improvement": "sesame"}),
                "params.min_improvement must be a number",
            ),
            (
                json!({"max_accepted": 0}),
                "params.max_accepted must be at least 1; leave it out for no limit",
            ),
            (
                json!({"apply": true}),
                "takes name, content, workflow, strategies, profile",
            ),
        ] {
            check("optimize", &optimize(more), Some(says));
        }
        check(
            "import",
            &json!({"name": "a.yml", "content": content, "workflow": null}),
            None,
        );
        check(
            "import",
            &json!({"name": "a.yml", "content": content, "workflow": "wf_1"}),
            None,
        );
        check(
            "verify",
            &json!({"deep": "sesame"}),
            Some("verify takes prompts, repair, dry_run, accept_edits"),
        );
        check(
            "import",
            &json!({"name": "a.yml", "content": content, "path": "sesame"}),
            Some("unknown parameter \"path\": a job of kind import takes name, content, workflow"),
        );
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said_without_its_value() {
        check(
            "import",
            &json!({"name": "a.yml"}),
            Some("params.content is missing"),
        );
        check(
            "import",
            &json!({"content": "sesame"}),
            Some("params.name is missing"),
        );
        check(
            "import",
            &json!({"name": "a.yml", "content": ["sesame"]}),
            Some("params.content must be a string"),
        );
        check(
            "import",
            &json!({"name": " ", "content": "sesame"}),
            Some("params.name"),
        );
        check(
            "import",
            &json!({"name": "x".repeat(300), "content": "sesame"}),
            Some("params.name"),
        );
        for workflow in ["", "../up", "two words", "sesame/sesame", &"w".repeat(41)] {
            check(
                "import",
                &json!({"name": "a.yml", "content": "x", "workflow": workflow}),
                Some("params.workflow must be"),
            );
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        check(
            "verify",
            &json!({"dry_run": true}),
            Some("params.dry_run goes with"),
        );
        check(
            "verify",
            &json!({"repair": "sesame"}),
            Some("params.repair must be true or false"),
        );
        check(
            "verify",
            &json!({"prompts": ["../sesame"]}),
            Some("params.prompts must be a list"),
        );
        check(
            "verify",
            &json!({"accept_edits": ["sesame@^1"]}),
            Some("params.accept_edits must be"),
        );
        check(
            "verify",
            &json!({"prompts": vec!["sesame"; 1_001]}),
            Some("more than 1000"),
        );
        check("collect", &json!({}), Some("params.keep_last or"));
        check("collect", &json!({"keep_last": 0}), Some("at least 1"));
        check(
            "collect",
            &json!({"keep_last": -1}),
            Some("params.keep_last must be a whole number"),
        );
        check(
            "collect",
            &json!({"trash_older_than_seconds": 1, "keep_newer_than_seconds": 1}),
            Some("goes with params.keep_last"),
        );
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_kinds_there_are() {
        check(
            "bake",
            &json!({}),
            Some("use one of import, optimize, verify, rebuild_index, collect"),
        );
        check("Import", &json!({}), Some("use one of"));
    }
}
