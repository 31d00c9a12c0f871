//! Settings that do not go together.

use super::*;

fn check(change: impl FnOnce(&mut LlmSettings), refused: Option<(&str, &str)>) {
    let mut settings = LlmSettings {
        endpoint: Some("https://models.example/v1".into()),
        model: Some("m".into()),
        ..LlmSettings::default()
    };
    change(&mut settings);
    match (settings.validate(), refused) {
        (Ok(()), None) => {}
        (Err(error), Some((key, says))) => {
            assert_eq!(error.key, key);
            assert!(error.to_string().contains(says), "{error}");
        }
        (found, expected) => panic!("{settings:?}: {found:?}, not {expected:?}"),
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_the_key_to_set() {
    check(|_| {}, None);
    check(|s| s.endpoint = None, None);
    check(|s| s.model = None, Some(("optimizer.llm.model", "is missing")));
    check(
        |s| s.model = Some(" ".into()),
        Some(("optimizer.llm.model", "is missing")),
    );
    check(
        |s| s.endpoint = Some("ftp://x".into()),
        Some(("optimizer.llm.endpoint", "unix:/path")),
    );
    check(
        |s| s.min_backoff_ms = 90_000,
        Some(("optimizer.llm.min_backoff_ms", "must not be above")),
    );
    check(
        |s| s.credential = Some("../key".into()),
        Some(("optimizer.llm.credential", "the name of a credential")),
    );
    let both = |s: &mut LlmSettings| {
        s.credential = Some("key".into());
        s.credential_file = Some("/key".into());
    };
    check(both, Some(("optimizer.llm.credential", "both set")));
}

#[test]
fn a_key_is_not_sent_where_others_can_read_it() {
    let over = |endpoint: &'static str| {
        move |s: &mut LlmSettings| {
            s.endpoint = Some(endpoint.into());
            s.credential = Some("key".into());
        }
    };
    check(
        over("http://models.example/v1"),
        Some(("optimizer.llm.endpoint", "use https")),
    );
    for endpoint in [
        "http://127.0.0.1:1/v1",
        "http://localhost/v1",
        "http://[::1]:9/v1",
        "unix:/run/m.sock",
    ] {
        check(over(endpoint), None);
    }
    check(|s| s.endpoint = Some("http://models.example/v1".into()), None);
}

#[test]
fn a_limit_in_money_needs_every_price() {
    let limit = |s: &mut LlmSettings| s.budget.max_cost_per_day = Some(1.0);
    check(
        limit,
        Some(("optimizer.llm.budget.max_cost_per_day", "needs the prices")),
    );
    let half = |s: &mut LlmSettings| {
        s.budget.max_cost_per_job = Some(1.0);
        s.budget.price_per_million_prompt_tokens = Some(1.0);
    };
    check(
        half,
        Some(("optimizer.llm.budget.max_cost_per_job", "needs the prices")),
    );
    let whole = |s: &mut LlmSettings| {
        half(s);
        s.budget.price_per_million_answer_tokens = Some(0.0);
    };
    check(whole, None);
}
