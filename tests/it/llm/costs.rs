//! Budgets: decided before the call, settled after it, remembered over restarts.

use promptd::llm::{JobBudget, LlmError, LlmSettings};

use super::calls::{PROMPT, job, open, rewrite, settings};
use crate::harness::model_server::{Asked, ModelServer, Reply, completion, response};

/// Sets one limit, of the configuration or of a job.
type Limit = fn(&mut LlmSettings, &mut JobBudget);

fn good(_: usize, _: &Asked) -> Reply {
    Reply::Rewrites("Answer §.".into())
}

#[tokio::test]
async fn no_call_is_made_whose_worst_case_passes_a_limit() {
    let limits: [(Limit, &str); 6] = [
        (
            |s, _| s.budget.max_tokens_per_job = 4_096,
            "optimizer.llm.budget.max_tokens_per_job",
        ),
        (
            |s, _| s.budget.max_tokens_per_day = 4_096,
            "optimizer.llm.budget.max_tokens_per_day",
        ),
        (|_, job| job.max_tokens = Some(4_096), "max_tokens of the job"),
        (
            |s, _| s.budget.max_cost_per_job = Some(0.04),
            "optimizer.llm.budget.max_cost_per_job",
        ),
        (
            |s, _| s.budget.max_cost_per_day = Some(0.04),
            "optimizer.llm.budget.max_cost_per_day",
        ),
        (|_, job| job.max_cost = Some(0.04), "max_cost of the job"),
    ];
    for (limit, key) in limits {
        let dir = tempfile::tempdir().unwrap();
        let server = ModelServer::on_loopback(good).await;
        let (mut settings, mut job) = (settings(&server), job("a"));
        settings.budget.price_per_million_prompt_tokens = Some(1.0);
        settings.budget.price_per_million_answer_tokens = Some(10.0);
        limit(&mut settings, &mut job);
        let model = open(&settings, dir.path());
        let error = rewrite(&model, PROMPT, &job).await.unwrap_err();
        assert!(
            error.code() == "over-budget" && error.to_string().contains(key),
            "{error}"
        );
        assert_eq!(
            (server.asked().len(), model.spent_by("a").await.0),
            (0, 0),
            "{key}"
        );
        assert_eq!(model.status().budget_refusals, 1);
    }
}

/// Returns how many tokens a call with the prompt and one digit more may take.
async fn worst_case(settings: &LlmSettings) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let nothing = JobBudget {
        max_tokens: Some(1),
        ..job("a")
    };
    let model = open(settings, dir.path());
    match rewrite(&model, &format!("{PROMPT} 0"), &nothing).await {
        Err(LlmError::OverBudget(over)) => over.wanted as u64,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_go_on_while_their_worst_case_fits_into_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(good).await;
    let mut settings = settings(&server);
    // Each call may take much and takes 100: there is room for ten and not for eleven.
    settings.budget.max_tokens_per_day = worst_case(&settings).await + 900;
    settings.budget.price_per_million_prompt_tokens = Some(1.0);
    settings.budget.price_per_million_answer_tokens = Some(10.0);
    let model = open(&settings, dir.path());
    let mut done = 0;
    let error = loop {
        match rewrite(&model, &format!("{PROMPT} {done}"), &job("a")).await {
            Ok(rewritten) => assert_eq!(rewritten.model_use.cost, Some(0.000_28)),
            Err(error) => break error,
        }
        done += 1;
    };
    assert_eq!(error.code(), "over-budget");
    let (tokens, cost) = model.spent_by("a").await;
    assert_eq!(done, 10);
    assert_eq!((tokens, server.asked().len()), (100 * done, done as usize));
    assert!((cost.unwrap() - 0.000_28 * done as f64).abs() < 1e-9, "{cost:?}");
    // A restart does not begin a new day, and what is kept costs nothing.
    let second = open(&settings, dir.path());
    let error = rewrite(&second, "Something else.", &job("b")).await.unwrap_err();
    assert!(
        error.to_string().contains("another promptd"),
        "each would spend a whole budget: {error}"
    );
    drop((model, second));
    let again = open(&settings, dir.path());
    assert_eq!(again.status().tokens_today, Some(tokens));
    assert_eq!(
        rewrite(&again, "Something else.", &job("b"))
            .await
            .unwrap_err()
            .code(),
        "over-budget"
    );
    assert!(rewrite(&again, &format!("{PROMPT} 0"), &job("b")).await.is_ok());
    assert_eq!(server.asked().len(), done as usize);
}

#[tokio::test]
async fn an_endpoint_that_does_not_say_what_it_took_has_taken_the_worst() {
    let dir = tempfile::tempdir().unwrap();
    let script = |_, asked: &Asked| {
        let body: serde_json::Value =
            serde_json::from_str(&completion(&asked.block("Answer §."), "stop")).unwrap();
        let mut body = body.as_object().unwrap().clone();
        body.remove("usage");
        Reply::Raw(response(200, "", &serde_json::to_string(&body).unwrap()))
    };
    let server = ModelServer::on_loopback(script).await;
    let model = open(&settings(&server), dir.path());
    rewrite(&model, PROMPT, &job("a")).await.unwrap();
    assert!(model.spent_by("a").await.0 > 4_096 + PROMPT.len() as u64);
}

#[tokio::test]
async fn without_prices_there_is_no_money() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(good).await;
    let model = open(&settings(&server), dir.path());
    let rewritten = rewrite(&model, PROMPT, &job("a")).await.unwrap();
    assert_eq!(
        (rewritten.model_use.cost, model.spent_by("a").await),
        (None, (100, None))
    );
    assert_eq!((model.status().cost, model.status().cost_today), (None, None));
}
