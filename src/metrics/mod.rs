//! What every layer measures with.
//!
//! To count something costs a few atomic operations and waits for nobody; everything that takes time is done when the
//! numbers are asked for. Each layer owns its handles and says what they are called; the daemon registers all of them in
//! one registry. Labels have few values, all known beforehand: no prompt, no path, no user ever is one.

mod histogram;
mod limit;
mod process;
mod sample;
mod since;
mod words;

pub use histogram::{COUNT_BOUNDS, Histogram, LATENCY_BOUNDS, LONG_BOUNDS, Share};
pub use limit::{Limit, Rejections, TotalRejections};
pub use process::ProcessMetrics;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::registry::Registry;
pub(crate) use sample::Samples;
pub use since::Since;
pub use words::{ByTwo, ByWord};

/// The media type of what [`render`] returns.
pub const TEXT: &str = prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// Returns every number of a registry in the text format of Prometheus.
///
/// # Errors
/// When a collector fails.
pub fn render(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(64 << 10);
    prometheus_client::encoding::prometheus_text::encode(&mut text, registry)?;
    Ok(text)
}
