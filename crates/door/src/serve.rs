//! The listener: connections, their limits, and an orderly end.
//!
//! Everything a peer can make us hold is bounded before it has shown who it is: how many
//! connections there are, how long a TLS handshake and a request's head may take, how large a head
//! may be. A connection on which nothing happens is closed. Requests that passed the gate hold
//! their connection open, so a log that is followed for hours stays; those that need no token do
//! not.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::Door;

/// Connections at once. More wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// The head of a request must be complete by then; also the time to the first request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection without requests is closed after this. HTTP/1.1 connections already go after
/// [`HEADER_TIMEOUT`], because hyper starts to wait for the next head at once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection that is being closed may take to finish what it is doing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 peers are asked for a sign of life this often, and dropped if none comes in time.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's head.
const MAX_HEAD_LENGTH: usize = 32 * 1024;
/// Bytes that an HTTP/2 peer may send ahead, per request and per connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Rest after a failed accept: usually there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `door` on `listener` until `stop` completes; then takes no more connections, lets
/// requests end for up to ten seconds, and returns.
///
/// With `tls` every connection is TLS; its configuration should offer the ALPN protocols `h2` and
/// `http/1.1`. Without, HTTP/1.1 and HTTP/2 are told apart by their first bytes.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    door: Door,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            accepted = accept => accepted,
            Some(ended) = connections.join_next() => {
                log_panic(ended);
                continue;
            }
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                if !is_about_one_connection(&error) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let (tls, door, stopped) = (tls.clone(), door.clone(), stopped.clone());
        connections.spawn(async move {
            let _place = place;
            accepted_connection(stream, tls, door, stopped).await;
        });
    }
    drop(listener);
    // The receivers live in the connections; without any there is no one to tell.
    let _ = stopping.send(true);
    while let Some(ended) = connections.join_next().await {
        log_panic(ended);
    }
}

/// Errors of accept that say nothing about the listener: the peer has gone.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task did not end by itself");
    }
}

async fn accepted_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    door: Door,
    stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    match tls {
        None => connection(stream, door, stopped).await,
        Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => connection(stream, door, stopped).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        },
    }
}

/// Serves one connection until it ends, or until `stopped` says true and what runs has ended.
pub async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
    mut stopped: watch::Receiver<bool>,
) {
    let (activity, idle) = Activity::new();
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        activity.touch();
        request.extensions_mut().insert(activity.clone());
        let door = door.clone();
        async move { Ok::<_, std::convert::Infallible>(door.handle(request).await) }
    });
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(error = %error, "connection broke");
            }
            return;
        }
        used = idle => {
            if !used {
                tracing::debug!("no request came in time; connection dropped");
                return;
            }
        }
        // An error means that the server is gone, which is a reason to close as well.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    if timeout(CLOSE_TIMEOUT, connection).await.is_err() {
        tracing::debug!("connection did not close in time; dropped");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_LENGTH);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_LENGTH as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// What happens on a connection, so that an idle one can be told.
#[derive(Debug, Clone)]
pub(super) struct Activity(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests that passed the gate and have not ended.
    held: usize,
    /// Requests that came; only that it changes matters.
    requests: u64,
}

/// While this lives, the connection is not idle.
#[derive(Debug)]
pub(super) struct Hold(watch::Sender<State>);

impl Activity {
    /// Also gives the future that completes once the connection is idle, and then says whether a
    /// request ever came.
    fn new() -> (Self, impl Future<Output = bool>) {
        let (sender, mut states) = watch::channel(State::default());
        let idle = async move {
            let mut limit = HEADER_TIMEOUT;
            loop {
                let (held, requests) = {
                    let state = states.borrow_and_update();
                    (state.held, state.requests)
                };
                if requests > 0 {
                    limit = IDLE_TIMEOUT;
                }
                let changed = if held > 0 {
                    states.changed().await
                } else {
                    match timeout(limit, states.changed()).await {
                        Ok(changed) => changed,
                        Err(_) => return requests > 0,
                    }
                };
                if changed.is_err() {
                    // The connection is gone, and ends by itself.
                    std::future::pending::<()>().await;
                }
            }
        };
        (Self(sender), idle)
    }

    /// A request came.
    fn touch(&self) {
        self.0
            .send_modify(|state| state.requests = state.requests.wrapping_add(1));
    }

    /// A request passed the gate.
    pub(super) fn hold(&self) -> Hold {
        self.0.send_modify(|state| state.held += 1);
        Hold(self.0.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0
            .send_modify(|state| state.held = state.held.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance};

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_goes_first() {
        let (_activity, idle) = Activity::new();
        let start = Instant::now();
        assert!(!idle.await);
        assert_eq!(start.elapsed(), HEADER_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_put_it_off_and_held_ones_stop_it() {
        let (activity, idle) = Activity::new();
        let start = Instant::now();
        let idle = tokio::spawn(idle);
        activity.touch();
        tokio::task::yield_now().await;
        advance(Duration::from_secs(50)).await;
        activity.touch();
        let hold = activity.hold();
        tokio::task::yield_now().await;
        advance(Duration::from_secs(3600)).await;
        assert!(!idle.is_finished());
        drop(hold);
        assert!(matches!(idle.await, Ok(true)));
        assert_eq!(start.elapsed(), Duration::from_secs(50 + 3600 + 60));
    }
}
