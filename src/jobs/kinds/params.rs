//! Reading the parameters of a request. Errors name keys and rules, never values.

use serde_json::{Map, Value};

use super::{JobError, JobKind};
use crate::jobs::error::cut;

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
        check("import", &json!({"name": "a.yml", "content": content}), None);
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
            Some("verify takes no parameters"),
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
    fn an_unknown_kind_is_answered_with_the_kinds_there_are() {
        check(
            "bake",
            &json!({}),
            Some("use one of import, verify, rebuild_index"),
        );
        check("Import", &json!({}), Some("use one of"));
    }
}
