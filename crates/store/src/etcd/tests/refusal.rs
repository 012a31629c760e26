//! An etcd that cannot be used: what is wrong, and what to do.

use std::time::Duration;

use super::super::cluster::ClusterOptions;
use super::*;
use zeroize::Zeroizing;

async fn refused(mut options: EtcdOptions, limit: Duration) -> EtcdError {
    options.open_limit = limit;
    Etcd::open(options).await.map(drop).unwrap_err()
}

const SOON: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_mutual_and_a_wrong_side_is_named() {
    let cluster = Cluster::start_with(ClusterOptions {
        nodes: 1,
        tls: true,
        ..ClusterOptions::default()
    })
    .await;
    let store = open(&cluster, "tls").await;
    store
        .commit(commit(Vec::new(), vec![put("a", "1")]))
        .await
        .unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, "1");

    let other = Cluster::start_with(ClusterOptions {
        nodes: 1,
        tls: true,
        ..ClusterOptions::default()
    })
    .await;
    let mut wrong_authority = cluster.options("tls");
    wrong_authority.tls = other.options("tls").tls;
    let mut no_certificate = cluster.options("tls");
    no_certificate.tls.as_mut().unwrap().identity = None;
    let mut strange_certificate = cluster.options("tls");
    strange_certificate.tls.as_mut().unwrap().identity = other.options("").tls.unwrap().identity;
    let mut plain = cluster.options("tls");
    plain.tls = None;
    for (case, options, limit) in [
        ("wrong authority", wrong_authority, LATE),
        ("no certificate", no_certificate, LATE),
        ("strange certificate", strange_certificate, LATE),
        ("plain", plain, SOON),
    ] {
        let error = refused(options, limit).await;
        let tls = matches!(error, EtcdError::Tls { .. });
        assert!(tls || case == "plain", "{case}: {error:?}");
        let text = error.to_string();
        assert!(
            text.contains("127.0.0.1") && text.contains("heck"),
            "{case}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_with_the_address() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let error = refused(EtcdOptions::new(vec![gone.clone()]), SOON).await;
    assert!(matches!(error, EtcdError::NoAnswer { .. }), "{error:?}");
    assert!(error.to_string().contains(&gone), "{error}");
    let error = refused(EtcdOptions::new(Vec::new()), SOON).await;
    assert!(matches!(error, EtcdError::NoEndpoint), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_installation_and_another_format_are_refused() {
    let cluster = Cluster::start(1).await;
    let id = open(&cluster, "mine").await.installation().to_owned();
    let mut same = cluster.options("mine");
    same.installation = Some(id.clone());
    assert_eq!(Etcd::open(same.clone()).await.unwrap().installation(), id);
    same.installation = Some("another".to_owned());
    let error = refused(same, LATE).await;
    assert!(matches!(error, EtcdError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains(&id), "{error}");
    let mut fresh = cluster.options("fresh");
    fresh.installation = Some("given".to_owned());
    assert_eq!(Etcd::open(fresh).await.unwrap().installation(), "given");

    let mut client = cluster.client(0).await;
    client
        .put("newer/installation", "longshore 2 x", None)
        .await
        .unwrap();
    let error = refused(cluster.options("newer"), LATE).await;
    assert!(matches!(error, EtcdError::Format { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_missing_rights_are_named() {
    let mut cluster = Cluster::start(1).await;
    let mut admin = cluster.client(0).await;
    admin.user_add("root", "secret", None).await.unwrap();
    admin.role_add("root").await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.user_add("ship", "word", None).await.unwrap();
    admin.role_add("ship").await.unwrap();
    let permission = etcd_client::Permission::read_write("ok/").with_prefix();
    admin
        .role_grant_permission("ship", permission)
        .await
        .unwrap();
    admin.user_grant_role("ship", "ship").await.unwrap();
    admin.auth_enable().await.unwrap();

    let base = cluster.options("");
    let with = |prefix: &str, password: &str| {
        let mut options = EtcdOptions {
            prefix: prefix.to_owned(),
            ..base.clone()
        };
        options.user = Some(EtcdUser {
            name: "ship".to_owned(),
            password: Zeroizing::new(password.to_owned()),
        });
        options
    };
    let store = Etcd::open(with("ok", "word")).await.unwrap();
    store
        .commit(commit(Vec::new(), vec![put("a", "1")]))
        .await
        .unwrap();
    let leadership = store.campaign("me").await.unwrap();
    let guards = leadership.fence().into_iter().collect();
    store
        .commit(commit(guards, vec![put("a", "2")]))
        .await
        .unwrap();
    let presence = store
        .announce(key("replica/a"), Bytes::new())
        .await
        .unwrap();
    presence.withdraw().await;
    for (case, options) in [
        ("password", with("ok", "sword")),
        ("rights", with("elsewhere", "word")),
        (
            "nobody",
            EtcdOptions {
                prefix: "ok".to_owned(),
                ..base.clone()
            },
        ),
    ] {
        let error = refused(options, LATE).await;
        assert!(
            matches!(error, EtcdError::Credentials { .. }),
            "{case}: {error:?}"
        );
    }
    // A server that has forgotten all tokens is given the password again.
    cluster.kill(0);
    cluster.spawn(0);
    let deadline = Instant::now() + LATE;
    while let Err(error) = store.commit(commit(Vec::new(), vec![put("a", "3")])).await {
        assert!(Instant::now() < deadline, "{error}");
    }
}
