//! The stream to a control plane. Dials out, keeps one session open, dials the next one when it
//! ends. Nothing of what the node does depends on a session being open.

use std::sync::Arc;
use std::time::Duration;

use longshore_proto::agent::agent_message::Body as Say;
use longshore_proto::agent::control_message::Body as Hear;
use longshore_proto::agent::gateway_client::GatewayClient;
use longshore_proto::agent::{AgentMessage, ControlMessage, Heartbeat, Hello, Welcome};
use rustls::ClientConfig;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::control_planes::{Admission, ControlPlanes};
use crate::logs::LogStreams;
use crate::node::Input;
use crate::pass::Event;
use crate::runtime::Runtime;
use crate::tls;
use crate::wire::{self, WireError};

/// Waits after every control plane was tried in vain; doubled each time and halved by chance at
/// most, so that a thousand agents do not return at one instant.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A session that lasted this long makes earlier failures forgotten.
const STEADY: Duration = Duration::from_secs(2);
/// From dialling to the Welcome.
const WELCOME: Duration = Duration::from_secs(10);
/// Silence that ends a session, in heartbeat intervals.
const SILENT_INTERVALS: u32 = 3;
/// The heartbeat interval is kept within these, whatever the control plane says.
const INTERVAL: std::ops::RangeInclusive<u32> = 100..=60_000;
/// Messages that may wait to be sent; more than the reports that may be unacknowledged.
const OUTGOING: usize = 256;
/// Pieces of logs that may wait to be sent.
const OUTGOING_LOGS: usize = 32;
/// Largest message that is taken: the largest complete set.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nobody, or not the control plane, answers.
    #[error("cannot connect")]
    Connect(#[from] tonic::transport::Error),
    /// It took too long to begin.
    #[error("no welcome within 10 s")]
    Late,
    /// The control plane ended it.
    #[error("the control plane ended the session: {0}")]
    Status(#[from] Box<tonic::Status>),
    /// The stream ended.
    #[error("the control plane closed the session")]
    Closed,
    /// It began with something else than a Welcome.
    #[error("the control plane did not begin with a welcome; is it a gateway of Longshore?")]
    NoWelcome,
    /// It is behind another one that this agent was connected to.
    #[error("the control plane knows less than another did before; trying the next")]
    Behind,
    /// Nothing was heard.
    #[error("nothing was heard for {SILENT_INTERVALS} heartbeat intervals")]
    Silent,
    /// What was heard makes no sense.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The loop took its end back, or is gone.
    #[error("the agent ended the session")]
    Given,
}

/// What a session needs.
#[derive(Debug)]
pub struct Link<R> {
    /// Where to connect.
    pub planes: ControlPlanes,
    /// This agent's identity.
    pub tls: Arc<ClientConfig>,
    /// The first message of every session.
    pub hello: Hello,
    /// For logs.
    pub runtime: Arc<R>,
    /// The loop.
    pub events: Sender<Event>,
}

impl<R: Runtime> Link<R> {
    /// Keeps a session open until the loop is gone.
    pub async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        while !self.events.is_closed() {
            let address = self.planes.choose();
            let mut welcomed = None;
            let error = self.session(&address, &mut welcomed).await;
            if welcomed.is_some_and(|at: Instant| at.elapsed() >= STEADY) {
                wait = FIRST_WAIT;
                self.planes.begin_round();
            }
            let closed = Event::Input(Input::SessionClosed);
            if self.events.send(closed).await.is_err() {
                return;
            }
            let pause = match self.planes.is_round_over() {
                true => wait.mul_f64(rand::random_range(0.5..=1.0)),
                false => Duration::ZERO,
            };
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                retry_ms = pause.as_millis(),
                "no session with the control plane at {address}"
            );
            if pause > Duration::ZERO {
                sleep(pause).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }

    /// One session, from dialling to its end.
    async fn session(&mut self, address: &str, welcomed: &mut Option<Instant>) -> SessionError {
        let (outgoing, waiting) = channel(OUTGOING);
        let (log_pieces, waiting_logs) = channel(OUTGOING_LOGS);
        let opening = self.open(address, &outgoing, waiting, waiting_logs);
        let (welcome, incoming) = match timeout(WELCOME, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return error,
            Err(_) => return SessionError::Late,
        };
        tracing::info!(
            cluster = welcome.cluster,
            instance = welcome.instance_id,
            "session with the control plane at {address}"
        );
        *welcomed = Some(Instant::now());
        self.planes.learn(welcome.control_planes);
        let opened = Event::SessionOpened(outgoing.clone());
        if self.events.send(opened).await.is_err() {
            return SessionError::Given;
        }
        let conversation = Conversation {
            logs: LogStreams::new(Arc::clone(&self.runtime), log_pieces),
            link: self,
            history: welcome.history,
            beat: Beat::new(welcome.heartbeat_interval_ms),
            // The loop holds the only strong end: when it lets go, the session is over.
            outgoing: outgoing.downgrade(),
        };
        drop(outgoing);
        conversation.hold(incoming).await
    }

    async fn open(
        &self,
        address: &str,
        outgoing: &Sender<AgentMessage>,
        waiting: Receiver<AgentMessage>,
        waiting_logs: Receiver<AgentMessage>,
    ) -> Result<(Welcome, Streaming<ControlMessage>), SessionError> {
        let channel = tls::connect(address, Arc::clone(&self.tls)).await?;
        let body = Some(Say::Hello(self.hello.clone()));
        let hello = AgentMessage { body };
        outgoing.try_send(hello).map_err(|_| SessionError::Given)?;
        let messages = ReceiverStream::new(waiting);
        let pieces = ReceiverStream::new(waiting_logs);
        let stream = futures::stream::select(messages, pieces);
        let mut gateway = GatewayClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = gateway.session(stream).await.map_err(Box::new)?;
        let mut incoming = answer.into_inner();
        match next(&mut incoming).await? {
            Hear::Welcome(welcome) => Ok((welcome, incoming)),
            _ => Err(SessionError::NoWelcome),
        }
    }
}

/// The next message that this version knows.
async fn next(incoming: &mut Streaming<ControlMessage>) -> Result<Hear, SessionError> {
    loop {
        match incoming.message().await.map_err(Box::new)? {
            Some(ControlMessage { body: Some(body) }) => return Ok(body),
            // Of a later version.
            Some(ControlMessage { body: None }) => {}
            None => return Err(SessionError::Closed),
        }
    }
}

struct Conversation<'a, R> {
    link: &'a mut Link<R>,
    /// What the revisions of sets belong to.
    history: String,
    beat: Beat,
    outgoing: tokio::sync::mpsc::WeakSender<AgentMessage>,
    logs: LogStreams<R>,
}

/// When to say something, and when silence has lasted too long.
struct Beat {
    interval: Duration,
    heard: Instant,
    /// Of our last heartbeat, to tell its answer from a question.
    nonce: u64,
}

impl Beat {
    fn new(interval_ms: u32) -> Self {
        let millis = interval_ms.clamp(*INTERVAL.start(), *INTERVAL.end());
        Self {
            interval: Duration::from_millis(u64::from(millis)),
            heard: Instant::now(),
            nonce: 0,
        }
    }

    fn is_silent(&self) -> bool {
        self.heard.elapsed() >= self.interval * SILENT_INTERVALS
    }
}

impl<R: Runtime> Conversation<'_, R> {
    async fn hold(mut self, mut incoming: Streaming<ControlMessage>) -> SessionError {
        let mut ticks = interval(self.beat.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                heard = next(&mut incoming) => match heard {
                    Ok(body) => {
                        self.beat.heard = Instant::now();
                        self.hear(body).await
                    }
                    Err(error) => Err(error),
                },
                _ = ticks.tick() => self.tick(),
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    fn tick(&mut self) -> Result<(), SessionError> {
        if self.beat.is_silent() {
            return Err(SessionError::Silent);
        }
        self.beat.nonce = rand::random_range(1..=u64::MAX);
        self.heartbeat(self.beat.nonce)
    }

    fn heartbeat(&self, nonce: u64) -> Result<(), SessionError> {
        let outgoing = self.outgoing.upgrade().ok_or(SessionError::Given)?;
        let body = Some(Say::Heartbeat(Heartbeat { nonce }));
        // Where there is no room, what waits there is as good a sign of life.
        outgoing.try_send(AgentMessage { body }).ok();
        Ok(())
    }

    async fn hear(&mut self, body: Hear) -> Result<(), SessionError> {
        let input = match body {
            Hear::Assignments(set) => {
                let mut set = wire::assignments(set)?;
                self.history.clone_into(&mut set.history);
                if !set.complete {
                    self.link.planes.note(set.revision);
                } else {
                    match self.link.planes.admit(&self.history, set.revision) {
                        Admission::Behind => return Err(SessionError::Behind),
                        Admission::Newer => {}
                        Admission::PutBack => set.is_put_back = true,
                    }
                }
                Input::Assigned(set)
            }
            Hear::ReportsAck(ack) => Input::ReportsAcknowledged {
                sequence: ack.sequence,
                unread: wire::task_ids(&ack.unread_task_ids)?,
            },
            Hear::Heartbeat(Heartbeat { nonce }) => {
                let asks = nonce != 0 && nonce != self.beat.nonce;
                return if asks { self.heartbeat(nonce) } else { Ok(()) };
            }
            Hear::LogRequest(request) => {
                self.logs.open(request);
                return Ok(());
            }
            Hear::LogCancel(cancel) => {
                self.logs.cancel(cancel.request_id);
                return Ok(());
            }
            Hear::Welcome(_) => return Ok(()),
        };
        let sent = self.link.events.send(Event::Input(input)).await;
        sent.map_err(|_| SessionError::Given)
    }
}
