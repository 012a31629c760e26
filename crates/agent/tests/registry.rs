//! Images of a registry that asks for a password, pulled with the node's own logins.

#![allow(clippy::unwrap_used, missing_docs)]

mod rig;

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_agent::node::Settings;
use longshore_agent::runtime::docker::login::Logins;
use rig::{Rig, Sweep, container, docker_cli, task};

/// The user `dock` with the password `hand`.
const HTPASSWD: &str = "dock:$2y$05$5yXGEr9PaEWa36gYEd8U2u15GrM5qKdFEQ6Xl4uVa7YY15DuObju6\n";

/// Debian's registry, on loopback, which Docker speaks plain HTTP to.
struct Registry {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Registry {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = {
            let probe = TcpListener::bind("127.0.0.1:0").unwrap();
            probe.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let passwords = directory.path().join("htpasswd");
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let configuration = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: {address}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            directory.path().join("data").display(),
            passwords.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs docker-registry; scripts/test installs it");
        let registry = Self {
            process,
            address,
            directory,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            std::thread::yield_now();
        }
        registry
    }

    /// The directory of a Docker configuration.
    fn configuration(&self) -> std::path::PathBuf {
        self.directory.path().join("docker")
    }

    /// Runs docker with that configuration.
    fn docker(&self, arguments: &[&str]) {
        let status = Command::new("docker")
            .env("DOCKER_CONFIG", self.configuration())
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "docker {arguments:?}");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_images_are_pulled_with_the_logins_of_the_node() {
    rig::image();
    let registry = Registry::start();
    let image = format!("{}/team/private:1", registry.address);
    let login = ["login", "--username", "dock", "--password", "hand"];
    registry.docker(&[&login[..], &[&registry.address]].concat());
    docker_cli(&["tag", rig::IMAGE, &image]);
    registry.docker(&["push", &image]);
    docker_cli(&["rmi", &image]);

    let instance = rig::random_instance();
    let _sweep = Sweep(instance);
    let private = |name: &str| {
        let mut container = container(name, &["true"]);
        container.image = image.clone();
        task(vec![container])
    };
    for (logins, works) in [
        (Logins::default(), false),
        (Logins::new(Some(registry.configuration())), true),
    ] {
        let runtime = Arc::new(rig::docker_with(instance, logins).await);
        let data = tempfile::tempdir().unwrap();
        let mut rig = Rig::start(runtime, data.path(), Settings::default()).await;
        let task = private("main");
        rig.tell_all(vec![task.clone()]).await;
        let report = rig.status(task.task, "STOPPED").await;
        let container = &report.containers[0];
        if works {
            assert_eq!(container.exit_code, Some(0), "{report:?}");
            assert!(!container.image_digest.is_empty(), "{report:?}");
        } else {
            assert!(
                container.reason.starts_with("CannotPullContainerError: ")
                    && container.reason.contains("no basic auth credentials"),
                "{report:?}"
            );
        }
        assert!(!format!("{report:?}").contains("hand"), "{report:?}");
        rig.kill().await;
    }
    docker_cli(&["rmi", "--force", &image]);
}
