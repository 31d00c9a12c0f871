//! Asking a language model to rewrite a prompt, through a chat endpoint of the OpenAI kind over HTTP or a Unix socket.
//!
//! Everything that can be decided without waiting is pure: `mask`, `request`, `answer`, `budget`, `rate_limit`, `retry`,
//! `breaker`. `client` makes one exchange and `caller` as many as it takes, `answer_cache` and `spending` keep what must
//! survive, and [`LanguageModel`] puts them together:
//!
//! 1. The references of the text become placeholders; the text goes as data between marks that its author cannot know.
//! 2. An answer that is kept is taken. Prompts with the same request wait for one answer.
//! 3. A permit, then the pace of calls, then the key.
//! 4. The worst case is set aside in the book of what is spent, durably. No room: no call.
//! 5. The call, bounded in time and bytes. What the model may have worked on is paid for, whatever came of it.
//! 6. The answer is durable, and then used: the text between its marks, with the references back in place.
//!
//! Whether the text is better, and has lost nothing, is for [`acceptance`](crate::optimizer::acceptance) to say, as of any
//! other.

mod answer;
mod answer_cache;
mod breaker;
mod budget;
mod caller;
mod client;
mod counters;
mod durable;
mod endpoint;
mod error;
mod in_flight;
mod language_model;
mod mask;
mod rate_limit;
mod request;
mod retry;
mod settings;
mod spending;

pub use crate::credential::CredentialError;
pub use answer::AnswerError;
pub use budget::{JobBudget, OverBudget};
pub use client::CallError;
pub use counters::LlmStatus;
pub use endpoint::Endpoint;
pub use error::LlmError;
pub use language_model::{LanguageModel, LlmPlaces, Rewritten, Task};
pub use settings::{AnswerCacheSettings, AnswerLimitField, BudgetSettings, InvalidLlmSetting, LlmSettings};
