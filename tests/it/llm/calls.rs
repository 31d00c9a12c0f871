//! What becomes of every kind of answer.

use std::path::Path;
use std::time::{Duration, Instant};

use promptd::llm::{JobBudget, LanguageModel, LlmError, LlmPlaces, LlmSettings, Rewritten, Task};
use promptd::model::OptimizationStrategy;

use crate::harness::model_server::{Asked, ModelServer, Reply, completion, response};

pub const PROMPT: &str = "Please answer {{#start.question#}} in order to help.";

/// Settings with which nothing in these tests waits for long.
pub fn settings(server: &ModelServer) -> LlmSettings {
    LlmSettings {
        endpoint: Some(server.endpoint().to_owned()),
        model: Some("test-model".into()),
        timeout_ms: 10_000,
        max_retries: 2,
        min_backoff_ms: 5,
        max_backoff_ms: 5_000,
        max_calls_per_minute: 60_000,
        max_burst_calls: 1_000,
        ..LlmSettings::default()
    }
}

pub fn open(settings: &LlmSettings, dir: &Path) -> LanguageModel {
    let places = LlmPlaces {
        state_dir: Some(dir.join("llm")),
        answers_dir: Some(dir.join("answers")),
        credentials_dir: None,
    };
    LanguageModel::open(settings, &places).unwrap().unwrap()
}

pub fn job(id: &str) -> JobBudget {
    JobBudget {
        job_id: id.into(),
        ..JobBudget::default()
    }
}

pub async fn rewrite(model: &LanguageModel, text: &str, job: &JobBudget) -> Result<Rewritten, LlmError> {
    let task = Task {
        strategy: OptimizationStrategy::LlmClarity,
        text,
        round: 1,
        job,
    };
    model.rewrite(&task).await
}

/// What came of asking once.
struct Once {
    result: Result<String, LlmError>,
    asked: Vec<Asked>,
    /// Tokens that were counted.
    tokens: u64,
}

async fn once(
    script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    change: impl FnOnce(&mut LlmSettings),
) -> Once {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(script).await;
    let mut settings = settings(&server);
    change(&mut settings);
    let model = open(&settings, dir.path());
    let result = rewrite(&model, PROMPT, &job("a"))
        .await
        .map(|rewritten| rewritten.text);
    Once {
        result,
        asked: server.asked(),
        tokens: model.spent_by("a").await.0,
    }
}

/// Answers well from the given request on.
fn good_after(count: usize, before: Reply) -> impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static {
    move |number, _| {
        if number < count {
            before.clone()
        } else {
            Reply::Rewrites("Answer §.".into())
        }
    }
}

fn refusal(status: u16, headers: &str) -> Reply {
    Reply::Raw(response(
        status,
        headers,
        r#"{"error": {"code": "some_reason", "message": "no"}}"#,
    ))
}

#[tokio::test]
async fn a_good_answer_is_taken_and_costs_what_the_endpoint_says() {
    let once = once(good_after(0, Reply::Hangs), |_| {}).await;
    assert_eq!(once.result.as_deref(), Ok("Answer {{#start.question#}}."));
    let [asked] = &once.asked[..] else {
        panic!("{:?}", once.asked)
    };
    assert!(
        asked.head.starts_with("POST /v1/chat/completions "),
        "{}",
        asked.head
    );
    assert!(
        !asked.head.to_ascii_lowercase().contains("authorization"),
        "{}",
        asked.head
    );
    assert_eq!(
        (&asked.body["model"], &asked.body["max_tokens"]),
        (&"test-model".into(), &4_096.into())
    );
    assert!(
        !asked.body.to_string().contains("start.question"),
        "references are masked: {}",
        asked.body
    );
    assert_eq!(once.tokens, 100);
}

#[tokio::test]
async fn a_model_on_a_unix_socket_is_asked_in_the_same_way() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_socket(&dir.path().join("m.sock"), good_after(0, Reply::Hangs));
    let model = open(&settings(&server), dir.path());
    let rewritten = rewrite(&model, PROMPT, &job("a")).await.unwrap();
    assert_eq!(rewritten.text, "Answer {{#start.question#}}.");
    assert!(server.asked()[0].head.starts_with("POST /v1/chat/completions "));
}

#[tokio::test]
async fn what_fails_for_the_moment_is_asked_again_and_then_given_up() {
    let cut_off = || Reply::Raw(response(200, "", &completion("x", "stop"))[..120].to_owned());
    for passing in [
        refusal(500, ""),
        refusal(503, ""),
        refusal(429, ""),
        cut_off(),
        Reply::Raw(String::new()),
    ] {
        let once = once(good_after(2, passing.clone()), |_| {}).await;
        assert!(
            once.result.is_ok() && once.asked.len() == 3,
            "{passing:?}: {:?}",
            once.result
        );
    }
    for lasting in [refusal(500, ""), cut_off()] {
        let once = once(good_after(9, lasting.clone()), |_| {}).await;
        let error = once.result.unwrap_err();
        assert_eq!(
            (error.code(), once.asked.len()),
            ("model-unavailable", 3),
            "{lasting:?}: {error}"
        );
        assert!(error.to_string().ends_with(", 3 times"), "{error}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_asked_again() {
    for status in [400, 401, 403, 404, 422] {
        let once = once(good_after(9, refusal(status, "")), |_| {}).await;
        let error = once.result.unwrap_err();
        assert_eq!(
            (error.code(), once.asked.len(), once.tokens),
            ("model-unavailable", 1, 0),
            "{error}"
        );
        assert!(
            error.to_string().contains(&format!("{status} (some_reason)")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_wish_to_wait_is_kept_within_its_bound() {
    let once_after_one = once(good_after(1, refusal(429, "Retry-After: 1\r\n")), |_| {}).await;
    assert!(once_after_one.result.is_ok());
    let [first, second] = &once_after_one.asked[..] else {
        panic!()
    };
    assert!(
        second.at - first.at >= Duration::from_secs(1),
        "{:?}",
        second.at - first.at
    );
    let began = Instant::now();
    let too_long = once(good_after(1, refusal(429, "Retry-After: 3600\r\n")), |_| {}).await;
    assert_eq!(
        (too_long.result.unwrap_err().code(), too_long.asked.len()),
        ("model-unavailable", 1)
    );
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_slow_endpoint_is_left_and_its_work_counts_as_paid() {
    let once = once(good_after(9, Reply::Hangs), |s| {
        (s.timeout_ms, s.max_retries) = (50, 1);
    })
    .await;
    let error = once.result.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("within 50 ms (optimizer.llm.timeout_ms), 2 times"),
        "{error}"
    );
    // Nobody knows what it did: twice the worst case.
    assert!(
        once.asked.len() == 2 && once.tokens > 2 * 4_096,
        "{}",
        once.tokens
    );
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_socket(&dir.path().join("gone.sock"), good_after(0, Reply::Hangs));
    let settings = settings(&server);
    drop(server);
    std::fs::remove_file(dir.path().join("gone.sock")).unwrap();
    let model = open(&settings, dir.path());
    for (text, says) in [
        ("One.", "cannot be reached"),
        ("Two.", "cannot be reached"),
        ("Three.", "cannot be reached"),
        ("Four.", "left alone"),
    ] {
        let error = rewrite(&model, text, &job("a")).await.unwrap_err();
        assert!(
            error.code() == "model-unavailable" && error.to_string().contains(says),
            "{error}"
        );
    }
    assert_eq!(model.spent_by("a").await.0, 0);
    assert_eq!(
        (
            model.status().calls,
            model.status().retries,
            model.status().failures
        ),
        (9, 6, 9)
    );
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_and_not_asked_again() {
    let none = completion("x", "stop");
    let cases = [
        (
            Reply::Raw(response(200, "", "<html>hello</html>")),
            "something else than a chat completion",
        ),
        (
            Reply::Raw(response(200, "", "{\"choices\": []}")),
            "without a text",
        ),
        (
            Reply::Raw(response(200, "", "")),
            "something else than a chat completion",
        ),
        (Reply::Raw(response(200, "", &none)), "did not keep the form"),
        (
            Reply::Raw(response(200, "", &completion("x", "length"))),
            "cut off at optimizer.llm.max_answer_tokens",
        ),
        (Reply::Says("HACKED".into()), "did not keep the form"),
    ];
    for (reply, says) in cases {
        let once = once(good_after(9, reply.clone()), |_| {}).await;
        assert_eq!(once.asked.len(), 1, "{reply:?}");
        let error = once.result.unwrap_err();
        assert_eq!(error.code(), "unusable-answer", "{reply:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let mangled = |_, asked: &Asked| Reply::Rewrites(asked.placeholder().replace("_1>>", "_7>>"));
    let error = once(mangled, |_| {}).await.result.unwrap_err();
    assert!(
        error.to_string().contains("changed or invented placeholders"),
        "{error}"
    );
}

#[tokio::test]
async fn fences_and_chatter_around_an_answer_are_left_out() {
    let once = once(
        |_, asked: &Asked| {
            let block = asked.block("```markdown\nAnswer §.\n```");
            Reply::Says(format!(
                "<think>Hm.</think>Sure, here it is:\n```\n{block}\n```\nAnything else?"
            ))
        },
        |_| {},
    )
    .await;
    assert_eq!(once.result.as_deref(), Ok("Answer {{#start.question#}}."));
}

#[tokio::test]
async fn an_answer_without_an_end_is_left_where_it_passes_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(|_, _| Reply::Flood).await;
    let model = open(&settings(&server), dir.path());
    let error = rewrite(&model, PROMPT, &job("a")).await.unwrap_err();
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");
    assert_eq!(server.asked().len(), 1);
    assert!(server.written() < 64 << 20, "{}", server.written());
    // One that says beforehand how large it is, is not read at all.
    let once = once(
        good_after(
            9,
            Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".into()),
        ),
        |_| {},
    )
    .await;
    assert!(once.result.unwrap_err().to_string().contains("larger than"));
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = ModelServer::on_loopback(good_after(0, Reply::Hangs)).await;
    for status in [301, 302, 307, 308] {
        let to = format!("Location: {}/chat/completions\r\n", elsewhere.endpoint());
        let once = once(good_after(9, refusal(status, &to)), |_| {}).await;
        let error = once.result.unwrap_err();
        assert!(error.to_string().contains("which is not followed"), "{error}");
        assert_eq!(once.asked.len(), 1);
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn an_answer_is_kept_for_everybody_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(good_after(0, Reply::Hangs)).await;
    let first = open(&settings(&server), dir.path());
    let paid = rewrite(&first, PROMPT, &job("a")).await.unwrap();
    drop(first);
    let again = open(&settings(&server), dir.path());
    let own = rewrite(&again, PROMPT, &job("a")).await.unwrap();
    let kept = rewrite(&again, PROMPT, &job("b")).await.unwrap();
    assert_eq!(paid, own, "a job that goes on after a restart does not notice it");
    assert_eq!(
        (&kept.text, kept.model_use.is_kept, paid.model_use.is_kept),
        (&paid.text, true, false)
    );
    assert_eq!((server.asked().len(), again.spent_by("b").await.0), (1, 0));
    let status = again.status();
    assert_eq!((status.cache_hits, status.cache_answers, status.calls), (2, 1, 0));
}

#[tokio::test]
async fn the_same_request_at_the_same_time_is_one_call_and_calls_have_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let script = |_, _: &Asked| Reply::Waits(Box::new(Reply::Rewrites("Answer §.".into())));
    let server = ModelServer::on_loopback(script).await;
    let mut settings = settings(&server);
    settings.max_concurrent_calls = 2;
    let model = open(&settings, dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (model, text) = (model.clone(), format!("{PROMPT} {}", number % 4));
        tasks.spawn(async move { rewrite(&model, &text, &job("a")).await.is_ok() });
    }
    crate::harness::eventually("two calls", async || {
        model.status().calls_in_flight == 2 && server.asked().len() == 2
    })
    .await;
    server.release();
    assert!(tasks.join_all().await.into_iter().all(|is_done| is_done));
    assert_eq!((server.asked().len(), server.most_at_once()), (4, 2));
}

#[tokio::test]
async fn calls_keep_to_their_pace() {
    let dir = tempfile::tempdir().unwrap();
    let server = ModelServer::on_loopback(good_after(0, Reply::Hangs)).await;
    let mut settings = settings(&server);
    (settings.max_calls_per_minute, settings.max_burst_calls) = (600, 2);
    let model = open(&settings, dir.path());
    let began = Instant::now();
    for number in 0..5 {
        rewrite(&model, &format!("{PROMPT} {number}"), &job("a"))
            .await
            .unwrap();
    }
    // Not from the first request: it may have been long on its way.
    let took = server.asked()[4].at - began;
    assert!(
        took >= Duration::from_millis(300),
        "two at once, and three at 100 ms each: {took:?}"
    );
}
