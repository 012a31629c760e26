//! Recorded requests and answers, one file for each wire and kind of answer, to be read in review:
//! what a client sends, byte for byte but for its signature, and what it is answered.
//!
//! `LONGSHORE_GOLDEN=write cargo test -p longshore-services --test wires` writes them anew.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use longshore_door::Backend;
use longshore_door::auth::AccessKeys;
use longshore_door::router::{Door, router};
use longshore_door::wire::grpc::Beside;
use longshore_model::{Realm, Timestamp};
use longshore_store::table::Installation;
use longshore_store::{Db, HistoryLimit, Memory, Txn};
use tonic::service::Routes;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: u64 = 1_700_000_000;
const HOST: &str = "127.0.0.1:7400";

/// A request, before it is signed.
struct Asked {
    method: &'static str,
    target: &'static str,
    signed_for: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
}

const FORM: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
);
const JSON_1_0: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const JSON_1_1: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const CBOR: &[(&str, &str)] = &[
    ("content-type", "application/cbor"),
    ("smithy-protocol", "rpc-v2-cbor"),
    ("x-amzn-query-mode", "true"),
];

fn post(
    signed_for: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &[u8],
) -> Asked {
    Asked {
        method: "POST",
        target: "/",
        signed_for: Some(signed_for),
        headers,
        body: body.to_vec(),
    }
}

fn get(signed_for: &'static str, target: &'static str) -> Asked {
    Asked {
        method: "GET",
        target,
        signed_for: Some(signed_for),
        headers: &[],
        body: Vec::new(),
    }
}

fn rpc(target: &'static str, body: &[u8]) -> Asked {
    Asked {
        target,
        ..post("monitoring", CBOR, body)
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

fn cases() -> Vec<(&'static str, Asked)> {
    const ZONES: &[u8] = b"Action=DescribeAvailabilityZones&Version=2016-11-15";
    const TARGETS: (&str, &str) = (
        "x-amz-target",
        "AnyScaleFrontendService.DescribeScalableTargets",
    );
    vec![
        (
            "query",
            post(
                "sts",
                &[FORM],
                b"Action=GetCallerIdentity&Version=2011-06-15",
            ),
        ),
        (
            "query-by-get",
            get("sts", "/?Action=GetCallerIdentity&Version=2011-06-15"),
        ),
        (
            "query-other-operation",
            post("sts", &[FORM], b"Action=AssumeRole&Version=2011-06-15"),
        ),
        (
            "query-no-action",
            post("sts", &[FORM], b"Version=2011-06-15"),
        ),
        (
            "query-other-service",
            post(
                "elasticloadbalancing",
                &[FORM],
                b"Action=DescribeLoadBalancers&Version=2015-12-01",
            ),
        ),
        (
            "query-unsigned",
            Asked {
                signed_for: None,
                ..post(
                    "sts",
                    &[FORM],
                    b"Action=GetCallerIdentity&Version=2011-06-15",
                )
            },
        ),
        ("ec2", post("ec2", &[FORM], ZONES)),
        (
            "ec2-bad-parameters",
            post(
                "ec2",
                &[FORM],
                &[ZONES, b"&DryRun=maybe&Colour=red"].concat(),
            ),
        ),
        (
            "json",
            post(
                "application-autoscaling",
                &[JSON_1_1, TARGETS],
                br#"{"ServiceNamespace":"ecs"}"#,
            ),
        ),
        (
            "json-gzip",
            post(
                "application-autoscaling",
                &[JSON_1_1, TARGETS, ("content-encoding", "gzip")],
                &gzip(br#"{"ServiceNamespace":"ecs"}"#),
            ),
        ),
        (
            "json-not-gzip",
            post(
                "application-autoscaling",
                &[JSON_1_1, TARGETS, ("content-encoding", "gzip")],
                b"{}",
            ),
        ),
        (
            "json-invalid",
            post(
                "application-autoscaling",
                &[JSON_1_1, TARGETS],
                br#"{"ScalableDimension":"x"}"#,
            ),
        ),
        (
            "json-1.0",
            post(
                "monitoring",
                &[
                    JSON_1_0,
                    ("x-amz-target", "GraniteServiceVersion20100801.ListMetrics"),
                ],
                b"{}",
            ),
        ),
        (
            "json-other-service",
            post(
                "logs",
                &[
                    JSON_1_1,
                    ("x-amz-target", "Logs_20140328.DescribeLogGroups"),
                ],
                b"{}",
            ),
        ),
        (
            "json-wrong-scope",
            post(
                "logs",
                &[JSON_1_1, TARGETS],
                br#"{"ServiceNamespace":"ecs"}"#,
            ),
        ),
        (
            "json-nobody-knows",
            post("xyz", &[JSON_1_1, ("x-amz-target", "Xyz_1.Do")], b"{}"),
        ),
        (
            "cbor",
            rpc(
                "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                &[0xa0],
            ),
        ),
        (
            "cbor-invalid",
            // {"RecentlyActive": "PT1H", "NextToken": "x"}
            rpc(
                "/service/GraniteServiceVersion20100801/operation/ListMetrics",
                &[&[0xa1, 0x6e][..], b"RecentlyActive", &[0x64], b"PT1H"].concat(),
            ),
        ),
        (
            "cbor-other-operation",
            rpc(
                "/service/GraniteServiceVersion20100801/operation/PutMetricData",
                &[0xa0],
            ),
        ),
        (
            "rest-json",
            get("scheduler", "/schedule-groups?NamePrefix=d&MaxResults=5"),
        ),
        (
            "rest-json-invalid",
            get("scheduler", "/schedule-groups?MaxResults=many"),
        ),
        (
            "rest-json-other-operation",
            get("scheduler", "/schedules/nightly"),
        ),
        (
            "rest-json-other-service",
            get("lambda", "/2015-03-31/functions/"),
        ),
        (
            "rest-xml-other-service",
            get("s3", "/bucket/key?list-type=2"),
        ),
    ]
}

async fn door() -> Door {
    let db = Db::open(Arc::new(Memory::new(HistoryLimit::default())))
        .await
        .unwrap();
    let mut txn = Txn::new();
    txn.create(&Installation {
        authority: "ab".repeat(32),
        history: "cd".repeat(16),
        made_at: Timestamp::from_millis(1_699_999_000_500),
    });
    db.commit(txn).await.unwrap();
    let backend = Backend {
        realm: Realm {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "000000000000".into(),
        },
        db,
        clock: Arc::new(|| UNIX_EPOCH + Duration::from_secs(NOW)),
        entropy: Arc::new(|| 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
    };
    let mut keys = AccessKeys::new();
    let user = "arn:aws:iam::000000000000:user/alice";
    keys.insert(ID, SECRET.to_owned().into(), user).unwrap();
    let services = longshore_services::all(&backend);
    let beside = Beside {
        routes: Routes::default(),
        names: Vec::new(),
        descriptors: &[],
    };
    router(backend, Arc::new(keys), services, beside)
        .await
        .unwrap()
}

fn signed(asked: &Asked) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(asked.method)
        .uri(asked.target)
        .header("host", HOST);
    for (name, value) in asked.headers {
        request = request.header(*name, *value);
    }
    let mut request = request
        .body(Full::new(Bytes::from(asked.body.clone())))
        .unwrap();
    let Some(service) = asked.signed_for else {
        return request;
    };
    let identity = Credentials::new(ID, SECRET, None, None, "test").into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(UNIX_EPOCH + Duration::from_secs(NOW))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = request.headers().iter();
    let headers = headers.map(|(n, v)| (n.as_str(), v.to_str().unwrap()));
    let url = format!("http://{HOST}{}", asked.target);
    let body = SignableBody::Bytes(&asked.body);
    let signable = SignableRequest::new(asked.method, &url, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

/// As text where it is text, else in hex.
fn body_text(body: &[u8]) -> String {
    let is_text = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n');
    match std::str::from_utf8(body).ok().filter(is_text) {
        Some(text) => text.to_owned(),
        None => format!("hex {}", hex::encode(body)),
    }
}

fn headers_text(out: &mut String, headers: &http::HeaderMap) {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            let value = value.split("Signature=").next().unwrap_or_default();
            format!("{name}: {}", value.trim_end_matches(", "))
        })
        .collect();
    lines.sort();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

#[tokio::test]
async fn answers_are_as_recorded() {
    let door = door().await;
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let writes = std::env::var("LONGSHORE_GOLDEN").is_ok_and(|value| value == "write");
    let mut faults = Vec::new();
    let mut names = Vec::new();
    for (name, asked) in cases() {
        let request = signed(&asked);
        let mut text = format!("{} {}\n", asked.method, asked.target);
        headers_text(&mut text, request.headers());
        let _ = writeln!(text, "\n{}\n", body_text(&asked.body));
        let response = door.handle(request).await;
        let _ = writeln!(text, "{}", response.status());
        headers_text(&mut text, response.headers());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let _ = writeln!(text, "\n{}", body_text(&body));
        let path = directory.join(format!("{name}.txt"));
        if writes {
            std::fs::write(&path, &text).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            faults.push(format!("{name}.txt is not what is answered:\n{text}"));
        }
        names.push(format!("{name}.txt"));
    }
    for entry in std::fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !names.contains(&name) {
            faults.push(format!("{name} is of no case"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
