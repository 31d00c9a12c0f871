//! Budgets: what is set aside, settled and refused.

use proptest::prelude::*;

use super::*;

const DAY: &str = "2026-11-28";

fn settings(per_job: u64, per_day: u64) -> BudgetSettings {
    BudgetSettings {
        max_tokens_per_job: per_job,
        max_tokens_per_day: per_day,
        ..BudgetSettings::default()
    }
}

fn job(id: &str) -> JobBudget {
    JobBudget {
        job_id: id.into(),
        ..JobBudget::default()
    }
}

const fn tokens(tokens: u64) -> Spent {
    Spent { tokens, nanos: 0 }
}

#[test]
fn the_worst_case_is_set_aside_and_what_was_not_taken_comes_back() {
    let (mut book, limits) = (Book::default(), settings(100, 150));
    let first = book.reserve(DAY, &job("a"), tokens(80), &limits).unwrap();
    let refused = book.reserve(DAY, &job("a"), tokens(30), &limits).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a call may take 30 tokens, and of 100 tokens 20 are left (optimizer.llm.budget.max_tokens_per_job)"
    );
    book.settle(&first, tokens(10));
    let second = book.reserve(DAY, &job("a"), tokens(90), &limits).unwrap();
    let refused = book.reserve(DAY, &job("b"), tokens(51), &limits).unwrap_err();
    assert_eq!(
        (refused.key, refused.left),
        ("optimizer.llm.budget.max_tokens_per_day", 50.0)
    );
    // More than the worst case, from an endpoint that does not keep to what it was asked.
    book.settle(&second, tokens(500));
    assert_eq!(
        (book.spent_by("a"), book.spent_on(DAY)),
        (tokens(510), tokens(510))
    );
    assert!(book.reserve(DAY, &job("b"), tokens(1), &limits).is_err());
}

#[test]
fn a_new_day_begins_at_nothing_and_a_job_goes_on() {
    let (mut book, limits) = (Book::default(), settings(100, 100));
    let late = book.reserve(DAY, &job("a"), tokens(90), &limits).unwrap();
    assert_eq!(book.spent_on("2026-11-29"), tokens(0));
    let early = book
        .reserve("2026-11-29", &job("b"), tokens(95), &limits)
        .unwrap();
    book.settle(&late, tokens(60));
    assert_eq!(
        (book.spent_on("2026-11-29"), book.spent_by("a")),
        (tokens(95), tokens(60))
    );
    book.settle(&early, tokens(5));
    assert!(
        book.reserve("2026-11-29", &job("a"), tokens(41), &limits)
            .is_err()
    );
    assert!(book.reserve("2026-11-29", &job("a"), tokens(40), &limits).is_ok());
}

#[test]
fn money_is_counted_up_and_limited_like_tokens() {
    let usage = |prompt_tokens, answer_tokens| Usage {
        prompt_tokens,
        answer_tokens,
    };
    let limits = BudgetSettings {
        max_cost_per_day: Some(0.01),
        price_per_million_prompt_tokens: Some(2.5),
        price_per_million_answer_tokens: Some(10.0),
        ..BudgetSettings::default()
    };
    let prices = Prices::of(&limits);
    assert_eq!(Spent::of(usage(1_000, 100), prices).money(), 0.0035);
    assert_eq!(Spent::of(usage(1_000, 100), None), tokens(1_100));
    assert_eq!(
        Spent::of(usage(u64::MAX, u64::MAX), prices),
        Spent {
            tokens: u64::MAX,
            nanos: u64::MAX
        }
    );
    let mut book = Book::default();
    book.reserve(DAY, &job("a"), Spent::of(usage(3_000, 200), prices), &limits)
        .unwrap();
    let refused = book
        .reserve(DAY, &job("a"), Spent::of(usage(0, 51), prices), &limits)
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("(optimizer.llm.budget.max_cost_per_day)"),
        "{refused}"
    );
    assert!(
        book.reserve(DAY, &job("a"), Spent::of(usage(0, 50), prices), &limits)
            .is_ok()
    );
}

#[test]
fn a_job_may_ask_for_less_than_the_configuration_allows_and_not_for_more() {
    let mut book = Book::default();
    let of = |max_tokens| JobBudget {
        max_tokens: Some(max_tokens),
        ..job("a")
    };
    let refused = book
        .reserve(DAY, &of(10), tokens(11), &settings(100, 100))
        .unwrap_err();
    assert_eq!(refused.key, "max_tokens of the job");
    let refused = book
        .reserve(DAY, &of(1_000), tokens(101), &settings(100, 1_000))
        .unwrap_err();
    assert_eq!(refused.key, "optimizer.llm.budget.max_tokens_per_job");
}

#[test]
fn the_book_remembers_the_newest_jobs_alone() {
    let mut book = Book::default();
    for number in 0..MAX_JOBS + 5 {
        let day = format!("2026-11-{:02}", 1 + number / 100);
        book.reserve(
            &day,
            &job(&format!("j{number:05}")),
            tokens(1),
            &settings(10, 100_000),
        )
        .unwrap();
    }
    assert_eq!((book.jobs.len(), book.spent_by("j00000")), (MAX_JOBS, tokens(0)));
    assert_eq!(book.spent_by(&format!("j{:05}", MAX_JOBS + 4)), tokens(1));
}

proptest! {
    #[test]
    fn what_is_spent_never_passes_a_limit_while_calls_keep_to_their_worst_case(
        calls in prop::collection::vec((0_u64..60, 0_u64..100, 0_usize..3, any::<bool>()), 0..60)
    ) {
        let (mut book, limits, mut open) = (Book::default(), settings(100, 200), Vec::new());
        for (worst, percent, who, settles) in calls {
            if let Ok(reservation) = book.reserve(DAY, &job(["a", "b", "c"][who]), tokens(worst), &limits) {
                open.push((reservation, tokens(worst * percent / 100)));
            }
            if settles && let Some((reservation, actual)) = open.pop() {
                book.settle(&reservation, actual);
            }
            prop_assert!(book.spent_on(DAY).tokens <= 200);
            let each = ["a", "b", "c"].map(|id| book.spent_by(id).tokens);
            prop_assert!(each.iter().all(|spent| *spent <= 100));
            prop_assert_eq!(each.iter().sum::<u64>(), book.spent_on(DAY).tokens);
        }
    }
}
