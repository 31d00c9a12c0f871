//! A daemon that says what a test tells it to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// A request as the stub saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the stub shall say.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    KeepAlive,
    Close,
    CutOff,
    Never,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let (headers, end) = (Vec::new(), End::KeepAlive);
        let body = body.to_owned();
        Self {
            status,
            headers,
            body,
            end,
        }
    }

    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let body = serde_json::json!({"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code});
        Self::json(status, &body.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Closes the connection after the answer, without saying so.
    pub(crate) fn then_close(mut self) -> Self {
        self.end = End::Close;
        self
    }

    /// Closes the connection instead of answering.
    pub(crate) fn cut_off() -> Self {
        Self {
            end: End::CutOff,
            ..Self::json(200, "")
        }
    }

    /// Does not answer, but keeps the connection.
    pub(crate) fn never() -> Self {
        Self {
            end: End::Never,
            ..Self::json(200, "")
        }
    }
}

/// A listening socket in a directory of its own.
#[derive(Debug)]
pub(crate) struct Stub {
    directory: TempDir,
    counts: Arc<[AtomicUsize; 2]>,
}

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("promptd.sock")).unwrap();
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (answer, counted) = (Arc::new(answer), Arc::clone(&counts));
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted[0].fetch_add(1, Ordering::SeqCst);
                let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                drop(tokio::spawn(
                    async move { serve(stream, &*answer, &counted[1]).await },
                ));
            }
        }));
        Self { directory, counts }
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        Path::new(self.directory.path()).join("promptd.sock")
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts[0].load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts[1].load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: UnixStream,
    answer: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    requests: &AtomicUsize,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        requests.fetch_add(1, Ordering::SeqCst);
        let reply = answer(&request);
        match reply.end {
            End::CutOff => return,
            End::Never => std::future::pending::<()>().await,
            End::KeepAlive | End::Close => {}
        }
        let mut text = format!(
            "HTTP/1.1 {} X\r\ncontent-length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&reply.body);
        if stream.write_all(text.as_bytes()).await.is_err() || reply.end == End::Close {
            return;
        }
    }
}

async fn read_request(stream: &mut UnixStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[head_end..head_end + length].to_vec()).ok()?;
    buffer.drain(..head_end + length);
    let mut words = head.split(' ');
    Some(Seen {
        method: words.next()?.to_owned(),
        target: words.next()?.to_owned(),
        head,
        body,
    })
}
