//! Every route is in the table, and what the table says is what happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::access::{Policy, Principal, Rule};
use crate::http::{HttpLimits, router};
use crate::jobs::{JobLimits, JobQueue, MemoryLedger};
use crate::model::Author;
use crate::optimizer::OptimizationSettings;
use crate::storage::memory::MemoryStorage;
use crate::versions::{NewVersion, VersionManager};

const ANN: u32 = 1_001;
const BOB: u32 = 1_002;

struct World {
    router: Router,
    state: AppState,
}

/// What is answered, and its status.
type Answer = (StatusCode, Value);

impl World {
    async fn new(policy: Policy) -> Self {
        let versions = VersionManager::new(Arc::new(MemoryStorage::new(1 << 20)));
        for id in ["pay_1", "pay_2", "tax_1"] {
            let (id, new) = (PromptId::new(id).unwrap(), NewVersion::of_text("Say it."));
            versions.create(&id, new, &Author::daemon()).await.unwrap();
        }
        let ledger = Arc::new(MemoryLedger::default());
        let jobs = JobQueue::start(versions.clone(), ledger, JobLimits::default())
            .await
            .unwrap();
        let state = AppState::new(
            versions,
            jobs,
            HttpLimits::default(),
            OptimizationSettings::default(),
        );
        state.set_policy(policy);
        Self {
            router: router(state.clone()),
            state,
        }
    }

    async fn ask(&self, uid: u32, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        request.extensions_mut().insert(Peer {
            author: Author {
                name: format!("user{uid}"),
                uid: Some(uid),
            },
            principal: Some(Principal { uid, gids: vec![uid] }),
            gid: Some(uid),
            pid: Some(1),
        });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn check(&self, uid: u32, method: &str, path: &str, body: Value, expected: StatusCode) {
        let (status, answer) = self.ask(uid, method, path, body).await;
        assert_eq!(status, expected, "{uid} {method} {path}: {answer}");
        if expected == StatusCode::FORBIDDEN {
            assert_eq!(answer["code"], "forbidden", "{method} {path}");
        }
    }

    async fn ids(&self, uid: u32, path: &str) -> Vec<String> {
        let (status, page) = self.ask(uid, "GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["prompt_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn rule(uid: u32, role: Role, prompts: Option<&[&str]>, labels: Option<&[&str]>) -> Rule {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Rule {
        uids: vec![uid],
        gids: Vec::new(),
        role,
        prompts: prompts.map(texts),
        labels: labels.map(|names| names.iter().map(|name| Label::new(name).unwrap()).collect()),
    }
}

fn routes() -> BTreeSet<(String, String)> {
    let document: Value = serde_json::from_str(&crate::http::openapi_json()).unwrap();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if ["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                routes.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    routes
}

#[test]
fn every_route_is_in_the_table_and_nothing_else_is() {
    let table: BTreeSet<(String, String)> = TABLE
        .iter()
        .map(|(method, path, ..)| (method.to_string(), (*path).to_owned()))
        .collect();
    assert_eq!(table.len(), TABLE.len(), "a route is there twice");
    assert_eq!(table, routes());
}

#[test]
fn over_tcp_nothing_is_served_that_writes_or_is_about_jobs_backups_or_the_audit_log() {
    for (method, path, need, class) in TABLE {
        let reads = *method == Method::GET
            && matches!(
                need,
                Need::Nothing | Need::Anywhere(Role::Read) | Need::Prompt(Role::Read)
            );
        if *class != Class::Never {
            assert!(reads && !path.starts_with("/v1/jobs"), "{method} {path}");
        }
        assert_eq!(class_of(method, path), *class);
    }
    let check =
        |method: &Method, path: &str, class| assert_eq!(class_of(method, path), class, "{method} {path}");
    check(&Method::HEAD, "/metrics", Class::Metrics);
    check(&Method::POST, "/metrics", Class::Never);
    check(&Method::GET, "/v1/of/tomorrow", Class::Never);
    check(&Method::DELETE, "/v1/prompts/{id}", Class::Never);
}

#[test]
fn what_is_in_no_table_is_for_those_who_may_do_everything() {
    assert_eq!(
        need_of(&Method::GET, "/v1/of/tomorrow"),
        Need::Everywhere(Role::Admin)
    );
    // The router refuses the method.
    assert_eq!(need_of(&Method::PATCH, "/v1/prompts/{id}"), Need::Nothing);
    assert_eq!(
        need_of(&Method::HEAD, "/v1/backups"),
        Need::Everywhere(Role::Admin)
    );
}

/// The least role that is not refused; `None` is enough where nothing is needed.
const LEAST: &[(&str, &str, Role)] = &[
    ("GET", "/v1/prompts", Role::Read),
    ("GET", "/v1/prompts/pay_1", Role::Read),
    ("DELETE", "/v1/prompts/nowhere", Role::Write),
    ("DELETE", "/v1/prompts/nowhere?purge=true", Role::Admin),
    ("GET", "/v1/prompts/pay_1/versions", Role::Read),
    ("POST", "/v1/prompts/pay_1/versions", Role::Write),
    ("GET", "/v1/prompts/pay_1/versions/latest", Role::Read),
    ("HEAD", "/v1/prompts/pay_1/versions/latest", Role::Read),
    ("PUT", "/v1/prompts/pay_1/versions/1.0.0", Role::Write),
    ("DELETE", "/v1/prompts/pay_1/versions/9.0.0", Role::Write),
    (
        "GET",
        "/v1/prompts/pay_1/compare?from=latest&to=latest",
        Role::Read,
    ),
    ("POST", "/v1/prompts/pay_1/rollback", Role::Write),
    ("POST", "/v1/prompts/pay_1/promote", Role::Write),
    ("GET", "/v1/prompts/pay_1/labels", Role::Read),
    ("PUT", "/v1/prompts/pay_1/labels/next", Role::Write),
    ("DELETE", "/v1/prompts/pay_1/labels/next", Role::Write),
    ("GET", "/v1/trash", Role::Read),
    ("POST", "/v1/trash/pay_1/9.0.0/restore", Role::Write),
    ("DELETE", "/v1/trash/pay_1/9.0.0", Role::Admin),
    ("POST", "/v1/analyze", Role::Read),
    ("POST", "/v1/rewrite", Role::Read),
    ("GET", "/v1/jobs", Role::Read),
    ("GET", "/v1/jobs/none", Role::None),
    ("GET", "/v1/jobs/none/events", Role::None),
    ("DELETE", "/v1/jobs/none", Role::None),
    ("GET", "/v1/backups", Role::Admin),
    ("GET", "/v1/audit", Role::Admin),
    ("GET", "/v1/audit/verify", Role::Admin),
    ("GET", "/v1/watch?wait=0", Role::Read),
    ("GET", "/v1/status", Role::Read),
    ("GET", "/healthz", Role::None),
    ("GET", "/readyz", Role::None),
    ("GET", "/openapi.json", Role::None),
];

/// The least role for each kind of job.
fn least_for_jobs() -> Vec<(Value, Role)> {
    let document = "app: {name: x, mode: workflow}\nkind: app\nversion: 0.3.0\nworkflow: {graph: {nodes: [], edges: []}}\n";
    let file = json!({"name": "x.yml", "content": document});
    let verify = |params: Value| json!({"kind": "verify", "params": params});
    vec![
        (json!({"kind": "import", "params": file}), Role::Write),
        (json!({"kind": "optimize", "params": file}), Role::Write),
        (verify(json!({})), Role::Read),
        (verify(json!({"prompts": ["pay_1"]})), Role::Read),
        (verify(json!({"repair": true, "dry_run": true})), Role::Read),
        (verify(json!({"repair": true})), Role::Admin),
        (verify(json!({"accept_edits": ["pay_1@1.0.0"]})), Role::Admin),
        (json!({"kind": "rebuild_index"}), Role::Admin),
        (json!({"kind": "backup"}), Role::Admin),
        (
            json!({"kind": "verify_backup", "params": {"source": "x"}}),
            Role::Admin,
        ),
        (
            json!({"kind": "restore", "params": {"source": "x", "all": true}}),
            Role::Admin,
        ),
        (
            json!({"kind": "collect", "params": {"keep_last": 1}}),
            Role::Admin,
        ),
    ]
}

#[tokio::test]
async fn each_route_and_each_kind_of_job_needs_its_role_and_no_more() {
    for role in [Role::None, Role::Read, Role::Write, Role::Admin] {
        let world = World::new(Policy::new(role, Vec::new(), 1)).await;
        for (method, path, least) in LEAST {
            let (status, answer) = world.ask(ANN, method, path, Value::Null).await;
            let is_refused = status == StatusCode::FORBIDDEN;
            assert_eq!(
                is_refused,
                role < *least,
                "{role} {method} {path}: {status} {answer}"
            );
        }
        for (job, least) in least_for_jobs() {
            let (status, answer) = world.ask(ANN, "POST", "/v1/jobs", job.clone()).await;
            let is_refused = status == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, role < least, "{role} {job}: {status} {answer}");
        }
        world.state.jobs().close().await;
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_in_no_list_and_is_refused_like_what_does_not_exist() {
    let rules = vec![rule(ANN, Role::Read, Some(&["pay_"]), None)];
    let world = World::new(Policy::new(Role::None, rules, 1)).await;
    let new = json!({"prompt": {"text": "More."}});
    for id in ["pay_1", "tax_1"] {
        for path in [
            format!("/v1/prompts/{id}/versions"),
            format!("/v1/prompts/{id}/versions"),
        ] {
            let new = json!({"prompt": {"text": format!("{id} {}", new["prompt"]["text"])}});
            world.ask(0, "POST", &path, new).await;
        }
        world
            .check(
                0,
                "DELETE",
                &format!("/v1/prompts/{id}/versions/1.0.0"),
                Value::Null,
                StatusCode::NO_CONTENT,
            )
            .await;
    }
    assert_eq!(world.ids(ANN, "/v1/prompts").await, ["pay_1", "pay_2"]);
    assert_eq!(world.ids(ANN, "/v1/prompts?prefix=tax").await, [""; 0]);
    assert_eq!(world.ids(ANN, "/v1/trash").await, ["pay_1"]);
    assert_eq!(world.ids(0, "/v1/trash").await, ["pay_1", "tax_1"]);
    let there = world.ask(ANN, "GET", "/v1/prompts/tax_1", Value::Null).await;
    let absent = world.ask(ANN, "GET", "/v1/prompts/tax_9", Value::Null).await;
    let shown = |answer: &Answer| answer.1.to_string().replace("tax_9", "tax_1");
    assert_eq!((there.0, shown(&there)), (absent.0, shown(&absent)));
    world
        .check(BOB, "GET", "/v1/prompts", Value::Null, StatusCode::FORBIDDEN)
        .await;
}

#[tokio::test]
async fn a_page_is_filled_with_what_may_be_read_and_the_next_one_goes_on_after_it() {
    let rules = vec![rule(ANN, Role::Read, Some(&["pay_2", "tax_"]), None)];
    let world = World::new(Policy::new(Role::None, rules, 1)).await;
    let (_, first) = world.ask(ANN, "GET", "/v1/prompts?limit=1", Value::Null).await;
    assert_eq!(first["items"][0]["prompt_id"], "pay_2");
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = world
        .ask(
            ANN,
            "GET",
            &format!("/v1/prompts?limit=1&cursor={cursor}"),
            Value::Null,
        )
        .await;
    assert_eq!(second["items"][0]["prompt_id"], "tax_1");
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_guarded_label_is_moved_by_those_who_hold_it_and_force_does_not_go_around_that() {
    let rules = vec![rule(BOB, Role::Write, None, Some(&["production"]))];
    let world = World::new(Policy::new(Role::Write, rules, 1)).await;
    let (production, staging) = (
        "/v1/prompts/pay_1/labels/production",
        "/v1/prompts/pay_1/labels/staging",
    );
    let to = json!({"version": "1.0.0"});
    world
        .check(ANN, "PUT", production, to.clone(), StatusCode::FORBIDDEN)
        .await;
    world.check(ANN, "PUT", staging, to.clone(), StatusCode::OK).await;
    world.check(BOB, "PUT", production, to, StatusCode::OK).await;
    world
        .check(ANN, "DELETE", production, Value::Null, StatusCode::FORBIDDEN)
        .await;
    let (version, prompt) = (
        "/v1/prompts/pay_1/versions/1.0.0?force=true",
        "/v1/prompts/pay_1?force=true",
    );
    world
        .check(ANN, "DELETE", version, Value::Null, StatusCode::FORBIDDEN)
        .await;
    world
        .check(ANN, "DELETE", prompt, Value::Null, StatusCode::FORBIDDEN)
        .await;
    // Nothing was taken off on the way.
    let (_, labels) = world
        .ask(ANN, "GET", "/v1/prompts/pay_1/labels", Value::Null)
        .await;
    assert_eq!(labels["labels"].as_array().unwrap().len(), 2, "{labels}");
    world
        .check(BOB, "DELETE", production, Value::Null, StatusCode::NO_CONTENT)
        .await;
    world
        .check(ANN, "DELETE", version, Value::Null, StatusCode::NO_CONTENT)
        .await;
}

#[tokio::test]
async fn a_job_is_seen_and_cancelled_by_its_author_and_by_an_admin() {
    let world = World::new(Policy::new(Role::Read, Vec::new(), 1)).await;
    let (status, job) = world
        .ask(ANN, "POST", "/v1/jobs", json!({"kind": "verify"}))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{job}");
    let path = format!("/v1/jobs/{}", job["job_id"].as_str().unwrap());
    for path in [path.clone(), format!("{path}/events")] {
        world
            .check(BOB, "GET", &path, Value::Null, StatusCode::NOT_FOUND)
            .await;
    }
    world
        .check(BOB, "DELETE", &path, Value::Null, StatusCode::NOT_FOUND)
        .await;
    for uid in [ANN, 0] {
        world
            .check(
                uid,
                "GET",
                &format!("{path}?wait=10"),
                Value::Null,
                StatusCode::OK,
            )
            .await;
        world
            .check(uid, "DELETE", &path, Value::Null, StatusCode::OK)
            .await;
    }
    for (uid, count) in [(BOB, 0), (ANN, 1), (0, 1)] {
        let (_, page) = world.ask(uid, "GET", "/v1/jobs", Value::Null).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{uid}");
    }
    world.state.jobs().close().await;
}

#[tokio::test]
async fn an_import_needs_the_right_to_write_each_of_its_prompts() {
    let document = include_str!("../../../tests/fixtures/dify/sample_support_bot.yml");
    let import = |workflow: &str| {
        let params = json!({"name": "x.yml", "content": document, "workflow": workflow});
        json!({"kind": "import", "params": params})
    };
    let rules = vec![rule(ANN, Role::Write, Some(&["pay"]), None)];
    let world = World::new(Policy::new(Role::Read, rules, 1)).await;
    world
        .check(ANN, "POST", "/v1/jobs", import("tax"), StatusCode::FORBIDDEN)
        .await;
    world
        .check(ANN, "POST", "/v1/jobs", import("pay"), StatusCode::ACCEPTED)
        .await;
    world
        .check(BOB, "POST", "/v1/jobs", import("pay"), StatusCode::FORBIDDEN)
        .await;
    world.state.jobs().close().await;
}

#[tokio::test]
async fn new_rules_count_from_the_next_request_on() {
    let world = World::new(Policy::open()).await;
    world
        .check(ANN, "GET", "/v1/backups", Value::Null, StatusCode::BAD_REQUEST)
        .await;
    world.state.set_policy(Policy::new(Role::None, Vec::new(), 1));
    world
        .check(ANN, "GET", "/v1/backups", Value::Null, StatusCode::FORBIDDEN)
        .await;
}
