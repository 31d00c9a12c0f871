//! Ractor's part, played for the scheduler: mail, links, kills, drains. What the actors do is the real code.
//!
//! The rules are those of the ractor that is used: an actor is one task; a kill drops it where it waits; mail to an actor
//! that was killed is taken until it has gone, and lost; after a drain nothing more is taken and the rest is served; the
//! supervisor hears of every end, before or after the mailbox is gone.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, MessagingErr, SpawnErr};
use shuttle::current::{get_label_for_task, me};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Mutex;
use shuttle_tokio::spawn;
use shuttle_tokio::sync::{Notify, oneshot, watch};
use shuttle_tokio::task::{AbortHandle, JoinHandle};

use crate::storage::filesystem::actors::{
    ShardActorState, ShardHandle, ShardMessage, Shared, SupervisorMessage, SupervisorState,
};

/// The next number of an actor.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The shard actor that was started last. Weak, since nothing of a schedule may outlive it.
    static LAST_SHARD: RefCell<Weak<Port<ShardMessage>>> = const { RefCell::new(Weak::new()) };
}

/// Marks a task that takes its time between learning of an actor and sending it something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Late;

/// Kills the shard actor that was started last, also while it recovers.
pub(super) fn kill_last_shard() {
    let last = LAST_SHARD.with_borrow(Weak::upgrade);
    last.into_iter().for_each(|port| Address(port).kill());
}

/// Where an actor takes its mail.
pub(crate) struct Address<M>(Arc<Port<M>>);

/// A running shard actor.
pub(crate) type Cell = Address<ShardMessage>;

struct Port<M> {
    id: ActorId,
    mail: Mutex<Mail<M>>,
    news: Notify,
    ended: watch::Sender<bool>,
    life: Mutex<Option<AbortHandle>>,
}

struct Mail<M> {
    messages: VecDeque<M>,
    /// Ends of children; looked at before messages.
    ends: VecDeque<(ActorId, String)>,
    /// Nothing more is taken.
    closed: bool,
    /// What was taken is left.
    stopped: bool,
}

enum Next<M> {
    Message(M),
    End(ActorId, String),
    Nothing,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.id)
    }
}

impl<M: Send + 'static> Address<M> {
    fn new() -> Self {
        Self(Arc::new(Port {
            id: ActorId::Local(NEXT.fetch_add(1, Ordering::Relaxed)),
            mail: Mutex::new(Mail {
                messages: VecDeque::new(),
                ends: VecDeque::new(),
                closed: false,
                stopped: false,
            }),
            news: Notify::new(),
            ended: watch::channel(false).0,
            life: Mutex::new(None),
        }))
    }

    pub(crate) fn get_id(&self) -> ActorId {
        self.0.id
    }

    pub(crate) fn cast(&self, message: M) -> Result<(), MessagingErr<M>> {
        if get_label_for_task::<Late>(me()).is_some() {
            for _ in 0..thread_rng().gen_range(0..=600) {
                shuttle::thread::yield_now();
            }
        }
        let mut mail = self.0.mail.lock().unwrap();
        if mail.closed {
            return Err(MessagingErr::SendErr(message));
        }
        mail.messages.push_back(message);
        drop(mail);
        self.0.news.notify_one();
        Ok(())
    }

    /// Sends a message after any time at all.
    pub(crate) fn send_after(
        &self,
        _pause: Duration,
        message: impl FnOnce() -> M + Send + 'static,
    ) -> JoinHandle<()> {
        let port = self.clone();
        spawn(async move { drop(port.cast(message())) })
    }

    /// Ends the actor where it waits.
    pub(crate) fn kill(&self) {
        let life = self.0.life.lock().unwrap().clone();
        life.iter().for_each(AbortHandle::abort);
    }

    pub(crate) async fn drain_and_wait(&self, _timeout: Option<Duration>) -> Result<(), String> {
        self.0.mail.lock().unwrap().closed = true;
        self.wait().await
    }

    pub(crate) async fn stop_and_wait(
        &self,
        _reason: Option<String>,
        _timeout: Option<Duration>,
    ) -> Result<(), String> {
        self.0.mail.lock().unwrap().stopped = true;
        self.wait().await
    }

    async fn wait(&self) -> Result<(), String> {
        let mut ended = self.0.ended.subscribe();
        self.0.news.notify_one();
        ended
            .wait_for(|ended| *ended)
            .await
            .map(drop)
            .map_err(|e| e.to_string())
    }

    async fn next(&self) -> Next<M> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.0.news.notified().await;
        }
    }

    fn try_next(&self) -> Option<Next<M>> {
        let mut mail = self.0.mail.lock().unwrap();
        if mail.stopped {
            return Some(Next::Nothing);
        }
        if let Some((id, reason)) = mail.ends.pop_front() {
            return Some(Next::End(id, reason));
        }
        let message = mail.messages.pop_front().map(Next::Message);
        message.or(mail.closed.then_some(Next::Nothing))
    }

    fn report(&self, id: ActorId, reason: String) {
        self.0.mail.lock().unwrap().ends.push_back((id, reason));
        self.0.news.notify_one();
    }

    /// Runs the life of the actor; tells how it ended to whoever it is to be told.
    fn live(
        &self,
        life: impl Future<Output = Result<(), ActorProcessingErr>> + Send + 'static,
        told: impl FnOnce(String) + Send + 'static,
    ) {
        let (begin, begun) = oneshot::channel();
        let task = spawn(async move {
            let _begun = begun.await;
            life.await
        });
        *self.0.life.lock().unwrap() = Some(task.abort_handle());
        let port = self.clone();
        drop(spawn(async move {
            let reason = match task.await {
                Ok(Ok(())) => "drained".to_owned(),
                Ok(Err(e)) => e.to_string(),
                Err(_) => "killed".to_owned(),
            };
            drop(spawn(async move { told(reason) }));
            let lost = {
                let mut mail = port.0.mail.lock().unwrap();
                mail.closed = true;
                std::mem::take(&mut mail.messages)
            };
            drop(lost);
            port.0.ended.send_replace(true);
        }));
        let _dead = begin.send(());
    }
}

/// Starts the supervisor.
pub(super) fn start_supervisor(shared: &Arc<Shared>) -> Address<SupervisorMessage> {
    let port = Address::new();
    let (me, shared) = (port.clone(), Arc::clone(shared));
    let life = async move {
        let mut state = SupervisorState::new(me.clone(), shared);
        loop {
            match me.next().await {
                Next::Message(message) => state.receive(message).await,
                Next::End(id, reason) => state.ended(id, reason),
                Next::Nothing => return Ok(()),
            }
        }
    };
    port.live(life, drop);
    port
}

fn start_shard(
    shared: Arc<Shared>,
    handle: Arc<ShardHandle>,
    supervisor: &Address<SupervisorMessage>,
) -> Cell {
    let port = Address::new();
    LAST_SHARD.set(Arc::downgrade(&port.0));
    let (me, above, id) = (port.clone(), supervisor.clone(), port.get_id());
    let life = async move {
        let _alone = super::disk::Alone::new(&handle.id.to_string());
        let mut state = ShardActorState::new(me.clone(), shared, handle);
        state.begin().await?;
        while let Next::Message(message) = me.next().await {
            state.receive(message)?;
        }
        state.finish().await
    };
    port.live(life, move |reason| above.report(id, reason));
    port
}

/// Starts an actor beneath another; only shards are played.
pub(crate) async fn spawn_child<A: Actor, M: Send + 'static>(
    _actor: A,
    arguments: A::Arguments,
    supervisor: &Address<M>,
) -> Result<Cell, SpawnErr> {
    let arguments: Box<dyn Any> = Box::new(arguments);
    let supervisor: &dyn Any = supervisor;
    match (
        arguments.downcast::<(Arc<Shared>, Arc<ShardHandle>)>(),
        supervisor.downcast_ref(),
    ) {
        (Ok(arguments), Some(supervisor)) => Ok(start_shard(arguments.0, arguments.1, supervisor)),
        _ => Err(SpawnErr::StartupFailed("only shards are played".into())),
    }
}

/// Nobody asks that here.
pub(crate) fn is_alive<M>(_actor: &Address<M>) -> bool {
    true
}

/// Real actors have no place here.
pub(crate) fn address<M>(actor: &ActorRef<M>) -> Address<M> {
    unreachable!("{:?} is a real actor", actor.get_id())
}
