//! One connection: a task that moves bytes, questions and deliveries between socket, session and broker.
//!
//! Everything is polled in one place and nothing is sent through a channel but direct replies.
//! Invariants: questions are begun in the order in which the session asks them; nothing is read while too much waits;
//! deliveries are taken only while the client takes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use model::caller::Protocol;
use model::name::{NamespaceName, UserName};
use model::number::Timestamp;
use model::{Deliveries, Origin};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::registry::Place;
use super::shared::{ConnectionId, DirectReply, Shared};
use crate::desk::{Asking, Brought, Desk, Outcome};
use crate::limits::{
    DRAIN_GRACE, INPUT_BYTES_MAX, OUTPUT_BYTES_HIGH, OUTPUT_BYTES_MAX, READ_BYTES, READ_BYTES_FIRST, REPLIES_MAX, TICK,
};
use crate::session::{Action, ConsumerId, Feed, Session, Ticket};
use crate::translate;

/// A question under way.
struct Flight {
    ticket: Ticket,
    asking: Asking,
}

/// The stream of a consumer.
struct Stream {
    feed: Feed,
    deliveries: Box<dyn Deliveries>,
}

/// Both ends of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The client's.
    pub(super) peer: SocketAddr,
    /// Ours.
    pub(super) own: SocketAddr,
    /// Whether there is TLS between them.
    pub(super) is_secured: bool,
}

/// A connection.
pub(super) struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    session: Session,
    desk: Desk,
    ends: Ends,
    user: Option<UserName>,
    /// Where it stands among those that are open.
    place: Option<Place>,
    /// Says that somebody wants it to end, and why.
    closing: Option<oneshot::Receiver<String>>,
    /// Whether something happened since it last told of itself.
    has_news: bool,
    began: Instant,
    input: BytesMut,
    /// When something was last read or written: buffers are kept until a while after it.
    moved_at: Instant,
    /// Whether more came lately than fits into the room of a connection that was idle.
    is_busy: bool,
    /// Whether the client has stopped sending.
    ended: bool,
    /// Held until the login.
    stranger: Option<OwnedSemaphorePermit>,
    flights: VecDeque<Flight>,
    streams: BTreeMap<ConsumerId, Stream>,
    /// Streams that ended, with deliveries that are not settled.
    finished: BTreeMap<ConsumerId, Stream>,
    /// Consumers that ended before they had begun.
    dropped: BTreeSet<ConsumerId>,
    replies: mpsc::Receiver<DirectReply>,
    reply_sender: mpsc::Sender<DirectReply>,
    addresses: Vec<String>,
    ticks: Interval,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(shared: Arc<Shared>, stream: S, ends: Ends, stranger: OwnedSemaphorePermit) -> Self {
        let token = crate::random::token();
        let origin = Origin { protocol: Protocol::Amqp, address: Some(ends.peer.ip()) };
        let id = ConnectionId(Arc::from(token.as_str()));
        let (reply_sender, replies) = mpsc::channel(REPLIES_MAX);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let began = Instant::now();
        Self {
            session: Session::new(shared.identity.clone(), token, Duration::ZERO),
            desk: Desk::new(Arc::clone(&shared), id, origin),
            shared,
            stream,
            ends,
            user: None,
            place: None,
            closing: None,
            has_news: false,
            began,
            input: BytesMut::new(),
            moved_at: began,
            is_busy: false,
            ended: false,
            stranger: Some(stranger),
            flights: VecDeque::new(),
            streams: BTreeMap::new(),
            finished: BTreeMap::new(),
            dropped: BTreeSet::new(),
            replies,
            reply_sender,
            addresses: Vec::new(),
            ticks,
        }
    }

    /// The client showed a certificate that names this user.
    pub(super) fn certified(mut self, user: Option<String>) -> Self {
        self.session = self.session.certified(user);
        self
    }

    /// Runs until it is over.
    pub(super) async fn run(mut self: Box<Self>, draining: watch::Receiver<bool>) -> io::Result<()> {
        let mut drained = Box::pin(async move {
            let mut draining = draining;
            // A sender that is gone drains too.
            let _ = draining.wait_for(|draining| *draining).await;
        });
        let mut told = false;
        let result = poll_fn(|context| {
            if !told && drained.as_mut().poll(context).is_ready() {
                told = true;
                self.session.drain();
            }
            self.poll(context)
        })
        .await;
        self.finish().await;
        result
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Lets everything go on that can.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let ticked = self.poll_ticks(context);
            let mut moved = self.poll_closing(context);
            moved |= self.poll_read(context)?;
            if self.session.wants_input() && !self.input.is_empty() {
                let (before, now) = (self.input.len(), self.now());
                self.session.read(&mut self.input, now);
                moved |= self.input.len() < before;
            }
            moved |= self.act(context);
            moved |= self.poll_flights(context);
            self.session.set_blocked(self.desk.is_alarmed().then_some("low on disk or memory"));
            moved |= self.poll_streams(context);
            moved |= self.poll_replies(context);
            moved |= self.act(context);
            moved |= self.poll_write(context)?;
            if self.session.is_over() && self.session.output().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.ended && self.input.is_empty() && !self.session.is_over() {
                self.session.hang_up();
                return Poll::Ready(Ok(()));
            }
            self.has_news |= moved;
            if !moved && !ticked {
                self.let_go();
                return Poll::Pending;
            }
        }
    }

    /// An idle connection keeps no buffers; one that is busy would only ask for them again.
    fn let_go(&mut self) {
        if self.moved_at.elapsed() < TICK {
            return;
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
            self.is_busy = false;
        }
        let output = self.session.output();
        if output.is_empty() {
            *output = BytesMut::new();
        }
    }

    fn poll_ticks(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.ticks.poll_tick(context).is_ready() {
            let now = self.now();
            self.session.tick(now);
            moved = true;
        }
        if moved && std::mem::take(&mut self.has_news) {
            self.tell();
        }
        moved
    }

    /// Ends when somebody wants it to.
    fn poll_closing(&mut self, context: &mut Context<'_>) -> bool {
        let Some(closing) = &mut self.closing else { return false };
        let Poll::Ready(reason) = Pin::new(closing).poll(context) else { return false };
        self.closing = None;
        if let Ok(reason) = reason {
            self.session.force(&reason);
        }
        true
    }

    /// Takes its place among those that are open.
    fn enter(&mut self, namespace: NamespaceName) {
        let (Some(user), Ends { peer, own, is_secured }) = (self.user.clone(), self.ends) else { return };
        let introduction = self.session.introduce();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let (place, closing) = self.shared.registry.enter(rabbit::Connection {
            name: format!("{peer} -> {own}"),
            user,
            mechanism: introduction.mechanism,
            namespace,
            peer,
            own,
            is_secured,
            since: Timestamp::new(u64::try_from(since).unwrap_or(u64::MAX)),
            channel_max: introduction.channel_max,
            frame_max: u64::try_from(introduction.frame_max).unwrap_or(u64::MAX),
            heartbeat: introduction.heartbeat,
            client_properties: translate::client_properties(introduction.client_properties),
            is_blocked: false,
            channels: Vec::new(),
        });
        (self.place, self.closing) = (Some(place), Some(closing));
    }

    /// Tells how it is now.
    fn tell(&self) {
        if let Some(place) = &self.place {
            place.tell(self.session.is_blocked(), self.session.channels());
        }
    }

    /// Reads what has arrived, as far as there is room.
    fn poll_read(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let waits = self.ended
            || self.input.len() >= INPUT_BYTES_MAX
            || !self.session.wants_input()
            || self.session.output().len() >= OUTPUT_BYTES_MAX;
        if waits {
            return Ok(false);
        }
        self.input.reserve(if self.is_busy { READ_BYTES } else { READ_BYTES_FIRST });
        // Dropped when nothing is there: it has taken nothing then.
        match pin!(self.stream.read_buf(&mut self.input)).poll(context) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(count)) => {
                self.ended = count == 0;
                self.is_busy |= count >= READ_BYTES_FIRST;
                self.moved_at = Instant::now();
                Ok(true)
            }
        }
    }

    /// Writes what waits.
    fn poll_write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        let now = self.now();
        let Self { stream, session, moved_at, .. } = self;
        while !session.output().is_empty() {
            match Pin::new(&mut *stream).poll_write(context, session.output()) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    session.output().advance(written);
                    session.said(now);
                    *moved_at = Instant::now();
                    moved = true;
                }
            }
        }
        if let Poll::Ready(Err(error)) = Pin::new(stream).poll_flush(context) {
            return Err(error);
        }
        Ok(moved)
    }

    /// Does what the session wants.
    fn act(&mut self, context: &mut Context<'_>) -> bool {
        let actions = self.session.actions();
        let moved = !actions.is_empty();
        for action in actions {
            match action {
                Action::Ask(ticket, ask) => {
                    // Begun before anything behind it: a stream that is dropped gives back what is not settled.
                    let mut asking = self.desk.begin(ask);
                    match asking.as_mut().poll(context) {
                        Poll::Pending => self.flights.push_back(Flight { ticket, asking }),
                        Poll::Ready(outcome) => self.done(ticket, outcome),
                    }
                }
                Action::Grant(id, messages) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.deliveries.add_credit(messages);
                    }
                }
                Action::Stop(id) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.deliveries.stop();
                    }
                }
                Action::Drop(id) => {
                    let gone = self.streams.remove(&id).or_else(|| self.finished.remove(&id));
                    if gone.is_none() {
                        self.dropped.insert(id);
                    }
                }
                Action::Reply(publication) => {
                    let (address, message) = translate::direct_reply(publication);
                    self.shared.reply(address, message);
                }
            }
        }
        self.tell_addresses();
        moved
    }

    fn tell_addresses(&mut self) {
        let addresses = self.session.reply_addresses();
        if addresses != self.addresses {
            self.shared.receive_replies(&self.addresses, &addresses, &self.reply_sender);
            self.addresses = addresses;
        }
    }

    /// Lets every question go on; answers are given as they come.
    fn poll_flights(&mut self, context: &mut Context<'_>) -> bool {
        let mut done = Vec::new();
        self.flights.retain_mut(|flight| match flight.asking.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                done.push((flight.ticket, outcome));
                false
            }
        });
        let moved = !done.is_empty();
        for (ticket, outcome) in done {
            self.done(ticket, outcome);
        }
        moved
    }

    /// A question is answered.
    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        match outcome.brought {
            Brought::Nothing => {}
            Brought::Caller(caller) => {
                self.stranger = None;
                self.user = Some(caller.name.clone());
                self.desk.set_caller(caller);
            }
            Brought::Host(namespace) => {
                self.enter(namespace.clone());
                self.desk.set_namespace(namespace);
            }
            Brought::Deliveries(id, feed, deliveries) => {
                if !self.dropped.remove(&id) {
                    self.streams.insert(id, Stream { feed, deliveries });
                }
            }
        }
        let now = self.now();
        self.session.answer(ticket, outcome.answer, now);
    }

    /// Takes deliveries while the client takes them.
    fn poll_streams(&mut self, context: &mut Context<'_>) -> bool {
        let (mut moved, now) = (false, self.now());
        let Self { session, streams, .. } = self;
        let mut ended = Vec::new();
        for (id, stream) in streams.iter_mut() {
            if session.output().len() >= OUTPUT_BYTES_HIGH {
                break;
            }
            match stream.deliveries.poll_next(context) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(deliveries))) => {
                    moved = true;
                    let delivered = |delivery| translate::delivered(delivery, &stream.feed);
                    session.deliver(*id, deliveries.into_iter().map(delivered), now);
                }
                Poll::Ready(Some(Err(_)) | None) => ended.push(*id),
            }
        }
        for id in ended {
            moved = true;
            // What it holds is the client's until it is settled: the stream lives on in `finished` until it is dropped.
            self.finish_stream(id);
        }
        moved
    }

    fn finish_stream(&mut self, id: ConsumerId) {
        if let Some(stream) = self.streams.remove(&id) {
            self.finished.insert(id, stream);
        }
        self.session.consumer_ended(id);
    }

    fn poll_replies(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while self.session.output().len() < OUTPUT_BYTES_HIGH {
            let Poll::Ready(Some(reply)) = self.replies.poll_recv(context) else { break };
            self.session.direct_reply(&reply.address, reply.message);
            moved = true;
        }
        moved
    }

    /// Gives back what is held and deletes what was the connection's own.
    async fn finish(mut self: Box<Self>) {
        self.place = None;
        self.session.hang_up();
        poll_fn(|context| {
            self.act(context);
            Poll::Ready(())
        })
        .await;
        self.shared.receive_replies(&self.addresses, &[], &self.reply_sender);
        self.streams.clear();
        self.finished.clear();
        let flights = std::mem::take(&mut self.flights);
        let rest = async {
            for flight in flights {
                // Whatever was begun is ended; nobody is there to be told.
                let _ = flight.asking.await;
            }
        };
        // What waits for room is given up with its connection.
        let _ = timeout(DRAIN_GRACE, rest).await;
        self.desk.delete_own_queues().await;
    }
}
