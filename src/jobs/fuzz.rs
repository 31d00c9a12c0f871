//! Fuzz targets: ledger entries, names of jobs, and what clients ask for.

use super::kinds::Order;
use super::*;
use crate::fuzz::fuzz_target;
use crate::http::wire::JobRequest;

/// The job of the entries in the corpus.
const JOB: &str = "job_0198f2a0-0000-7000-8000-000000000001";

fuzz_target!(
    a_ledger_entry_reads_back_or_is_damaged,
    "ledger",
    |bytes: &[u8]| {
        let id = JobId::parse(JOB).unwrap();
        if let Ok(record) = Record::parse(&id, bytes) {
            let rendered = record.render().unwrap();
            let again = Record::parse(&id, &rendered).unwrap();
            assert_eq!(again.render().unwrap(), rendered);
            drop(record.into_entry(id, bytes.len() as u64));
        }
    }
);

fuzz_target!(a_job_has_one_name, "job-id", |bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(id) = JobId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        );
    }
});

fuzz_target!(
    a_request_for_a_job_is_an_order_or_refused,
    "job-request",
    |bytes: &[u8]| {
        let Ok(request) = serde_json::from_slice::<JobRequest>(bytes) else {
            return;
        };
        let kind = request.kind.clone();
        match Order::read(request) {
            Ok(order) => {
                assert_eq!(order.kind().as_str(), kind);
                // What is in it may be anything; it is refused with a reason, or planned.
                drop(order.prepare(&crate::jobs::JobLimits::default()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
);
