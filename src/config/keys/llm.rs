//! The keys of `optimizer.llm`.

use super::kind::KeyKind::{Choice, Count, Number, OptionalNumber, Path, Size, Text};
use super::{Key, SectionInfo};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A limit of tokens: one is the least that says anything, and what is more than this is none.
const TOKENS: super::KeyKind = Count {
    min: 1,
    max: 1_000_000_000_000,
};
/// An amount of money in the currency of the prices.
const MONEY: super::KeyKind = OptionalNumber { min: 0.0, max: 1e6 };
/// A price for a million tokens.
const PRICE: super::KeyKind = OptionalNumber { min: 0.0, max: 1e5 };

pub(super) const SECTIONS: &[SectionInfo] = &[
    SectionInfo {
        path: "optimizer.llm",
        description: "The language model that llm_guided, llm_clarity, llm_efficiency and hybrid ask, through a chat \
                      endpoint of the OpenAI kind. Off without an endpoint. docs/operations.md says what is sent.",
    },
    SectionInfo {
        path: "optimizer.llm.budget",
        description: "What all calls may cost. A call is made only when its worst case is within every limit; days are \
                      those of UTC, and a restart does not begin a new one.",
    },
    SectionInfo {
        path: "optimizer.llm.cache",
        description: "Where answers are kept, so that none is paid for twice.",
    },
];

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "optimizer.llm.endpoint",
        kind: Text,
        about: "The base of the API: https://host/v1, http://host/v1, or unix:/path for a server on a Unix socket, which is \
                asked below /v1. Null means that no model is asked. Plain http with a key only to this host.",
    },
    Key {
        path: "optimizer.llm.model",
        kind: Text,
        about: "The name of the model, as the endpoint knows it. Needed with an endpoint.",
    },
    Key {
        path: "optimizer.llm.credential",
        kind: Text,
        about: "The name of the systemd credential with the key, as in LoadCredential=NAME:FILE. It is read for each call.",
    },
    Key {
        path: "optimizer.llm.credential_file",
        kind: Path,
        about: "A file with the key, instead of a credential. It must be readable by its owner alone (mode 0600), and is \
                read for each call.",
    },
    Key {
        path: "optimizer.llm.timeout_ms",
        kind: Count {
            min: 10,
            max: 3_600_000,
        },
        about: "Milliseconds that one call may take, from the connection to the end of the answer. Raise it for slow models.",
    },
    Key {
        path: "optimizer.llm.max_retries",
        kind: Count { min: 0, max: 10 },
        about: "How often a call is repeated that failed for the moment: no connection, a timeout, status 429 or 5xx.",
    },
    Key {
        path: "optimizer.llm.min_backoff_ms",
        kind: Count {
            min: 1,
            max: 3_600_000,
        },
        about: "Pause in milliseconds before the first repetition; it doubles with each further one, less up to a half by \
                chance.",
    },
    Key {
        path: "optimizer.llm.max_backoff_ms",
        kind: Count {
            min: 1,
            max: 3_600_000,
        },
        about: "Longest pause in milliseconds before a repetition. An endpoint that asks for more by Retry-After is given \
                up for that call.",
    },
    Key {
        path: "optimizer.llm.max_concurrent_calls",
        kind: Count { min: 1, max: 256 },
        about: "The most calls at one time, over all jobs; the others wait. A local model often takes one at a time.",
    },
    Key {
        path: "optimizer.llm.max_calls_per_minute",
        kind: Count { min: 1, max: 100_000 },
        about: "The most calls in a minute over time, repetitions included; the others wait. Set it below what the \
                provider allows.",
    },
    Key {
        path: "optimizer.llm.max_burst_calls",
        kind: Count { min: 1, max: 100_000 },
        about: "The most calls that go at once after a rest, before max_calls_per_minute sets the pace.",
    },
    Key {
        path: "optimizer.llm.max_answer_bytes",
        kind: Size {
            min: KIB,
            max: 64 * MIB,
        },
        about: "The largest answer that is read, in bytes; a larger one is dropped where it passes this.",
    },
    Key {
        path: "optimizer.llm.max_answer_tokens",
        kind: Count {
            min: 16,
            max: 1_000_000,
        },
        about: "The most tokens of an answer, as the model is told. An answer that is cut off there is no answer: raise it \
                for long prompts, or models that think aloud.",
    },
    Key {
        path: "optimizer.llm.answer_limit_field",
        kind: Choice(&["max_tokens", "max_completion_tokens"]),
        about: "How max_answer_tokens is called in a request. Some newer models refuse max_tokens with status 400.",
    },
    Key {
        path: "optimizer.llm.temperature",
        kind: Number { min: 0.0, max: 2.0 },
        about: "How free the model is in its choice of words. Low values keep closer to the text.",
    },
    Key {
        path: "optimizer.llm.budget.max_tokens_per_job",
        kind: TOKENS,
        about: "The most tokens that one job may take, sent and answered. A job can ask for less.",
    },
    Key {
        path: "optimizer.llm.budget.max_tokens_per_day",
        kind: TOKENS,
        about: "The most tokens that all jobs of a day may take, sent and answered.",
    },
    Key {
        path: "optimizer.llm.budget.max_cost_per_job",
        kind: MONEY,
        about: "The most money that one job may cost, in the currency of the prices. Null is no such limit; a limit needs \
                both prices.",
    },
    Key {
        path: "optimizer.llm.budget.max_cost_per_day",
        kind: MONEY,
        about: "The most money that all jobs of a day may cost. Null is no such limit; a limit needs both prices.",
    },
    Key {
        path: "optimizer.llm.budget.price_per_million_prompt_tokens",
        kind: PRICE,
        about: "What a million tokens cost that are sent, in your currency. Null: not known. 0: a model that costs nothing.",
    },
    Key {
        path: "optimizer.llm.budget.price_per_million_answer_tokens",
        kind: PRICE,
        about: "What a million tokens cost that are answered, in your currency. Null: not known.",
    },
    Key {
        path: "optimizer.llm.cache.dir",
        kind: Path,
        about: "The directory of kept answers. Null means llm in $CACHE_DIRECTORY, else llm/answers beside the store; with \
                the memory backend no answers are kept.",
    },
    Key {
        path: "optimizer.llm.cache.max_bytes",
        kind: Size {
            min: 4 * KIB,
            max: 64 * GIB,
        },
        about: "The most bytes of kept answers; the oldest go first.",
    },
    Key {
        path: "optimizer.llm.cache.max_age_days",
        kind: Count { min: 1, max: 3_650 },
        about: "Days for which an answer is kept. Shorter, to let a model try again on the same text sooner.",
    },
];
