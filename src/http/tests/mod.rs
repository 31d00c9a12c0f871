//! The API over a real Unix socket, with everything behind it in memory.

mod conditions;
mod fixture;
mod jobs;
mod labels;
mod limits;
mod prompts;
mod refusals;
mod rewrite;
mod stop;
mod times;
mod trash;
mod versions;
mod watch;
