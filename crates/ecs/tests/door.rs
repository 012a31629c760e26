//! Both doors over real connections, with operations that are not offered and callers who are not
//! let in. What operations answer is tested with the operations.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use http_body_util::BodyExt as _;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use longshore_model::Realm;
use longshore_model::plan::Ctx;
use longshore_proto::ecs::{CreateGatewayRequest, CreateGatewayResponse};
use longshore_proto::node::{self, nodes_client::NodesClient, nodes_server};
use longshore_store::{Db, HistoryLimit, Memory, View};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::rustls;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use longshore_door::auth::{AccessKeys, Caller, bearer};
use longshore_door::router::{Door, HealthFacts, MAX_BODY_LENGTH, router};
use longshore_door::serve;
use longshore_door::service::bind;
use longshore_door::wire::grpc::Beside;
use longshore_ecs::context::{Ecs, PlacementAnswer, PlacementRequest, Placer};
use longshore_ecs::table::{API, TABLE};
use tonic::service::Routes;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const USER: &str = "arn:aws:iam::000000000000:user/alice";
const NOW: u64 = 1_700_000_000;
/// An operation that Longshore will not offer.
const UNSUPPORTED: &str = "CreateGateway";

struct NoPlacer;

impl Placer for NoPlacer {
    fn place(&self, _: &View, _: &PlacementRequest<'_>, _: &mut Ctx) -> PlacementAnswer {
        PlacementAnswer::default()
    }
}

/// Tells who calls.
struct Echo;

#[tonic::async_trait]
impl nodes_server::Nodes for Echo {
    async fn create_join_token(
        &self,
        request: tonic::Request<node::CreateJoinTokenRequest>,
    ) -> Result<tonic::Response<node::CreateJoinTokenResponse>, Status> {
        let caller = request.extensions().get::<Caller>().unwrap();
        Ok(tonic::Response::new(node::CreateJoinTokenResponse {
            token: caller.arn().to_owned(),
            ..Default::default()
        }))
    }
}

async fn door() -> Door {
    let db = Db::open(Arc::new(Memory::new(HistoryLimit::default())))
        .await
        .unwrap();
    let ecs = Ecs {
        backend: longshore_door::Backend {
            realm: Realm {
                partition: "aws".into(),
                region: "us-east-1".into(),
                account: "000000000000".into(),
            },
            db,
            clock: Arc::new(|| UNIX_EPOCH + Duration::from_secs(NOW)),
            entropy: Arc::new(|| 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        },
        placer: Arc::new(NoPlacer),
    };
    let mut keys = AccessKeys::new();
    keys.insert(ID, SECRET.to_owned().into(), USER).unwrap();
    let beside = Beside {
        routes: Routes::new(nodes_server::NodesServer::new(Echo)),
        names: vec!["longshore.node.v1.Nodes"],
        descriptors: longshore_proto::FILE_DESCRIPTOR_SET,
    };
    let backend = ecs.backend.clone();
    let services = vec![bind(&API, Arc::new(ecs))];
    router(backend, Arc::new(keys), services, beside)
        .await
        .unwrap()
}

/// A listener, and what stops it: dropping the sender.
async fn listen(tls: Option<tokio_rustls::TlsAcceptor>) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let door = door().await;
    tokio::spawn(serve::serve(listener, tls, door, async move {
        let _ = stopped.await;
    }));
    (address, stop)
}

fn post(operation: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post("/")
        .header("host", "127.0.0.1")
        .header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{operation}"),
        )
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

fn signed(id: &str, secret: &str, operation: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = post(operation, body);
    let identity = Credentials::new(id, secret, None, None, "test").into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("ecs")
        .time(UNIX_EPOCH + Duration::from_secs(NOW))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = request
        .headers()
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().unwrap()));
    let body = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", "http://127.0.0.1/", headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

async fn http1(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    text(sender.send_request(request).await.unwrap()).await
}

async fn text(response: Response<hyper::body::Incoming>) -> Response<String> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

fn token(secret: &str) -> String {
    bearer::mint(ID, secret, NOW + 600, [7; 16])
}

fn with_token<T>(message: T, token: Option<&str>) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Calls a method with an empty message.
async fn grpc_call(channel: Channel, operation: &str, token: Option<&str>) -> Status {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<CreateGatewayRequest, CreateGatewayResponse>::default();
    let path = format!("/longshore.ecs.v1.Ecs/{operation}")
        .parse()
        .unwrap();
    let request = with_token(CreateGatewayRequest::default(), token);
    match client.unary(request, path, codec).await {
        Ok(_) => Status::ok(""),
        Err(status) => status,
    }
}

fn exception(status: &Status) -> String {
    let name = status
        .metadata()
        .get("x-longshore-error")
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(status.get_details_error_info().unwrap().reason, name);
    name.to_owned()
}

#[tokio::test]
async fn health_tells_anyone_how_it_stands() {
    let well = HealthFacts {
        leads: true,
        store_reachable: true,
        quarantined: 0,
    };
    let cases = [
        (well, 200, "ok", "leader"),
        (
            HealthFacts {
                quarantined: 2,
                leads: false,
                ..well
            },
            200,
            "degraded",
            "standby",
        ),
        (
            HealthFacts {
                store_reachable: false,
                ..well
            },
            503,
            "unavailable",
            "leader",
        ),
    ];
    for (facts, status, word, role) in cases {
        let door = door().await.with_health(Arc::new(move || facts));
        let request = Request::get("/health")
            .body(Full::new(Bytes::new()))
            .unwrap();
        let response = door.handle(request).await;
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (body["status"].as_str(), body["role"].as_str()),
            (Some(word), Some(role))
        );
        assert_eq!(body["quarantinedRecords"], facts.quarantined);
    }
}

#[tokio::test]
async fn what_is_open_is_open_and_nothing_else() {
    let (address, _stop) = listen(None).await;
    let get = |path: &str| {
        Request::get(path)
            .header("host", "x")
            .body(Full::default())
            .unwrap()
    };
    let healthz = http1(address, get("/healthz")).await;
    assert_eq!(
        (healthz.status(), healthz.body().as_str()),
        (StatusCode::OK, r#"{"status":"ok"}"#)
    );
    for path in [
        "/",
        "/healthz/",
        "/metrics",
        "/longshore.ecs.v1.Ecs/RunTask",
    ] {
        assert_eq!(
            http1(address, get(path)).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let mut request = get("/grpc.health.v1.Health/Check");
    request
        .headers_mut()
        .insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
    assert_eq!(
        http1(address, request).await.status(),
        StatusCode::HTTP_VERSION_NOT_SUPPORTED
    );
}

#[tokio::test]
async fn aws_json_answers_as_aws_does() {
    let (address, _stop) = listen(None).await;
    for (request, status, kind, message) in [
        (
            post(UNSUPPORTED, "{}"),
            400,
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        ),
        (
            signed(ID, SECRET, UNSUPPORTED, "{}"),
            400,
            "UnsupportedFeatureException",
            "Longshore does not offer the operation CreateGateway.",
        ),
        (
            signed(ID, SECRET, "NoSuch", "{}"),
            400,
            "UnknownOperationException",
            "There is no ECS operation",
        ),
        (
            signed(ID, SECRET, UNSUPPORTED, &" ".repeat(MAX_BODY_LENGTH)),
            400,
            "UnsupportedFeatureException",
            "Longshore",
        ),
        (
            signed(ID, SECRET, UNSUPPORTED, &" ".repeat(MAX_BODY_LENGTH + 1)),
            413,
            "RequestEntityTooLargeException",
            "HTTP content length exceeded 1048576 bytes.",
        ),
    ] {
        let response = http1(address, request).await;
        assert_eq!(response.status(), status, "{kind}");
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        assert_eq!(
            response.headers()["x-amzn-requestid"],
            "01234567-89ab-cdef-0123-456789abcdef"
        );
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["__type"], kind);
        assert!(
            body["message"].as_str().unwrap().starts_with(message),
            "{body}"
        );
    }
}

/// For every operation, and for one that does not exist, every way to be a stranger ends in the
/// same denial on both wires: nothing tells which operations there are.
#[tokio::test]
async fn no_operation_is_reached_without_a_signature() {
    let (address, _stop) = listen(None).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut http, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let channel = channel(address).await;
    let other = "x".repeat(40);
    let expired = bearer::mint(ID, SECRET, NOW, [7; 16]);
    let stranger = bearer::mint("AKIAI44QH8DHBEXAMPLE", SECRET, NOW + 600, [7; 16]);
    for operation in TABLE.iter().map(|entry| entry.name).chain(["NoSuch"]) {
        let mut unsigned_target = signed(ID, SECRET, "ListClusters", "{}");
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}x")
            .parse()
            .unwrap();
        unsigned_target.headers_mut().insert("x-amz-target", target);
        for (request, expected) in [
            (post(operation, "{}"), "MissingAuthenticationTokenException"),
            (
                signed(ID, &other, operation, "{}"),
                "InvalidSignatureException",
            ),
            (
                signed("AKIAI44QH8DHBEXAMPLE", SECRET, operation, "{}"),
                "UnrecognizedClientException",
            ),
            (unsigned_target, "InvalidSignatureException"),
        ] {
            http.ready().await.unwrap();
            let response = text(http.send_request(request).await.unwrap()).await;
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            assert_eq!(body["__type"], expected, "{operation}");
        }
        for (token, expected) in [
            (None, "MissingAuthenticationTokenException"),
            (Some(token(&other)), "InvalidSignatureException"),
            (Some(stranger.clone()), "UnrecognizedClientException"),
            (Some(expired.clone()), "ExpiredTokenException"),
            (Some("lst1.x".to_owned()), "IncompleteSignatureException"),
        ] {
            let status = grpc_call(channel.clone(), operation, token.as_deref()).await;
            assert_eq!(status.code(), Code::Unauthenticated, "{operation}");
            assert_eq!(exception(&status), expected, "{operation}");
        }
    }
}

#[tokio::test]
async fn grpc_reaches_the_same_table() {
    let (address, _stop) = listen(None).await;
    let channel = channel(address).await;
    let token = token(SECRET);
    for (operation, expected) in [
        (UNSUPPORTED, "UnsupportedFeatureException"),
        ("NoSuch", "UnknownOperationException"),
    ] {
        let status = grpc_call(channel.clone(), operation, Some(&token)).await;
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(exception(&status), expected);
        let id = status.metadata().get("x-amzn-requestid").unwrap();
        assert_eq!(id, "01234567-89ab-cdef-0123-456789abcdef");
    }
}

#[tokio::test]
async fn other_services_stand_behind_the_gate_and_learn_the_caller() {
    let (address, _stop) = listen(None).await;
    let mut nodes = NodesClient::new(channel(address).await);
    let request = || node::CreateJoinTokenRequest::default();
    let status = nodes.create_join_token(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let token = token(SECRET);
    let answer = nodes
        .create_join_token(with_token(request(), Some(&token)))
        .await
        .unwrap();
    assert_eq!(answer.into_inner().token, USER);
}

#[tokio::test]
async fn health_and_reflection_need_no_token() {
    let (address, _stop) = listen(None).await;
    let channel = channel(address).await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let status = health
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await
        .unwrap();
    assert_eq!(
        status.into_inner().status(),
        tonic_health::ServingStatus::Serving.into()
    );

    use tonic_reflection::pb::v1 as pb;
    let ask = pb::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(pb::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut reflection = pb::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = reflection
        .server_reflection_info(tokio_stream::once(ask))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let pb::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}");
    };
    let mut listed: Vec<String> = list.service.into_iter().map(|s| s.name).collect();
    listed.sort_unstable();
    let answered = [
        "grpc.health.v1.Health",
        "longshore.ecs.v1.Ecs",
        "longshore.node.v1.Nodes",
    ];
    assert_eq!(listed, answered);
    for (name, known) in [
        ("longshore.ecs.v1.Ecs", true),
        ("longshore.node.v1.Nodes", true),
        ("longshore.agent.v1.Gateway", false),
    ] {
        let service = name.to_owned();
        let ask = tonic_health::pb::HealthCheckRequest { service };
        let told = health.check(ask).await;
        assert_eq!(told.is_ok(), known, "{name}: {told:?}");
    }
}

#[tokio::test]
async fn one_tls_port_serves_both_wires_on_http2() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (address, _stop) = listen(Some(Arc::new(server).into())).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    let (mut sender, connection) =
        conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);

    let mut json = signed(ID, SECRET, UNSUPPORTED, "{}");
    json.headers_mut().remove("host");
    *json.uri_mut() = "http://127.0.0.1/".parse().unwrap();
    let response = text(sender.send_request(json).await.unwrap()).await;
    assert!(
        response.body().contains("UnsupportedFeatureException"),
        "{}",
        response.body()
    );

    let grpc = Request::post(format!(
        "http://localhost/longshore.ecs.v1.Ecs/{UNSUPPORTED}"
    ))
    .header("content-type", "application/grpc")
    .header("authorization", format!("Bearer {}", token(SECRET)))
    .body(Full::new(Bytes::from_static(&[0; 5])))
    .unwrap();
    let response = sender.send_request(grpc).await.unwrap();
    assert_eq!(
        response.headers()["x-longshore-error"],
        "UnsupportedFeatureException"
    );
}

/// Connects to the service in memory, where time can be stopped.
async fn in_memory() -> (tokio::io::DuplexStream, tokio::sync::watch::Sender<bool>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let door = door().await;
    tokio::spawn(serve::connection(server, door, stopped));
    (client, stop)
}

#[tokio::test(start_paused = true)]
async fn slow_heads_are_cut_off() {
    for head in [
        "",
        "P",
        "POST / HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let (mut client, _stop) = in_memory().await;
        let start = Instant::now();
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(11),
            "{head:?}: {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_are_cut_off() {
    let (mut client, _stop) = in_memory().await;
    let request = signed(ID, SECRET, UNSUPPORTED, "{}");
    let mut head = "POST / HTTP/1.1\r\ncontent-length: 2\r\n".to_owned();
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let start = Instant::now();
    client
        .write_all(format!("{head}\r\n{{").as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 4096];
    let length = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.contains("did not arrive within 10 s"), "{answer}");
    assert!(
        start.elapsed() < Duration::from_secs(11),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_the_listener() {
    let (address, stop) = listen(None).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let healthz = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    idle.write_all(healthz).await.unwrap();
    let mut answer = [0; 1024];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    drop(stop);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
