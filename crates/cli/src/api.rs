//! The connection to the control plane, and what its refusals say.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longshore_proto::ecs::ecs_client::EcsClient;
use longshore_proto::node::logs_client::LogsClient;
use longshore_proto::node::nodes_client::NodesClient;
use longshore_proto::placement::placement_client::PlacementClient;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::credentials::{Credentials, Target};
use crate::token;

/// The first answer must come within this; a stream may then go on for as long as it likes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A partitioned connection would otherwise hang for the many minutes TCP takes.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A page of 100 tasks with all their attachments stays far below.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Each request carries a fresh token, so it only has to outlive the request and clock skew.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// How long a command that polls waits for the control plane to come back: a restart takes a few
/// seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where distributions keep the certificates of public authorities.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

type Wire = InterceptedService<Channel, Bearer>;

/// Clients for the public API. Cloning shares the connection.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ecs: EcsClient<Wire>,
    pub(crate) nodes: NodesClient<Wire>,
    pub(crate) logs: LogsClient<Wire>,
    pub(crate) placement: PlacementClient<Wire>,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("nothing listens at {address}; start Longshore with `longshore up --detach`")]
    NothingListens { address: String },
    #[error("cannot reach {endpoint}; check the address, and http or https")]
    Unreachable {
        endpoint: String,
        source: tonic::transport::Error,
    },
    #[error("{endpoint} is not an endpoint; write http://HOST:PORT or https://HOST:PORT")]
    BadEndpoint {
        endpoint: String,
        source: tonic::transport::Error,
    },
    #[error("cannot read the certificates in {}", path.display())]
    Certificates { path: PathBuf, source: io::Error },
    /// An exception of the ECS API.
    #[error("{exception}: {message}")]
    Exception { exception: String, message: String },
    /// An answer of the services that ECS does not have, whose messages speak for themselves.
    #[error("{message}")]
    Refused { message: String },
    /// No answer, as when the connection breaks.
    #[error("the call failed: {message} ({code:?})")]
    Call { code: Code, message: String },
    #[error("the list goes on after {0} pages; narrow it down")]
    EndlessList(usize),
}

impl ApiError {
    /// Whether the same call may succeed in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Call { .. } => true,
            Self::Exception { exception, .. } => {
                matches!(
                    exception.as_str(),
                    "ServerException" | "ThrottlingException"
                )
            }
            _ => false,
        }
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        match status.get_details_error_info() {
            Some(info) if !info.reason.is_empty() => Self::Exception {
                exception: info.reason,
                message: status.message().to_owned(),
            },
            _ => {
                let code = status.code();
                if is_passing(code) {
                    let message = with_cause(&status);
                    Self::Call { code, message }
                } else {
                    let message = status.message().to_owned();
                    Self::Refused { message }
                }
            }
        }
    }
}

/// The message with what lies at its bottom: by itself it may be no more than "transport error".
fn with_cause(status: &Status) -> String {
    let bottom = std::iter::successors(status.source(), |&error| error.source()).last();
    match bottom.map(ToString::to_string) {
        Some(cause) if cause != status.message() => format!("{}: {cause}", status.message()),
        _ => status.message().to_owned(),
    }
}

/// Whether a code can come from a connection that breaks or a control plane that restarts.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::DeadlineExceeded
    )
}

/// What a call brought.
pub(crate) fn answer<T>(response: Result<Response<T>, Status>) -> Result<T, ApiError> {
    Ok(response?.into_inner())
}

impl Api {
    /// Connects. `ca_bundle` holds the authorities to trust in place of the system's.
    pub(crate) async fn connect(
        target: &Target,
        ca_bundle: Option<&Path>,
    ) -> Result<Self, ApiError> {
        let endpoint = &target.endpoint;
        let bad_endpoint = |source| ApiError::BadEndpoint {
            endpoint: endpoint.clone(),
            source,
        };
        let mut transport = Endpoint::from_shared(endpoint.clone())
            .map_err(bad_endpoint)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        if endpoint.starts_with("https://") {
            let tls = ClientTlsConfig::new().ca_certificates(authorities(ca_bundle)?);
            transport = transport.tls_config(tls).map_err(bad_endpoint)?;
        }
        let channel = transport
            .connect()
            .await
            .map_err(|error| unreachable(endpoint, error))?;
        let bearer = Bearer {
            credentials: target.credentials.clone(),
        };
        let wire = InterceptedService::new(channel, bearer);
        Ok(Self {
            ecs: EcsClient::new(wire.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
            nodes: NodesClient::new(wire.clone()),
            logs: LogsClient::new(wire.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
            placement: PlacementClient::new(wire).max_decoding_message_size(MAX_MESSAGE_BYTES),
        })
    }
}

/// The certificates to trust, none when the system has no bundle.
fn authorities(ca_bundle: Option<&Path>) -> Result<Vec<Certificate>, ApiError> {
    let path = match ca_bundle {
        Some(path) => Some(path),
        None => SYSTEM_BUNDLES
            .iter()
            .map(Path::new)
            .find(|path| path.exists()),
    };
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(path).map_err(|source| ApiError::Certificates {
        path: path.to_owned(),
        source,
    })?;
    Ok(vec![Certificate::from_pem(pem)])
}

fn unreachable(endpoint: &str, error: tonic::transport::Error) -> ApiError {
    if is_refused(&error) {
        let address = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, address)| address);
        return ApiError::NothingListens {
            address: address.to_owned(),
        };
    }
    ApiError::Unreachable {
        endpoint: endpoint.to_owned(),
        source: error,
    }
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// Puts a token on every request.
#[derive(Clone)]
pub(crate) struct Bearer {
    credentials: Credentials,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = token::mint(&self.credentials, TOKEN_LIFETIME);
        let mut value: AsciiMetadataValue = format!("Bearer {token}").parse().map_err(|_| {
            Status::invalid_argument("the access key id has characters that no header carries")
        })?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// Bears with a control plane that is away for a moment, as while it restarts, in a command that
/// asks again and again.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    away_since: Option<Instant>,
}

impl Patience {
    /// The answer, or None when there was none and asking again may help.
    ///
    /// Errors: refusals, and no answer for [`PATIENCE`].
    pub(crate) fn with<T>(&mut self, answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
        match answer {
            Ok(answer) => {
                self.away_since = None;
                Ok(Some(answer))
            }
            Err(error) if error.may_pass() => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                if since.elapsed() < PATIENCE {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn target(endpoint: &str) -> Target {
        Target {
            endpoint: endpoint.to_owned(),
            credentials: Credentials {
                access_key_id: "AKIA".to_owned(),
                secret_access_key: "s".to_owned(),
            },
        }
    }

    #[test]
    fn exceptions_are_told_by_name() {
        let details = ErrorDetails::with_error_info(
            "ClusterNotFoundException",
            "ecs.amazonaws.com",
            HashMap::<String, String>::new(),
        );
        let status = Status::with_error_details(Code::NotFound, "Cluster not found.", details);
        let error = ApiError::from(status);
        assert!(!error.may_pass());
        assert_eq!(
            error.to_string(),
            "ClusterNotFoundException: Cluster not found."
        );
        let error = ApiError::from(Status::unavailable("broken pipe"));
        assert!(error.to_string().contains("broken pipe"));
        assert!(error.may_pass());
    }

    #[test]
    fn patience_is_for_what_passes_and_ends() {
        let away = || Err::<(), _>(ApiError::from(Status::unavailable("")));
        let mut patience = Patience::default();
        assert!(matches!(patience.with(away()), Ok(None)));
        patience.away_since = Instant::now().checked_sub(PATIENCE);
        assert!(patience.with(away()).is_err());
        assert!(matches!(patience.with(Ok(())), Ok(Some(()))));
        assert!(matches!(patience.with(away()), Ok(None)));
        let refused = Err::<(), _>(ApiError::from(Status::permission_denied("")));
        assert!(patience.with(refused).is_err());
    }

    #[tokio::test]
    async fn a_closed_port_is_named_with_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = Api::connect(&target(&format!("http://{address}")), None).await;
        assert_eq!(
            error.err().unwrap().to_string(),
            format!("nothing listens at {address}; start Longshore with `longshore up --detach`")
        );
        let error = Api::connect(&target("http://a b"), None).await;
        assert!(matches!(error.err().unwrap(), ApiError::BadEndpoint { .. }));
    }

    #[test]
    fn requests_carry_a_token() {
        let mut bearer = Bearer {
            credentials: target("").credentials,
        };
        let request = bearer.call(Request::new(())).unwrap();
        let value = request.metadata().get("authorization").unwrap();
        assert!(value.to_str().unwrap().starts_with("Bearer lst1.AKIA."));
        bearer.credentials.access_key_id = "a\nb".to_owned();
        assert!(bearer.call(Request::new(())).is_err());
    }
}
