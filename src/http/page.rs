//! Pages of whole documents, made of stored bytes as they are.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};

use crate::storage::StoredVersion;

/// A page of documents ends before it grows beyond this, but holds at least one document.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// Gathers documents until the page is full.
#[derive(Debug, Default)]
pub(super) struct DocumentPage {
    documents: Vec<Arc<StoredVersion>>,
    bytes: usize,
}

impl DocumentPage {
    /// Adds a document, unless the page would grow too large.
    pub(super) fn add(&mut self, document: Arc<StoredVersion>) -> bool {
        let bytes = self.bytes + document.bytes.len();
        if bytes > MAX_PAGE_BYTES && !self.documents.is_empty() {
            return false;
        }
        self.bytes = bytes;
        self.documents.push(document);
        true
    }

    /// Makes the answer: `{"items": [...], "next_cursor": ...}` around the bytes of the files.
    pub(super) fn into_response(self, next_cursor: Option<&str>) -> Response {
        let mut body = BytesMut::with_capacity(self.bytes + 2 * self.documents.len() + 320);
        body.put_slice(b"{\"items\":[");
        for (index, document) in self.documents.iter().enumerate() {
            if index > 0 {
                body.put_u8(b',');
            }
            body.put_slice(document.bytes.trim_ascii_end());
        }
        let cursor = serde_json::Value::from(next_cursor);
        body.put_slice(format!("],\"next_cursor\":{cursor}}}").as_bytes());
        json_bytes(body.freeze())
    }
}

/// An answer of bytes that are JSON already.
pub(super) fn json_bytes(bytes: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Arc<StoredVersion> {
        let value = serde_json::json!({
            "prompt_id": "p", "version": "1.0.0",
            "prompt": {"id": "p", "workflow_id": "", "node_id": "", "node_type": "", "text": text},
            "analysis": {"prompt_id": "p", "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0}
        });
        let mut document = serde_json::from_value(value).unwrap();
        Arc::new(StoredVersion::seal(&mut document).unwrap())
    }

    #[test]
    fn a_page_has_one_document_at_least_and_ends_before_it_is_too_large() {
        let large = document(&"x".repeat(MAX_PAGE_BYTES));
        let mut page = DocumentPage::default();
        assert!(page.add(large.clone()));
        assert!(!page.add(document("x")));
        let mut page = DocumentPage::default();
        assert!(page.add(document("x")));
        assert!(!page.add(large));
    }
}
