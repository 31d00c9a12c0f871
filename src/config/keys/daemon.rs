//! The keys of `daemon`.

use super::kind::KeyKind::{
    Choice, Choices, Count, Flag, Group, Loopback, Mode, Names, Path, Rules, Size, Text,
};
use super::{Key, SectionInfo};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Bounds shared by the timeouts of a connection: below 10 ms nothing works, above an hour nothing is bounded.
const TIMEOUT_MS: super::KeyKind = Count {
    min: 10,
    max: 3_600_000,
};

pub(super) const SECTIONS: &[SectionInfo] = &[
    SectionInfo {
        path: "daemon",
        description: "The process: its socket, its limits, its log.",
    },
    SectionInfo {
        path: "daemon.access",
        description: "Who may do what, by the user and the groups at the other end of the socket. Read again on SIGHUP, \
                      but for socket_group.",
    },
    SectionInfo {
        path: "daemon.audit",
        description: "The log of every change, in .audit/ in the store: who, what, when, from, to; each line holds the \
                      hash of the one before. promptctl audit shows it, promptctl audit verify checks it.",
    },
    SectionInfo {
        path: "daemon.tcp",
        description: "Reading over TCP, for programs that cannot open a Unix socket, such as Prometheus. Off by default; only \
                      on the loopback, only with a token, and nothing is ever written. docs/operations.md explains it.",
    },
    SectionInfo {
        path: "daemon.limits",
        description: "What one client, and all clients together, may ask for. Over a limit is a clear answer, never \
                      unbounded memory.",
    },
    SectionInfo {
        path: "daemon.watchdog",
        description: "Every part of the daemon is asked whether it still answers; one that does not is started again.",
    },
    SectionInfo {
        path: "daemon.logging",
        description: "What is logged, and how.",
    },
];

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "daemon.socket",
        kind: Path,
        about: "The Unix socket, at most 107 bytes long. Null means $RUNTIME_DIRECTORY/promptd.sock, else \
                $XDG_RUNTIME_DIR/promptd/promptd.sock, else promptd.sock beside the store. Also: promptd --socket \
                PATH. A client that shall find another path needs --socket or $PROMPTD_SOCKET.",
    },
    Key {
        path: "daemon.socket_mode",
        kind: Mode,
        about: "Permission bits of the socket file, in quotes. Who may not open the socket cannot talk to the \
                daemon at all: \"0600\" is one user, \"0660\" also the group, \"0666\" everyone on the host.",
    },
    Key {
        path: "daemon.access.socket_group",
        kind: Group,
        about: "The group of the socket file, so that with socket_mode \"0660\" its members may connect. The user \
                that promptd runs as must be in it, or be root. Null leaves the group as it is.",
    },
    Key {
        path: "daemon.access.default_role",
        kind: Choice(&["none", "read", "write", "admin"]),
        about: "What everybody may do who may open the socket: admin is everything, also what cannot be undone. Rules \
                only add to it: lower it when you write rules.",
    },
    Key {
        path: "daemon.access.rules",
        kind: Rules,
        about: "Who may do more. Each rule names users and groups by name or number and gives them a role: read, write or \
                admin; with prompts only where a prompt id begins so. With labels it is about moving these labels, \
                which then nobody else may move but an admin. The highest role of all rules counts. As a variable: \
                JSON. [{groups: [release], role: write, labels: [production]}] is one rule.",
    },
    Key {
        path: "daemon.audit.enabled",
        kind: Flag,
        about: "Whether changes are logged. It costs one more fsync before each write, shared by all that wait at the \
                time; without it nobody can tell later who changed what.",
    },
    Key {
        path: "daemon.audit.on_failure",
        kind: Choice(&["refuse", "serve"]),
        about: "What becomes of a change when the log cannot be written, as on a full disk: refuse it, or make it all the \
                same and log the gap later. Reading is never refused.",
    },
    Key {
        path: "daemon.audit.log_refused",
        kind: Flag,
        about: "Whether requests that are refused for want of rights are logged too, at most ten per user and minute.",
    },
    Key {
        path: "daemon.audit.max_segment_bytes",
        kind: Size {
            min: 64 * KIB,
            max: 256 * MIB,
        },
        about: "How large one file of the log becomes before the next is begun. Raise it where many small files are a \
                nuisance.",
    },
    Key {
        path: "daemon.audit.max_segments",
        kind: Count {
            min: 0,
            max: 1_000_000,
        },
        about: "How many files of the log are kept; the oldest are removed first, and the log then begins later. 0 keeps \
                all of them for ever.",
    },
    Key {
        path: "daemon.tcp.listen",
        kind: Loopback,
        about: "Where to listen: 127.0.0.1:9464, or in quotes \"[::1]:9464\". Port 0 takes a free one, which the log names. \
                It needs a token. Null listens nowhere, unless systemd passes a socket named promptd-tcp.",
    },
    Key {
        path: "daemon.tcp.serve",
        kind: Choices(&["metrics", "health", "read"]),
        about: "What is served: metrics is /metrics; health is /healthz, /readyz and /health/optimizer; read is every prompt \
                with its history, and the status. Whoever has the token may read all of it.",
    },
    Key {
        path: "daemon.tcp.credential",
        kind: Text,
        about: "The name of the systemd credential with the token, as in LoadCredential=NAME:FILE. Clients send it as \
                Authorization: Bearer TOKEN; it has at least 16 characters.",
    },
    Key {
        path: "daemon.tcp.credential_file",
        kind: Path,
        about: "A file with the token, instead of a credential. It must be readable by its owner alone (mode 0600). SIGHUP \
                reads it again.",
    },
    Key {
        path: "daemon.tcp.allowed_hosts",
        kind: Names,
        about: "Names in the Host header that are taken besides localhost, 127.0.0.1 and [::1], with or without a port: for \
                a proxy on this host that keeps the name which it was asked by.",
    },
    Key {
        path: "daemon.tcp.allowed_origins",
        kind: Names,
        about: "Web pages that may ask, by their origin: https://dashboard.example. Any other request with an Origin header \
                comes from a page in a browser that was not meant to ask, and is refused.",
    },
    Key {
        path: "daemon.tcp.max_connections",
        kind: Count { min: 1, max: 65_536 },
        about: "The most open connections over TCP; they count as connections of daemon.limits.max_connections too. Any \
                program on the host can open them, so keep it well below that.",
    },
    Key {
        path: "daemon.limits.max_body_bytes",
        kind: Size {
            min: KIB,
            max: 256 * MIB,
        },
        about: "The largest request body, in bytes; a larger one is answered with payload-too-large. Raise it \
                together with max_file_bytes.",
    },
    Key {
        path: "daemon.limits.max_import_bytes",
        kind: Size { min: KIB, max: GIB },
        about: "The largest request body of an import, in bytes. Raise it for very large workflow exports.",
    },
    Key {
        path: "daemon.limits.max_connections",
        kind: Count { min: 1, max: 65_536 },
        about: "The most open connections. Each takes a file descriptor: when this is raised, raise the limit of open \
                files of the service too.",
    },
    Key {
        path: "daemon.limits.max_connections_per_peer",
        kind: Count { min: 1, max: 65_536 },
        about: "The most open connections of one user, as the kernel says who is at the other end; never more than three \
                quarters of max_connections. Processes of one user share them: none gets more than three quarters of what \
                the others have left. Lower it where many users share a host.",
    },
    Key {
        path: "daemon.limits.max_requests_in_flight",
        kind: Count { min: 1, max: 65_536 },
        about: "The most requests that are worked on at one time; the next one is answered with busy. Lower it \
                where answers should come sooner under load, and raise it together with max_connections.",
    },
    Key {
        path: "daemon.limits.max_requests_in_flight_per_peer",
        kind: Count { min: 1, max: 65_536 },
        about: "The most requests of one user that are worked on at one time; never more than three quarters of \
                max_requests_in_flight. Shared among processes as connections are. Lower it where many users share a host.",
    },
    Key {
        path: "daemon.limits.max_bytes_in_flight",
        kind: Size {
            min: MIB,
            max: 1 << 40,
        },
        about: "The most bytes of large request bodies and answers that are held at one time, until they are taken; the \
                next one is answered with busy. Shared among users and processes as requests are. Lower it where memory \
                is short.",
    },
    Key {
        path: "daemon.limits.header_timeout_ms",
        kind: TIMEOUT_MS,
        about: "Milliseconds in which the head of a request must arrive once it has begun; after that the \
                connection is closed. Lower it where clients are not trusted to finish what they begin.",
    },
    Key {
        path: "daemon.limits.body_timeout_ms",
        kind: TIMEOUT_MS,
        about: "Milliseconds in which the body of a request must arrive. Raise it for imports from slow scripts.",
    },
    Key {
        path: "daemon.limits.request_timeout_ms",
        kind: TIMEOUT_MS,
        about: "Milliseconds in which a request must be answered. A write that takes longer may still \
                happen. Raise it for disks on which an fsync can take very long.",
    },
    Key {
        path: "daemon.limits.idle_timeout_ms",
        kind: Count {
            min: 10,
            max: 86_400_000,
        },
        about: "Milliseconds after which a connection without a request is closed. Raise it for clients that keep \
                one connection for long.",
    },
    Key {
        path: "daemon.limits.max_watch_streams",
        kind: Count { min: 1, max: 65_536 },
        about: "The most streams of changes (promptctl watch) that are open at one time; the next one is answered with \
                busy. Each holds a connection: keep it well below max_connections.",
    },
    Key {
        path: "daemon.limits.max_watch_streams_per_peer",
        kind: Count { min: 1, max: 65_536 },
        about: "The most of them that one user may have, so that no one takes them all. Raise it where all programs run as \
                one user.",
    },
    Key {
        path: "daemon.limits.watch_heartbeat_ms",
        kind: TIMEOUT_MS,
        about: "Milliseconds after which a stream on which nothing happened says that it is still there, so that dead \
                readers are noticed and proxies keep the connection. Lower it where proxies are impatient.",
    },
    Key {
        path: "daemon.limits.max_events_kept",
        kind: Count {
            min: 1,
            max: 1_000_000,
        },
        about: "The most changes that are kept in memory, about 300 bytes each, for those who follow them. A reader that \
                is further behind is cut off and has to list everything anew: raise it where many prompts change at once.",
    },
    Key {
        path: "daemon.limits.max_page_items",
        kind: Count { min: 1, max: 10_000 },
        about: "The most items on one page of a list, whatever the client asks for. Raise it for clients that would \
                rather hold one large page than follow cursors.",
    },
    Key {
        path: "daemon.limits.default_page_items",
        kind: Count { min: 1, max: 10_000 },
        about: "The items on one page when the client does not say. At most max_page_items; raise it for clients that \
                cannot ask for more.",
    },
    Key {
        path: "daemon.limits.max_history_documents",
        kind: Count { min: 1, max: 10_000 },
        about: "The most whole documents on one page of a history. Lower it where prompts are long: a page is held \
                in memory.",
    },
    Key {
        path: "daemon.limits.max_jobs_queued",
        kind: Count { min: 1, max: 10_000 },
        about: "The most jobs that wait for their turn; the next one is answered with busy. Raise it for scripts that \
                submit many jobs at once.",
    },
    Key {
        path: "daemon.limits.max_jobs_queued_per_author",
        kind: Count { min: 1, max: 10_000 },
        about: "The most jobs of one user that wait for their turn; never more than three quarters of max_jobs_queued. \
                Users take turns, however many each has waiting. Lower it where many users submit jobs.",
    },
    Key {
        path: "daemon.limits.max_jobs_kept",
        kind: Count {
            min: 1,
            max: 1_000_000,
        },
        about: "The most finished jobs whose results are remembered; the oldest is forgotten first. \
                Raise it to look further back.",
    },
    Key {
        path: "daemon.limits.max_job_seconds",
        kind: Count { min: 1, max: 604_800 },
        about: "Seconds after which a running job is stopped as failed. Raise it for backups and verifications of \
                very large stores.",
    },
    Key {
        path: "daemon.limits.drain_timeout_ms",
        kind: Count { min: 0, max: 600_000 },
        about: "Milliseconds that running requests get to finish when the daemon stops. Keep it below the stop \
                timeout of the service. 0 waits for none.",
    },
    Key {
        path: "daemon.limits.max_import_prompts",
        kind: Count {
            min: 1,
            max: 1_000_000,
        },
        about: "The most prompts in one import. A larger one is refused. Raise it for very large workflow \
                collections, or import in parts.",
    },
    Key {
        path: "daemon.limits.max_concurrent_prompts",
        kind: Count { min: 1, max: 256 },
        about: "The most prompts that one import or optimisation works on at a time. Lower it to leave the disk and the \
                processors to others; raise it where many small commits can share an fsync.",
    },
    Key {
        path: "daemon.watchdog.period_ms",
        kind: Count {
            min: 0,
            max: 3_600_000,
        },
        about: "Milliseconds between two rounds of questions; two rounds without an answer and without progress, and the \
                part is replaced. 0 asks nobody, and less than 50 counts as 50. Under systemd a third of WatchdogSec= counts \
                instead.",
    },
    Key {
        path: "daemon.logging.level",
        kind: Choice(&["error", "warn", "info", "debug", "trace"]),
        about: "The least severe level that is written. info tells start, stop, recovery and jobs; debug adds each \
                request and commit. The text of a prompt is never logged.",
    },
    Key {
        path: "daemon.logging.format",
        kind: Choice(&["auto", "text", "json", "journal"]),
        about: "auto: entries of the journal with a field for each value (PROMPT_ID, PEER_UID) where standard error leads \
                there, else text. text is for people; json is one object per line: choose it where a log collector reads \
                along; both go to standard error. journal: entries of the journal also from elsewhere, text where there is none.",
    },
    Key {
        path: "daemon.logging.color",
        kind: Choice(&["auto", "always", "never"]),
        about: "Colours in text lines. auto: on a terminal, unless NO_COLOR is set; never where a tool without colours \
                reads what it takes for a terminal.",
    },
    Key {
        path: "daemon.logging.max_events_per_minute",
        kind: Count {
            min: 0,
            max: 1_000_000,
        },
        about: "The most lines of one kind about one user, job or prompt in a minute, and ten times as many of one kind in \
                all; how many were left out is said afterwards. debug and trace are not limited. 0 is no limit.",
    },
];
