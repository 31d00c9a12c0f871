//! How a line of the stream is written: as a line of JSON, or as an event of a server-sent stream.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::wire::WatchLine;

/// In which form the lines of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object to a line.
    Lines,
    /// Server-sent events, as browsers and many libraries read them.
    Events,
}

impl Form {
    /// Returns the form that a client asks for by `Accept`. Who asks for nothing that there is gets lines.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let is_asked_for = accepted.filter_map(|field| field.to_str().ok()).any(|field| {
            let mut kinds = field
                .split(',')
                .map(|kind| kind.split(';').next().unwrap_or_default());
            kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
        });
        if is_asked_for { Self::Events } else { Self::Lines }
    }

    /// Returns the media type.
    pub(super) const fn content_type(self) -> HeaderValue {
        match self {
            Self::Lines => HeaderValue::from_static("application/x-ndjson"),
            Self::Events => HeaderValue::from_static("text/event-stream"),
        }
    }

    /// Writes a line.
    pub(super) fn write(self, line: &WatchLine, bytes: &mut Vec<u8>) {
        if self == Self::Events {
            let (revision, kind) = (&line.revision, line.kind.as_str());
            bytes.extend_from_slice(format!("id: {revision}\nevent: {kind}\ndata: ").as_bytes());
        }
        // Plain data without maps: this does not fail.
        bytes.extend(serde_json::to_vec(line).unwrap_or_default());
        bytes.extend_from_slice(match self {
            Self::Lines => b"\n",
            Self::Events => b"\n\n",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Revision;

    #[test]
    fn a_client_that_accepts_server_sent_events_gets_them_and_every_other_gets_lines() {
        let of = |field: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(field));
            Form::of(&headers)
        };
        assert_eq!(Form::of(&HeaderMap::new()), Form::Lines);
        for field in ["*/*", "application/x-ndjson", "text/event-streams", ""] {
            assert_eq!(of(field), Form::Lines, "{field}");
        }
        for field in ["text/event-stream", "text/html, Text/Event-Stream;q=0.9"] {
            assert_eq!(of(field), Form::Events, "{field}");
        }
    }

    #[test]
    fn a_line_is_json_alone_or_with_its_revision_and_kind_before_it() {
        let line = WatchLine::heartbeat(Revision { epoch: 1, counter: 7 });
        let written = |form: Form| {
            let mut bytes = Vec::new();
            form.write(&line, &mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        let json = r#"{"revision":"0000000000000001.7","kind":"heartbeat"}"#;
        assert_eq!(written(Form::Lines), format!("{json}\n"));
        let event = format!("id: 0000000000000001.7\nevent: heartbeat\ndata: {json}\n\n");
        assert_eq!(written(Form::Events), event);
    }
}
