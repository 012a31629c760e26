//! One connection to each etcd server, and calls that find one that answers.
//!
//! The client library can balance over several servers, but it keeps choosing one that is down or
//! stopped as often as the others. So each server has a client of its own here, all calls use the
//! same one while it answers, and one that fails hands over to the next.

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, Error, GetOptions, GetResponse, KvClient, Txn, TxnResponse};
use tokio::time::{Instant, sleep, timeout_at};

use crate::contract::Unreachable;

use super::options::EtcdOptions;

/// How long one server has for one try, before the next is asked. Two thirds of a second leave
/// room for all three members of the usual cluster within [`CALL_LIMIT`](crate::CALL_LIMIT).
pub(super) const TRY_LIMIT: Duration = Duration::from_millis(650);

/// Pauses between tries, doubled from the first to the last: an election takes about a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(160));

/// Every server of one etcd.
pub(super) struct Servers {
    options: EtcdOptions,
    servers: Vec<Server>,
    /// Index of the server that calls go to.
    current: AtomicUsize,
}

struct Server {
    url: String,
    /// Made when first needed; dropped when the server no longer knows our token.
    client: Mutex<Option<Arc<Client>>>,
}

impl Server {
    fn client(&self) -> MutexGuard<'_, Option<Arc<Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a server did not do as asked.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// The chain of what was met, and at which server.
    pub(super) text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// What a failure means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another try, here or elsewhere, may succeed. Whether this one had an effect is unknown.
    Again,
    /// As [`Kind::Again`], with a new token.
    Token,
    /// The user, the password or the rights are wrong. No effect.
    Credentials,
    /// The request is larger than the server takes. No effect.
    TooLarge,
    /// The revision asked for is compacted. No effect.
    Compacted,
    /// A revision was asked for that is not there yet. No effect.
    Future,
    /// The lease named is gone. No effect.
    NoLease,
    /// The request is refused for what it is. No effect.
    Refused,
}

impl Failure {
    /// What an error of the library means. The texts are etcd's, the same from 3.4 to 3.6.
    pub(super) fn of(error: &Error, url: &str) -> Failure {
        use tonic_code::*;
        let text = format!("{}: {}", url, chain(error));
        let Error::GRpcStatus(status) = error else {
            let lease =
                matches!(error, Error::LeaseKeepAliveError(text) if text.contains("not found"));
            let kind = if lease { Kind::NoLease } else { Kind::Again };
            return Failure { kind, text };
        };
        let says = |part: &str| status.message().contains(part);
        let kind = match status.code() as i32 {
            INVALID_ARGUMENT if says("request is too large") => Kind::TooLarge,
            INVALID_ARGUMENT if says("authentication failed") => Kind::Credentials,
            INVALID_ARGUMENT if says("user name is empty") => Kind::Credentials,
            INVALID_ARGUMENT if says("auth store is old") => Kind::Token,
            RESOURCE_EXHAUSTED if says("larger than max") => Kind::TooLarge,
            OUT_OF_RANGE if says("compacted") => Kind::Compacted,
            OUT_OF_RANGE if says("future revision") => Kind::Future,
            NOT_FOUND if says("lease") => Kind::NoLease,
            PERMISSION_DENIED => Kind::Credentials,
            UNAUTHENTICATED => Kind::Token,
            INVALID_ARGUMENT | OUT_OF_RANGE | NOT_FOUND | ALREADY_EXISTS | UNIMPLEMENTED => {
                Kind::Refused
            }
            // A full database (RESOURCE_EXHAUSTED) may refuse what it has carried out.
            _ => Kind::Again,
        };
        Failure { kind, text }
    }

    fn late(url: &str) -> Failure {
        Failure {
            kind: Kind::Again,
            text: format!("{url}: no answer in time"),
        }
    }

    /// As what callers of the store are told.
    pub(super) fn unreachable(self, during: &'static str) -> Unreachable {
        Unreachable::new(during, self)
    }
}

/// The numbers of gRPC's status codes; the library does not hand on their type.
mod tonic_code {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const ALREADY_EXISTS: i32 = 6;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const OUT_OF_RANGE: i32 = 11;
    pub(super) const UNIMPLEMENTED: i32 = 12;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// The error and what caused it, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    // The library does not name a status as the source of its error.
    let mut source = match error {
        Error::GRpcStatus(status) => {
            text = status.message().to_owned();
            status.source()
        }
        other => other.source(),
    };
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            // Writing into a string does not fail.
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl Servers {
    /// Nothing is connected yet.
    pub(super) fn new(options: EtcdOptions) -> Servers {
        let server = |endpoint: &String| Server {
            url: options.url(endpoint),
            client: Mutex::new(None),
        };
        let servers: Vec<Server> = options.endpoints.iter().map(server).collect();
        // Several processes start at different servers.
        let first = usize::try_from(rand::random::<u32>()).unwrap_or(0) % servers.len().max(1);
        Servers {
            options,
            servers,
            current: AtomicUsize::new(first),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// The server that calls go to now.
    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Lets calls go to the server after `failed`, unless they go elsewhere already.
    pub(super) fn leave(&self, failed: usize) {
        let next = self.after(failed);
        let swap = Ordering::Relaxed;
        // An error says that somebody else has left it.
        let _ = self.current.compare_exchange(failed, next, swap, swap);
    }

    /// The server after this one.
    pub(super) fn after(&self, server: usize) -> usize {
        (server + 1) % self.servers.len()
    }

    /// The client of one server.
    pub(super) async fn client(&self, server: usize) -> Result<Arc<Client>, Failure> {
        let server = &self.servers[server];
        if let Some(client) = &*server.client() {
            return Ok(Arc::clone(client));
        }
        let made = Client::connect([&server.url], Some(self.options.connect_options())).await;
        let made = Arc::new(made.map_err(|error| Failure::of(&error, &server.url))?);
        *server.client() = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Asks the current server once. A failure that another server may not have makes that the
    /// current one.
    pub(super) async fn ask_once<T, F>(
        &self,
        deadline: Instant,
        ask: impl FnOnce(Arc<Client>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let index = self.current();
        let asked = async {
            let client = self.client(index).await?;
            let answer = ask(client).await;
            answer.map_err(|error| Failure::of(&error, &self.servers[index].url))
        };
        let answer = match timeout_at(deadline, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::late(&self.servers[index].url)),
        };
        if let Err(failure) = &answer {
            match failure.kind {
                Kind::Again => self.leave(index),
                Kind::Token => *self.servers[index].client() = None,
                _ => {}
            }
        }
        answer
    }

    /// Asks until a server answers or refuses, or the time is up. Only for what may be done twice.
    async fn ask<T, F>(
        &self,
        deadline: Instant,
        ask: impl Fn(Arc<Client>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pauses = Pauses::default();
        loop {
            let end = deadline.min(Instant::now() + TRY_LIMIT);
            let failure = match self.ask_once(end, &ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if !matches!(failure.kind, Kind::Again | Kind::Token) => {
                    return Err(failure);
                }
                Err(failure) => failure,
            };
            if !pauses.pause(deadline).await {
                return Err(failure);
            }
        }
    }
}

/// What is asked for.
impl Servers {
    /// One try of a transaction; whether one that fails had an effect may be unknown.
    pub(super) async fn txn_once(&self, end: Instant, txn: Txn) -> Result<TxnResponse, Failure> {
        self.ask_once(end, |client| commit(client, txn)).await
    }

    /// A transaction that may be carried out twice.
    pub(super) async fn txn(&self, deadline: Instant, txn: Txn) -> Result<TxnResponse, Failure> {
        self.ask(deadline, |client| commit(client, txn.clone()))
            .await
    }

    /// A key, or a range of keys.
    pub(super) async fn get(
        &self,
        deadline: Instant,
        key: Vec<u8>,
        options: Option<GetOptions>,
    ) -> Result<GetResponse, Failure> {
        let get = |client: Arc<Client>| {
            let (key, options) = (key.clone(), options.clone());
            async move { unlimited(&client).get(key, options).await }
        };
        self.ask(deadline, get).await
    }

    /// A new lease for this many seconds; its id. One whose answer is lost runs out.
    pub(super) async fn grant(&self, deadline: Instant, seconds: i64) -> Result<i64, Failure> {
        let grant = |client: Arc<Client>| async move {
            let granted = client.lease_client().grant(seconds, None).await;
            granted.map(|granted| granted.id())
        };
        self.ask(deadline, grant).await
    }

    /// Lets a lease live on.
    pub(super) async fn renew(&self, deadline: Instant, lease: i64) -> Result<(), Failure> {
        let renew = |client: Arc<Client>| async move {
            client.lease_client().keep_alive(lease).await.map(drop)
        };
        self.ask(deadline, renew).await
    }

    /// Ends a lease.
    pub(super) async fn revoke(&self, deadline: Instant, lease: i64) -> Result<(), Failure> {
        let revoke = |client: Arc<Client>| async move {
            client.lease_client().revoke(lease).await.map(drop)
        };
        self.ask(deadline, revoke).await
    }
}

async fn commit(client: Arc<Client>, txn: Txn) -> Result<TxnResponse, Error> {
    unlimited(&client).txn(txn).await
}

/// A client that takes answers of any size.
fn unlimited(client: &Client) -> KvClient {
    client.kv_client().max_decoding_message_size(usize::MAX)
}

/// The pauses between tries.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses(PAUSES.0)
    }
}

impl Pauses {
    /// Waits before the next try; false, at once, when that would be after the deadline.
    pub(super) async fn pause(&mut self, deadline: Instant) -> bool {
        if Instant::now() + self.0 >= deadline {
            return false;
        }
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
        true
    }
}
