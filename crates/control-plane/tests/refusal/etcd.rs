//! An etcd that cannot be used, from the real etcd.

use longshore_store::etcd::cluster::{Certificates, Cluster, ClusterOptions};

use super::*;

async fn tls() -> Cluster {
    Cluster::start_with(ClusterOptions {
        nodes: 1,
        tls: true,
        ..ClusterOptions::default()
    })
    .await
}

/// The arguments of `check` for this etcd, with these files.
fn check(cluster: &Cluster, prefix: &str, files: Option<&Certificates>) -> Said {
    let mut arguments: Vec<OsString> = vec![
        "check".into(),
        format!("--store=etcd://{}/{prefix}", cluster.endpoints().join(",")).into(),
    ];
    if let Some(files) = files {
        for (flag, path) in [
            ("--etcd-ca", &files.authority),
            ("--etcd-cert", &files.certificate),
            ("--etcd-key", &files.key),
        ] {
            arguments.extend([flag.into(), path.clone().into_os_string()]);
        }
    }
    run(arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_is_not_there_is_named() {
    let gone = "127.0.0.1:1";
    let said = run(["check", &format!("--store=etcd://{gone}/longshore")]);
    said.refuses(&[gone, "does not answer", "Check the addresses"]);
    run(["check", "--store=etcd://"]).refuses(&["etcd://HOST:PORT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_certificates_are_named() {
    let (cluster, other) = (tls().await, tls().await);
    let (ours, theirs) = (
        cluster.certificates().unwrap(),
        other.certificates().unwrap(),
    );
    let said = check(&cluster, "tls", Some(ours));
    assert!(said.is_done().contains("0 records"), "{said:?}");
    check(&cluster, "tls", Some(theirs)).refuses(&["TLS", "CA file"]);
    let stranger = Certificates {
        authority: ours.authority.clone(),
        ..theirs.clone()
    };
    check(&cluster, "tls", Some(&stranger)).refuses(&["TLS", "client certificate"]);
    let missing = Certificates {
        authority: PathBuf::from("/nowhere/ca.pem"),
        ..ours.clone()
    };
    check(&cluster, "tls", Some(&missing)).refuses(&["cannot read /nowhere/ca.pem"]);
    check(&cluster, "tls", None).refuses(&["does not answer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named() {
    let cluster = Cluster::start(1).await;
    let mut admin = cluster.client(0).await;
    admin.user_add("root", "secret", None).await.unwrap();
    admin.role_add("root").await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.auth_enable().await.unwrap();
    let root = TempDir::new().unwrap();
    let password = root.path().join("password");
    let try_with = |text: &str| {
        fs::write(&password, text).unwrap();
        run([
            "check",
            &format!("--store=etcd://{}/a", cluster.endpoints()[0]),
            "--etcd-user=root",
            &format!("--etcd-password-file={}", password.display()),
        ])
    };
    try_with("secret\n").is_done();
    try_with("wrong").refuses(&["refuses us", "name and password"]);
    check(&cluster, "a", None).refuses(&["refuses us", "name and password"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_wrote_is_left_to_it() {
    let cluster = Cluster::start(1).await;
    let mut client = cluster.client(0).await;
    client
        .put("newer/installation", "longshore 2 x", None)
        .await
        .unwrap();
    check(&cluster, "newer", None).refuses(&["not of the format", "run the version that wrote it"]);

    // One that holds an installation is neither filled nor begun anew.
    let data = Data::with(2, 4).await;
    let (from, to) = (
        format!("embedded:{}", data.directory().display()),
        format!("etcd://{}/held", cluster.endpoints()[0]),
    );
    run(["migrate", "--from", &from, "--to", &to]).is_done();
    let before = check(&cluster, "held", None);
    run(["migrate", "--from", &from, "--to", &to]).refuses(&["not empty", "Nothing was changed"]);
    let listen = ["--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"];
    let run = run([
        "run",
        &format!("--data-dir={}", data.beside("stranger")),
        &format!("--store={to}"),
        listen[0],
        listen[1],
        "--advertise=127.0.0.1",
    ]);
    run.refuses(&["ca.pem"]);
    assert_eq!(check(&cluster, "held", None).is_done(), before.is_done());
}
