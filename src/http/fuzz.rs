//! Fuzz targets: cursors, headers, and whole requests.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use tower::ServiceExt;

use super::*;
use crate::fuzz::fuzz_target;
use crate::jobs::{JobLimits, JobQueue, MemoryLedger};
use crate::model::{Author, Checksum, PromptId};
use crate::storage::memory::MemoryStorage;
use crate::versions::{NewVersion, VersionManager};

fuzz_target!(
    a_cursor_reads_back_and_only_in_its_own_list,
    "cursor",
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let (prompt, version) = (cursor::read_prompt(text), cursor::read_version(text));
        let (trashed, job) = (cursor::read_trashed(text), cursor::read_job(text));
        let lists = [prompt.is_ok(), version.is_ok(), trashed.is_ok(), job.is_ok()];
        assert!(lists.iter().filter(|is_one| **is_one).count() <= 1, "{text:?}");
        if let Ok(id) = prompt {
            assert_eq!(cursor::after_prompt(&id), text);
        }
        if let Ok(version) = version {
            assert_eq!(cursor::after_version(&version), text);
        }
        if let Ok((id, version)) = trashed {
            assert_eq!(cursor::after_trashed(&id, &version), text);
        }
        if let Ok(id) = job {
            assert_eq!(cursor::after_job(id.as_str()), text);
        }
    }
);

fuzz_target!(a_header_is_understood_or_refused, "header", |bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for name in [header::IF_MATCH, header::IF_NONE_MATCH, header::CONTENT_TYPE] {
        headers.insert(name, value.clone());
    }
    let checksum: Checksum = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    if headers::is_known(&headers, &checksum) == Ok(true) && bytes.trim_ascii() != b"*" {
        assert!(value.to_str().unwrap().contains(checksum.as_str()));
    }
    if let Ok(Some(version)) = headers::expected_version(&headers) {
        assert_eq!(value.to_str().unwrap().trim(), format!("\"{version}\""));
    }
    drop(headers::must_be_absent(&headers));
    let _is_json = body::is_json(&String::from_utf8_lossy(bytes));
});

/// Reads `METHOD PATH`, lines of headers, an empty line and a body.
fn request_of(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((bytes, &b""[..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(first.next()?).uri(first.next()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(Body::from(body.to_vec())).ok()
}

fuzz_target!(
    any_request_gets_an_answer_that_is_no_fault_of_ours,
    "http-request",
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let router = runtime.block_on(async {
            let versions = VersionManager::new(Arc::new(MemoryStorage::new(1 << 20)));
            let greet = PromptId::new("greet").unwrap();
            versions
                .create(&greet, NewVersion::of_text("Say hello."), &Author::daemon())
                .await
                .unwrap();
            let ledger = Arc::new(MemoryLedger::default());
            let jobs = JobQueue::start(versions.clone(), ledger, JobLimits::default())
                .await
                .unwrap();
            router(AppState::new(
                versions,
                jobs,
                HttpLimits::default(),
                crate::optimizer::OptimizationSettings::default(),
            ))
        });
        move |bytes: &[u8]| {
            let Some(mut request) = request_of(bytes) else {
                return;
            };
            let author = Author::daemon();
            request.extensions_mut().insert(peer::Peer {
                author,
                principal: Some(crate::access::Principal::default()),
                gid: Some(0),
                pid: None,
            });
            // These wait by design, as long as the client wants.
            let path = request.uri().to_string();
            if path.contains("wait=") || path.contains("events") || path.contains("watch") {
                return;
            }
            runtime.block_on(async {
                let response = router.clone().oneshot(request).await.unwrap();
                let status = response.status();
                assert!(status.as_u16() < 500 || status == 503, "{status} for {path}");
                let json = response
                    .headers()
                    .get(header::CONTENT_TYPE)
                    .is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
                let body = response.into_body().collect().await.unwrap().to_bytes();
                if json && !body.is_empty() {
                    assert!(
                        serde_json::from_slice::<serde_json::Value>(&body).is_ok(),
                        "{path}: {body:?}"
                    );
                }
            });
        }
    }
);
