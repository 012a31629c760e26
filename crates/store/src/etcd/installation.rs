//! Whose etcd it is: opened, checked, and made on the first start.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use tokio::time::{Instant, timeout_at};

use super::follower::HeadRead;
use super::layout::Layout;
use super::options::{EtcdError, EtcdOptions};
use super::plan::Head;
use super::servers::{Failure, Kind, Pauses, Servers, TRY_LIMIT};

/// How the value of the key `installation` begins: what it is and the number of its format.
const MARK: &str = "longshore 1 ";

/// What was found, or made.
pub(super) struct Installation {
    pub(super) id: String,
    pub(super) head: HeadRead,
}

/// Connects, and finds or makes the installation.
pub(super) async fn open(
    options: EtcdOptions,
    layout: &Layout,
) -> Result<(Arc<Servers>, Installation), EtcdError> {
    if options.endpoints.is_empty() {
        return Err(EtcdError::NoEndpoint);
    }
    let endpoints = options.endpoints.join(",");
    let prefix = options.prefix.clone();
    let expected = options.installation.clone();
    let deadline = Instant::now() + options.open_limit;
    let fresh = expected
        .clone()
        .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let tls = options.tls.is_some();
    let servers = Arc::new(Servers::new(options));
    let (value, head) = find_or_make(&servers, layout, &fresh, deadline, tls)
        .await
        .map_err(|failure| refusal(failure, endpoints.clone(), prefix.clone(), tls))?;
    let Some(id) = value.strip_prefix(MARK).filter(|_| head.head_at > 0) else {
        return Err(EtcdError::Format {
            endpoints,
            prefix,
            what: format!(
                "{value:?} where \"{MARK}ID\" is expected, head at {}",
                head.head_at
            ),
        });
    };
    match expected {
        Some(expected) if expected != id => Err(EtcdError::Foreign {
            endpoints,
            prefix,
            found: id.to_owned(),
            expected,
        }),
        _ => {
            let id = id.to_owned();
            Ok((servers, Installation { id, head }))
        }
    }
}

/// Tries every server until one answers; a fault that waiting does not mend ends it at once when
/// every server has it.
async fn find_or_make(
    servers: &Arc<Servers>,
    layout: &Layout,
    fresh: &str,
    deadline: Instant,
    tls: bool,
) -> Result<(String, HeadRead), Failure> {
    let mut pauses = Pauses::default();
    let mut hopeless = 0;
    loop {
        let end = deadline.min(Instant::now() + TRY_LIMIT * 2);
        let failure = match timeout_at(deadline, try_once(servers, layout, fresh, end)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(failure)) => failure,
            Err(_) => Failure {
                kind: Kind::Again,
                text: "no answer in time".to_owned(),
            },
        };
        let ends = match failure.kind {
            Kind::Again | Kind::Token if is_about_tls(&failure.text, tls) => {
                hopeless += 1;
                hopeless >= servers.len()
            }
            Kind::Again | Kind::Token => false,
            _ => true,
        };
        if ends || !pauses.pause(deadline).await {
            return Err(failure);
        }
    }
}

/// Reads the installation and its head, and makes both where the first is not there.
async fn try_once(
    servers: &Servers,
    layout: &Layout,
    fresh: &str,
    end: Instant,
) -> Result<(String, HeadRead), Failure> {
    let (key, head) = (layout.installation(), layout.head());
    let absent = Compare::version(key.clone(), CompareOp::Equal, 0);
    let none = Head {
        puts: 0,
        deletes: 0,
    };
    let reads = vec![
        TxnOp::get(key.clone(), None),
        TxnOp::get(head.clone(), None),
    ];
    let mut makes = vec![
        TxnOp::put(key, format!("{MARK}{fresh}"), None),
        TxnOp::put(head, none.encode(), None),
    ];
    makes.extend(reads.clone());
    let made = Txn::new().when([absent]).and_then(makes).or_else(reads);
    let response = servers.txn_once(end, made).await?;
    let revision = response.header().map_or(0, |header| header.revision());
    let mut read = response.op_responses().into_iter().filter_map(|r| match r {
        TxnOpResponse::Get(read) => Some(read),
        _ => None,
    });
    let value = read.next().and_then(|read| {
        let kv = read.kvs().first()?;
        Some(String::from_utf8_lossy(kv.value()).into_owned())
    });
    let head = read.next().and_then(|read| {
        let kv = read.kvs().first()?;
        Some((kv.mod_revision(), kv.version()))
    });
    let (head_at, version) = head.unwrap_or((0, 0));
    let head = HeadRead {
        revision,
        head_at,
        version,
    };
    Ok((value.unwrap_or_default(), head))
}

/// Whether a connection failed for what TLS is about, by what rustls and the kernel say.
fn is_about_tls(text: &str, tls: bool) -> bool {
    let signs: &[&str] = if tls {
        &[
            "certificate",
            "InvalidContentType",
            "corrupt message",
            "handshake",
            "alert",
            "TLS",
            "PEM",
        ]
    } else {
        // A server that expects TLS answers plain HTTP/2 with the end of the connection.
        &["frame with invalid size", "protocol error", "TLS"]
    };
    signs.iter().any(|sign| text.contains(sign))
}

fn refusal(failure: Failure, endpoints: String, prefix: String, tls: bool) -> EtcdError {
    let cause = failure.text;
    match failure.kind {
        Kind::Credentials | Kind::Token => EtcdError::Credentials {
            endpoints,
            prefix,
            cause,
        },
        Kind::Again if is_about_tls(&cause, tls) => EtcdError::Tls { endpoints, cause },
        Kind::Again => EtcdError::NoAnswer { endpoints, cause },
        _ => EtcdError::Options(cause),
    }
}
