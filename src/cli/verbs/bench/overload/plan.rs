//! Who offers how much in a storm. Pure.

use serde::{Deserialize, Serialize};

/// Connections of the greedy process: more than the daemon gives to one.
const GREEDY_CONNECTIONS: usize = 256;

/// Processes of the crowd, and connections of each.
const CROWD: (usize, usize) = (4, 32);

/// What one process offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// What its prompts are called, with a number behind.
    pub(super) name: String,
    pub(super) connections: usize,
    /// Requests in a second, by all connections together; what cannot be sent in time is sent at once.
    pub(super) per_second: f64,
    pub(super) seconds: u64,
    pub(super) text_bytes: usize,
}

impl Offer {
    pub(super) fn is_greedy(&self) -> bool {
        self.connections == GREEDY_CONNECTIONS
    }
}

/// Divides a multiple of what the daemon can do: half for one greedy process, half for a crowd.
pub(super) fn offers(
    run_name: &str,
    capacity: f64,
    factor: u16,
    seconds: u64,
    text_bytes: usize,
) -> Vec<Offer> {
    let half = capacity.max(1.0) * f64::from(factor) / 2.0;
    let (processes, connections) = CROWD;
    let offer = |name: String, connections, per_second| Offer {
        name,
        connections,
        per_second,
        seconds,
        text_bytes,
    };
    let greedy = offer(format!("{run_name}-greedy"), GREEDY_CONNECTIONS, half);
    #[expect(clippy::cast_precision_loss, reason = "a handful of processes")]
    let each = half / processes as f64;
    let crowd = (0..processes).map(|n| offer(format!("{run_name}-crowd{n}"), connections, each));
    std::iter::once(greedy).chain(crowd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_storm_is_one_greedy_process_and_all_of_it_is_the_multiple() {
        let offers = offers("run", 1_000.0, 10, 5, 100);
        let sum: f64 = offers.iter().map(|offer| offer.per_second).sum();
        assert!((sum - 10_000.0).abs() < 1e-6, "{sum}");
        let greedy: Vec<&Offer> = offers.iter().filter(|offer| offer.is_greedy()).collect();
        assert_eq!(greedy.len(), 1);
        assert!((greedy[0].per_second - 5_000.0).abs() < 1e-6);
        let names: std::collections::BTreeSet<&str> =
            offers.iter().map(|offer| offer.name.as_str()).collect();
        assert_eq!(names.len(), offers.len());
    }

    #[test]
    fn an_offer_reaches_its_process_as_it_is() {
        for offer in offers("run", 123.4, 10, 5, 100) {
            let text = serde_json::to_string(&offer).unwrap();
            assert_eq!(serde_json::from_str::<Offer>(&text).unwrap(), offer);
        }
    }
}
