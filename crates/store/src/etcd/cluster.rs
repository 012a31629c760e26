//! Real etcd servers on loopback, for tests: started in a temporary directory, killed, stopped and
//! resumed at will. Everything goes when the [`Cluster`] is dropped. What cannot be done panics
//! with what to do about it.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd_client::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use super::{EtcdOptions, EtcdTls};
use crate::conformance::port::free_port;

/// Where Debian installs it; else it is looked for in `PATH`.
const DEBIAN_BINARY: &str = "/usr/bin/etcd";

/// How long servers have to start or to elect a leader.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What cluster to start.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// How many servers.
    pub nodes: usize,
    /// Whether clients must come with a certificate.
    pub tls: bool,
    /// Further arguments of every server.
    pub arguments: Vec<String>,
    /// Where the temporary directory is made. Without, in memory where there is `/dev/shm`, since
    /// few tests are about the disk.
    pub below: Option<PathBuf>,
}

/// Servers that know each other.
pub struct Cluster {
    nodes: Vec<Node>,
    tls: Option<Certificates>,
    options: ClusterOptions,
    directory: TempDir,
}

struct Node {
    client_port: u16,
    peer_port: u16,
    process: Option<Child>,
}

/// Files and texts of the certificates that clients need.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Cluster {
    /// Starts this many servers without TLS and waits until they serve.
    pub async fn start(nodes: usize) -> Cluster {
        Cluster::start_with(ClusterOptions {
            nodes,
            ..ClusterOptions::default()
        })
        .await
    }

    /// Starts servers and waits until they serve.
    pub async fn start_with(options: ClusterOptions) -> Cluster {
        let memory = Path::new("/dev/shm");
        let directory = match &options.below {
            Some(below) => TempDir::new_in(below),
            None if memory.is_dir() => TempDir::new_in(memory),
            None => TempDir::new(),
        };
        let directory = directory.expect("a temporary directory can be made");
        let tls = options.tls.then(|| certify(directory.path()));
        let node = |_| Node {
            client_port: free_port(),
            peer_port: free_port(),
            process: None,
        };
        let nodes = (0..options.nodes).map(node).collect();
        let mut cluster = Cluster {
            nodes,
            tls,
            options,
            directory,
        };
        for node in 0..cluster.nodes.len() {
            cluster.spawn(node);
        }
        for node in 0..cluster.nodes.len() {
            cluster.serves(node).await;
        }
        cluster
    }

    /// `HOST:PORT` of every server.
    pub fn endpoints(&self) -> Vec<String> {
        let endpoint = |node: &Node| format!("127.0.0.1:{}", node.client_port);
        self.nodes.iter().map(endpoint).collect()
    }

    /// How many servers there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The files that a client needs, where there is TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.tls.as_ref()
    }

    /// Options for a store under this prefix.
    pub fn options(&self, prefix: &str) -> EtcdOptions {
        let read = |path: &Path| fs::read_to_string(path).expect("we wrote it");
        let tls = self.tls.as_ref().map(|files| EtcdTls {
            authority: read(&files.authority),
            identity: Some((read(&files.certificate), Zeroizing::new(read(&files.key)))),
        });
        EtcdOptions {
            prefix: prefix.to_owned(),
            tls,
            ..EtcdOptions::new(self.endpoints())
        }
    }

    /// A plain client of one server.
    pub async fn client(&self, node: usize) -> Client {
        let options = self.options("");
        let url = options.url(&options.endpoints[node]);
        Client::connect([url], Some(options.connect_options()))
            .await
            .expect("the server can be connected to")
    }

    /// The server that leads. Waits until all that run agree on one of them.
    pub async fn leader(&self) -> usize {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let mut leader = None;
            for (index, node) in self.nodes.iter().enumerate() {
                if node.process.is_none() {
                    continue;
                }
                let status = async { self.client(index).await.status().await };
                if let Ok(Ok(status)) = timeout(Duration::from_secs(1), status).await
                    && let Some(header) = status.header()
                    && header.member_id() == status.leader()
                {
                    leader = Some(index);
                }
            }
            if let Some(leader) = leader {
                return leader;
            }
            assert!(
                Instant::now() < deadline,
                "etcd elects no leader: {}",
                self.logs()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills a server, as a power cut of its machine does, but for the disk.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be waited for");
        }
    }

    /// Starts a killed server again on its data and waits until it serves.
    pub async fn restart(&mut self, node: usize) {
        self.spawn(node);
        self.serves(node).await;
    }

    /// Starts a killed server again without waiting, for when too few others run for it to serve.
    pub fn spawn(&mut self, node: usize) {
        assert!(self.nodes[node].process.is_none(), "server {node} runs");
        self.nodes[node].process = Some(self.command(node).spawn().unwrap_or_else(|error| {
            panic!(
                "cannot start etcd ({error}); install it with `apt-get install -y etcd-server`, \
                 or put it in PATH"
            )
        }));
    }

    /// Stops a server where it is: it answers nothing, and its connections stay open.
    pub fn stop(&self, node: usize) {
        self.signal(node, Signal::SIGSTOP);
    }

    /// Lets a stopped server go on.
    pub fn resume(&self, node: usize) {
        self.signal(node, Signal::SIGCONT);
    }

    fn signal(&self, node: usize, signal: Signal) {
        let process = self.nodes[node].process.as_ref();
        let id = process.expect("the server runs").id();
        let id = Pid::from_raw(i32::try_from(id).expect("process ids are small"));
        kill(id, signal).expect("our own child can be signalled");
    }

    /// Waits until a server serves.
    pub async fn serves(&self, node: usize) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let asked = async { self.client(node).await.get("serves", None).await };
            if let Ok(Ok(_)) = timeout(Duration::from_secs(2), asked).await {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "etcd does not serve: {}",
                self.logs()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self, node: usize) -> PathBuf {
        self.directory.path().join(format!("node{node}.log"))
    }

    /// The end of what every server wrote.
    fn logs(&self) -> String {
        let end = |node| {
            let text = fs::read_to_string(self.log(node)).unwrap_or_default();
            let skipped = text.len().saturating_sub(2000);
            let end = text.get(skipped..).unwrap_or(&text).to_owned();
            format!("\nserver {node}: {end}")
        };
        (0..self.nodes.len()).map(end).collect()
    }

    fn command(&self, node: usize) -> Command {
        let Node {
            client_port,
            peer_port,
            ..
        } = self.nodes[node];
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let client = format!("{scheme}://127.0.0.1:{client_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let member = |(index, node): (usize, &Node)| {
            format!("node{index}=http://127.0.0.1:{}", node.peer_port)
        };
        let members: Vec<String> = self.nodes.iter().enumerate().map(member).collect();
        let debian = Path::new(DEBIAN_BINARY);
        let binary = if debian.exists() {
            debian
        } else {
            Path::new("etcd")
        };
        let mut command = Command::new(binary);
        command
            .arg(format!("--name=node{node}"))
            .arg("--data-dir")
            .arg(self.directory.path().join(format!("node{node}")))
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster={}", members.join(",")))
            .args([
                "--initial-cluster-state=new",
                "--logger=zap",
                "--log-level=warn",
            ]);
        if self.tls.is_some() {
            let directory = self.directory.path();
            command
                .arg("--client-cert-auth")
                .arg("--trusted-ca-file")
                .arg(directory.join("ca.pem"))
                .arg("--cert-file")
                .arg(directory.join("server.pem"))
                .arg("--key-file")
                .arg(directory.join("server.key"));
        }
        command.args(&self.options.arguments);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(node));
        let log = log.expect("the log can be written");
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be opened twice"));
        command.stderr(log);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node);
        }
    }
}

/// An authority, a certificate for the servers and one for clients.
fn certify(directory: &Path) -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).expect("the temporary directory can be written");
        path
    };
    let issue = |name: &str, subject: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, subject);
        let certificate = params.signed_by(&key, &authority).unwrap();
        let certificate = write(&format!("{name}.pem"), certificate.pem());
        let key = write(&format!("{name}.key"), key.serialize_pem());
        (certificate, key)
    };
    let ca = write("ca.pem", authority.pem());
    issue("server", "etcd");
    let (certificate, key) = issue("client", "longshore");
    Certificates {
        authority: ca,
        certificate,
        key,
    }
}
