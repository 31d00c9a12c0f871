//! Rewriting, and analysis by a profile.

use serde_json::json;

use super::fixture::Server;

const WORDY: &str = "Please answer {{question}} in order to help, due to the fact that the user waits.";

#[tokio::test]
async fn a_text_is_rewritten_and_nothing_is_stored() {
    let server = Server::start().await;
    let body = json!({"text": WORDY, "strategies": ["efficiency_focus", "conservative"]});
    let outcome = server.post("/v1/rewrite", &body).await.check_status(200).json();
    assert_eq!(outcome["best"], 0);
    let best = &outcome["candidates"][0];
    assert_eq!(
        best["text"],
        "Answer {{question}} to help, because the user waits."
    );
    assert_eq!(best["decision"], json!({"outcome": "accepted"}));
    assert_eq!(best["changes"][0]["rule_id"], "courtesy");
    let same = &outcome["candidates"][1]["decision"];
    assert_eq!(
        same,
        &json!({"outcome": "refused", "reasons": [{"reason": "unchanged"}]})
    );
    assert_eq!(server.get("/v1/prompts").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_minimum_that_a_request_names_is_the_one_that_counts() {
    let server = Server::start().await;
    let settings = json!({"min_improvement": 90, "scoring_profile": "balanced"});
    let body = json!({"text": WORDY, "strategies": ["efficiency_focus"], "settings": settings});
    let outcome = server.post("/v1/rewrite", &body).await.check_status(200).json();
    assert_eq!(outcome["best"], json!(null));
    assert_eq!(
        outcome["candidates"][0]["decision"]["reasons"][0]["reason"],
        "too_small_gain"
    );
}

#[tokio::test]
async fn what_cannot_be_rewritten_is_refused_with_the_reason() {
    let server = Server::start().await;
    for body in [
        json!({"text": " "}),
        json!({"text": "x".repeat(10_001)}),
        json!({"text": "x".repeat(100_001)}),
        json!({"text": "x", "strategies": []}),
        json!({"text": "x", "strategies": ["auto", "auto"]}),
        json!({"text": "x", "strategies": ["llm_guided"]}),
        json!({"text": "x", "strategies": ["unheard_of"]}),
        json!({"text": "x", "settings": {"min_confidence": 2}}),
        json!({"text": "x", "settings": {"max_iterations": 0}}),
        json!({"text": "x", "settings": {"min_baseline_score": 1}}),
        json!({"text": "x", "strategy": "auto"}),
    ] {
        server
            .post("/v1/rewrite", &body)
            .await
            .check_problem(422, "invalid-document");
    }
}

#[tokio::test]
async fn an_analysis_is_made_by_the_profile_that_is_named() {
    let server = Server::start().await;
    let text = "Translate {{text}}.";
    for (body, profile) in [
        (json!({"text": text}), "reference"),
        (json!({"text": text, "profile": "reference"}), "reference"),
        (json!({"text": text, "profile": "balanced"}), "balanced"),
    ] {
        let analysis = server.post("/v1/analyze", &body).await.check_status(200).json();
        assert_eq!(analysis["metadata"]["profile"], profile);
        assert_eq!(analysis["overall_score"] == json!(100.0), profile == "balanced");
    }
    let unknown = json!({"text": text, "profile": "best"});
    server
        .post("/v1/analyze", &unknown)
        .await
        .check_problem(422, "invalid-document");
}

#[tokio::test]
async fn a_candidate_of_a_job_is_promoted_once() {
    let server = Server::start().await;
    let content = format!(
        "app: {{mode: completion, name: Bot}}\nkind: app\nversion: '0.3.0'\nmodel_config: {{pre_prompt: {WORDY:?}}}\n"
    );
    let params = json!({"name": "bot.yml", "content": content, "min_baseline_score": 100, "min_improvement": 1,
        "strategies": ["efficiency_focus"]});
    let body = json!({"kind": "optimize", "params": params});
    let job = server.post("/v1/jobs", &body).await.check_status(202).json();
    let path = format!("/v1/jobs/{}?wait=60", job["job_id"].as_str().unwrap());
    let done = server.get(&path).await.check_status(200).json();
    let prompt = &done["result"]["prompts"][0];
    let candidate = &prompt["candidates"][0]["version"];
    let promote = format!("/v1/prompts/{}/promote", prompt["prompt_id"].as_str().unwrap());
    server
        .post(&promote, &json!({"version": "1.0.0"}))
        .await
        .check_problem(409, "not-promotable");
    server
        .post(&promote, &json!({"version": "latest"}))
        .await
        .check_problem(400, "invalid-version");
    for status in [201, 200] {
        let made = server.post(&promote, &json!({"version": candidate})).await;
        let release = made.check_status(status).json();
        assert_eq!(&release["metadata"]["promoted_from"], candidate);
        assert_eq!(release["parent_version"], "1.0.0");
    }
}
