//! Credentials for image registries, from the node's own Docker configuration: what `docker login`
//! wrote there, and the helpers that keep it elsewhere. The file is read for each pull, so a login
//! counts at once.
//!
//! The form is that of the Docker command: `auths` by registry, `credHelpers` by registry, and
//! `credsStore` for all others. A helper is the program `docker-credential-NAME`, called with `get`
//! and the registry on its input.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Docker Hub, as logins to it are kept.
const HUB: &str = "https://index.docker.io/v1/";
/// Longest configuration and longest answer of a helper that is read, in bytes.
const MAX_LENGTH: usize = 1024 * 1024;
/// Longest that a helper may take.
const HELPER_LIMIT: Duration = Duration::from_secs(30);
/// The user name by which a helper says that the secret is a token.
const TOKEN_USER: &str = "<token>";

/// The Docker configuration of a node.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    file: Option<PathBuf>,
}

/// `config.json`, as far as it concerns registries.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// One login. It has no `Debug`, so that no log can show it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    /// `USER:PASSWORD` in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Why there are no credentials although the configuration names some. Never holds any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginError(String);

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Logins {
    /// Those of the directory that `docker login` writes to with `DOCKER_CONFIG` set to it. `None`:
    /// there are none.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self {
            file: directory.map(|directory| directory.join("config.json")),
        }
    }

    /// The credentials for the registry of an image; `None` where nobody has logged in to it.
    ///
    /// # Errors
    /// The configuration cannot be read, or a helper that it names does not answer.
    pub async fn find(&self, image: &str) -> Result<Option<DockerCredentials>, LoginError> {
        let Some(configuration) = self.read()? else {
            return Ok(None);
        };
        let registry = registry(image);
        let is_it = |key: &&String| is_registry(key, registry);
        let helper = configuration.cred_helpers.keys().find(is_it);
        let helper = helper.and_then(|key| configuration.cred_helpers.get(key));
        if let Some(helper) = helper.or(configuration.creds_store.as_ref()) {
            let asked = ask(helper, server(registry)).await?;
            // A store for all registries need not know this one.
            if asked.is_some() {
                return Ok(asked);
            }
        }
        let login = configuration.auths.keys().find(is_it);
        let login = login.and_then(|key| configuration.auths.get(key));
        login.map_or(Ok(None), |login| login.read(registry))
    }

    fn read(&self) -> Result<Option<Configuration>, LoginError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let text = match std::fs::read(file) {
            Ok(text) if text.len() <= MAX_LENGTH => text,
            Ok(_) => {
                return Err(LoginError(format!(
                    "{} has more than {MAX_LENGTH} bytes",
                    file.display()
                )));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LoginError(format!("{}: {error}", file.display()))),
        };
        // The parser's own message could quote a secret.
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            LoginError(format!(
                "{} is not a Docker configuration, at line {}",
                file.display(),
                error.line()
            ))
        })
    }
}

impl Auth {
    fn read(&self, registry: &str) -> Result<Option<DockerCredentials>, LoginError> {
        let damaged = || LoginError(format!("the login to {registry} is damaged; log in anew"));
        let mut credentials = DockerCredentials {
            username: self.username.clone(),
            password: self.password.clone(),
            identitytoken: self.identitytoken.clone(),
            registrytoken: self.registrytoken.clone(),
            serveraddress: Some(server(registry).to_owned()),
            ..DockerCredentials::default()
        };
        if let Some(auth) = self.auth.as_deref().filter(|auth| !auth.is_empty()) {
            let text = STANDARD.decode(auth).ok();
            let text = text.and_then(|text| String::from_utf8(text).ok());
            let text = text.ok_or_else(damaged)?;
            let (user, password) = text.split_once(':').ok_or_else(damaged)?;
            credentials.username = Some(user.to_owned());
            credentials.password = Some(password.trim_end_matches('\0').to_owned());
        }
        let says_something = credentials.username.is_some()
            || credentials.identitytoken.is_some()
            || credentials.registrytoken.is_some();
        Ok(says_something.then_some(credentials))
    }
}

/// The registry of an image: what stands before the first slash, if it looks like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// The name that logins to a registry are kept under.
fn server(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

/// Whether a key of the configuration is of this registry. Old ones are URLs with a path.
fn is_registry(key: &str, registry: &str) -> bool {
    let host = |text: &str| {
        let text = text
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        text.split('/').next().unwrap_or_default().to_owned()
    };
    host(key) == host(server(registry)) || key == registry
}

/// Asks a helper. `None` if it knows nothing of the registry.
async fn ask(helper: &str, server: &str) -> Result<Option<DockerCredentials>, LoginError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if helper.is_empty() || !helper.chars().all(is_name) {
        return Err(LoginError(format!(
            "the Docker configuration names the credential helper {helper:?}, which is no name of a program"
        )));
    }
    ask_program(&format!("docker-credential-{helper}"), server).await
}

async fn ask_program(program: &str, server: &str) -> Result<Option<DockerCredentials>, LoginError> {
    let told = |what: String| LoginError(format!("the credential helper {program} {what}"));
    let asked = async {
        let mut child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A helper may answer without reading.
            let _ = input.write_all(server.as_bytes()).await;
        }
        let mut output = Vec::new();
        if let Some(from) = child.stdout.take() {
            from.take(MAX_LENGTH as u64)
                .read_to_end(&mut output)
                .await?;
        }
        Ok::<_, std::io::Error>((child.wait().await?, output))
    };
    let (status, output) = match timeout(HELPER_LIMIT, asked).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(error)) => return Err(told(format!("cannot be run: {error}"))),
        Err(_) => {
            let seconds = HELPER_LIMIT.as_secs();
            return Err(told(format!("does not answer within {seconds} s")));
        }
    };
    if !status.success() {
        // Helpers say so on their output where nothing is kept for the registry.
        let says = String::from_utf8_lossy(&output).to_lowercase();
        return match says.contains("not found") {
            true => Ok(None),
            false => Err(told(format!("ends with {status}"))),
        };
    }
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| told("answers something else than credentials".to_owned()))?;
    let mut credentials = DockerCredentials {
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    };
    match answer.username.as_str() {
        TOKEN_USER => credentials.identitytoken = Some(answer.secret),
        _ => {
            credentials.username = Some(answer.username);
            credentials.password = Some(answer.secret);
        }
    }
    Ok(Some(credentials))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn logins(json: &str) -> (tempfile::TempDir, Logins) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), json).unwrap();
        let logins = Logins::new(Some(directory.path().to_owned()));
        (directory, logins)
    }

    #[tokio::test]
    async fn a_login_is_found_by_the_registry_of_the_image() {
        // me:secret and you:other
        let (_directory, logins) = logins(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"},
                "reg.example.com:5000": {"auth": "eW91Om90aGVy"},
                "https://old.example.com/v1/": {"username": "u", "password": "p"},
                "token.example.com": {"auth": "", "identitytoken": "t"},
                "empty.example.com": {},
                "bad.example.com": {"auth": "%%"}}}"#,
        );
        for (image, expected) in [
            ("busybox", Some("me")),
            ("library/busybox:1", Some("me")),
            ("docker.io/library/busybox", Some("me")),
            ("reg.example.com:5000/a/b@sha256:00", Some("you")),
            ("reg.example.com/a", None),
            ("old.example.com/a:1", Some("u")),
            ("token.example.com/a", Some("t")),
            ("empty.example.com/a", None),
            ("localhost/a", None),
        ] {
            let found = logins.find(image).await.unwrap();
            let found = found.and_then(|found| found.username.or(found.identitytoken));
            assert_eq!(found.as_deref(), expected, "{image}");
        }
        let error = logins.find("bad.example.com/a").await.unwrap_err();
        assert!(error.to_string().contains("bad.example.com"), "{error}");
    }

    #[tokio::test]
    async fn a_configuration_that_is_none_is_told_without_its_text() {
        assert!(Logins::default().find("a").await.unwrap().is_none());
        let nowhere = Logins::new(Some("/nowhere".into()));
        assert!(nowhere.find("a").await.unwrap().is_none());
        let (_directory, logins) = logins("{\n\"auths\": {\"a\": {\"auth\": c2VjcmV0}}}");
        let error = logins.find("a").await.unwrap_err().to_string();
        assert!(
            error.contains("at line 2") && !error.contains("c2VjcmV0"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn helpers_are_asked_for_their_registries() {
        let bin = tempfile::tempdir().unwrap();
        let script = r#"#!/bin/sh
read -r server
case "$1 $server" in
"get helped.example.com") echo '{"ServerURL":"x","Username":"h","Secret":"s"}' ;;
"get token.example.com") echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}' ;;
"get broken.example.com") echo no; exit 3 ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
"#;
        let program = bin.path().join("docker-credential-longshore-test");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let helper = program.to_str().unwrap();
        // A name is joined to the prefix and looked for in PATH; the test cannot change PATH of a
        // process with threads, so it asks the program by its path.
        let ask = |server: &'static str| async move { ask_program(helper, server).await };
        let found = ask("helped.example.com").await.unwrap().unwrap();
        assert_eq!(found.username.as_deref(), Some("h"));
        assert_eq!(found.password.as_deref(), Some("s"));
        let found = ask("token.example.com").await.unwrap().unwrap();
        assert_eq!(found.identitytoken.as_deref(), Some("t"));
        assert!(ask("other.example.com").await.unwrap().is_none());
        let error = ask("broken.example.com").await.unwrap_err().to_string();
        assert!(error.contains("ends with exit status: 3"), "{error}");
        let missing = super::ask("longshore-has-none", "x").await.unwrap_err();
        assert!(missing.to_string().contains("cannot be run"), "{missing}");
        let bad = super::ask("../../bin/sh", "x").await.unwrap_err();
        assert!(bad.to_string().contains("no name of a program"), "{bad}");
    }
}
