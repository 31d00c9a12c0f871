//! A server that answers like a language model, by a script. It is real HTTP on a real socket.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: Value,
    /// When.
    pub at: Instant,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A completion with this text.
    Says(String),
    /// A completion with this text between the marks of the request.
    Rewrites(String),
    /// These bytes, and then the end of the connection.
    Raw(String),
    /// A body without an end.
    Flood,
    /// Nothing, until the server is [released](ModelServer::release).
    Waits(Box<Reply>),
    /// Nothing at all.
    Hangs,
}

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    endpoint: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What is answered to the how-manieth request.
type Script = Box<dyn Fn(usize, &Asked) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    asked: Mutex<Vec<Asked>>,
    released: watch::Sender<bool>,
    /// Requests that are being answered, and the most of them at one time.
    busy: Mutex<(usize, usize)>,
    written: std::sync::atomic::AtomicU64,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Listener {
    async fn accept(&self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(listener) => Box::new(listener.accept().await.unwrap().0),
            Self::Unix(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Asked {
    /// Returns the message of a role.
    pub fn message(&self, role: &str) -> &str {
        let messages = self.body["messages"].as_array().unwrap();
        let message = messages.iter().find(|message| message["role"] == role).unwrap();
        message["content"].as_str().unwrap()
    }

    /// Returns the mark around prompt and answer.
    pub fn mark(&self) -> &str {
        let user = self.message("user").strip_prefix("<<<PROMPT ").unwrap();
        user.split_once(">>>").unwrap().0
    }

    /// Returns the prompt as it was sent.
    pub fn prompt(&self) -> &str {
        let (mark, user) = (self.mark(), self.message("user"));
        let inner = user.strip_prefix(&format!("<<<PROMPT {mark}>>>\n")).unwrap();
        inner.strip_suffix(&format!("\n<<<END PROMPT {mark}>>>")).unwrap()
    }

    /// Returns the first placeholder of the prompt; nothing when it has none.
    pub fn placeholder(&self) -> String {
        let prompt = self.prompt();
        let Some(at) = prompt.find("<<REF_") else {
            return String::new();
        };
        prompt[at..at + prompt[at..].find(">>").unwrap() + 2].to_owned()
    }

    /// Puts a text between the marks of the answer. `§` stands for the first placeholder.
    pub fn block(&self, text: &str) -> String {
        let text = match text.contains('§') {
            true => text.replace('§', &self.placeholder()),
            false => text.to_owned(),
        };
        let mark = self.mark();
        format!("<<<ANSWER {mark}>>>\n{text}\n<<<END ANSWER {mark}>>>")
    }
}

/// Returns a whole answer with a status, headers and a body.
pub fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Returns the body of a completion; it took 100 tokens and 20 of them were answered.
pub fn completion(content: &str, finish_reason: &str) -> String {
    let message = json!({"role": "assistant", "content": content});
    json!({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 80, "completion_tokens": 20, "total_tokens": 100}})
    .to_string()
}

impl ModelServer {
    /// Starts one on a port of this host. The script is told how many requests came before.
    pub async fn on_loopback(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        Self::serve(endpoint, script, Listener::Tcp(listener))
    }

    /// Starts one on a Unix socket.
    pub fn on_socket(path: &Path, script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let endpoint = format!("unix:{}", path.display());
        Self::serve(endpoint, script, Listener::Unix(listener))
    }

    fn serve(
        endpoint: String,
        script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
        listener: Listener,
    ) -> Self {
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: Mutex::default(),
            released: watch::Sender::new(false),
            busy: Mutex::default(),
            written: 0.into(),
        });
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let stream = listener.accept().await;
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    // A client that goes away is no fault.
                    drop(server.answer(stream).await);
                });
            }
        });
        Self {
            endpoint,
            shared,
            task,
        }
    }

    /// Returns what `optimizer.llm.endpoint` is to be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns what was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Lets those go on who wait.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Returns the most requests that were open at one time.
    pub fn most_at_once(&self) -> usize {
        self.shared.busy.lock().unwrap().1
    }

    /// Returns how many bytes of floods were taken.
    pub fn written(&self) -> u64 {
        self.shared.written.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let asked = read(&mut stream).await?;
        let mut reply = {
            let mut all = self.asked.lock().unwrap();
            all.push(asked.clone());
            (self.script)(all.len() - 1, &asked)
        };
        {
            let mut busy = self.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        if let Reply::Waits(then) = reply {
            drop(self.released.subscribe().wait_for(|released| *released).await);
            reply = *then;
        }
        let done = self.write(&mut stream, reply, &asked).await;
        self.busy.lock().unwrap().0 -= 1;
        done
    }

    async fn write(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        reply: Reply,
        asked: &Asked,
    ) -> std::io::Result<()> {
        let bytes = match reply {
            Reply::Says(text) => response(200, "", &completion(&text, "stop")),
            Reply::Rewrites(text) => response(200, "", &completion(&asked.block(&text), "stop")),
            Reply::Raw(bytes) => bytes,
            Reply::Flood => return self.flood(stream).await,
            Reply::Hangs | Reply::Waits(_) => {
                // Until the client goes away.
                let mut rest = Vec::new();
                return stream.read_to_end(&mut rest).await.map(drop);
            }
        };
        stream.write_all(bytes.as_bytes()).await?;
        stream.shutdown().await
    }

    async fn flood(&self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            .await?;
        let piece = vec![b' '; 64 * 1024];
        for _ in 0..16 * 1024 {
            stream.write_all(&piece).await?;
            self.written
                .fetch_add(piece.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Asked> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
            return Ok(Asked {
                head,
                body,
                at: Instant::now(),
            });
        }
    }
}
