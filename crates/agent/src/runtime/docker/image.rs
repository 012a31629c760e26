//! Images: looked for once, pulled once however many tasks want them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{sleep, timeout};

use super::login::Logins;
use super::{failed, has_status, limit};
use crate::runtime::RuntimeError;

const PULL_ERROR: &str = "CannotPullContainerError";
/// Tries of one pull, and the wait after the first; it doubles.
const ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest silence in a pull (the ECS agent's image pull inactivity timeout).
const SILENCE: Duration = Duration::from_secs(60);
/// Longest pull (the ECS agent's image pull timeout).
const WHOLE: Duration = Duration::from_secs(7200);
/// Pulls at once. Docker itself fetches three layers of each side by side.
const PULLS: usize = 4;
/// Images remembered. Forgetting one costs one look.
const REMEMBERED: usize = 4096;

/// The images of this node as far as they were asked for.
#[derive(Debug)]
pub(super) struct Images {
    known: Mutex<BTreeMap<String, Option<String>>>,
    /// One lock per image that is being looked for.
    underway: Mutex<BTreeMap<String, Arc<AsyncMutex<()>>>>,
    pulls: Semaphore,
    logins: Logins,
}

/// The data is valid after every statement, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Images {
    /// Images that are pulled with these logins.
    pub(super) fn new(logins: Logins) -> Self {
        Self {
            known: Mutex::default(),
            underway: Mutex::default(),
            pulls: Semaphore::new(PULLS),
            logins,
        }
    }

    /// The registry digest of an image that was found.
    pub(super) fn digest(&self, image: &str) -> Option<String> {
        lock(&self.known).get(image).cloned().flatten()
    }

    /// Docker says that the image is gone.
    pub(super) fn forget(&self, image: &str) {
        lock(&self.known).remove(image);
    }

    /// Makes the image present and returns its registry digest.
    pub(super) async fn ensure(
        &self,
        docker: &Docker,
        image: &str,
    ) -> Result<Option<String>, RuntimeError> {
        if let Some(digest) = lock(&self.known).get(image) {
            return Ok(digest.clone());
        }
        let underway = Arc::clone(lock(&self.underway).entry(image.to_owned()).or_default());
        let alone = underway.lock().await;
        let known = lock(&self.known).get(image).cloned();
        let found = match known {
            Some(digest) => Ok(digest),
            None => self.find_or_pull(docker, image).await,
        };
        if let Ok(digest) = &found {
            let mut known = lock(&self.known);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(image.to_owned(), digest.clone());
        }
        drop(alone);
        lock(&self.underway).retain(|_, underway| Arc::strong_count(underway) > 1);
        found
    }

    async fn find_or_pull(
        &self,
        docker: &Docker,
        image: &str,
    ) -> Result<Option<String>, RuntimeError> {
        if let Some(digest) = find(docker, image).await? {
            return Ok(digest);
        }
        let _permit = self.pulls.acquire().await;
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            match self.pull(docker, image).await {
                Ok(()) => break,
                Err(error) if attempt == ATTEMPTS || is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, image, attempt, "pull failed, trying again");
                    sleep(wait).await;
                    wait *= 2;
                }
            }
        }
        let missing = || RuntimeError::refused(PULL_ERROR, "the image is gone after the pull");
        find(docker, image).await?.ok_or_else(missing)
    }

    /// Pulls once, with the node's login to the registry if there is one. Without one it is tried
    /// all the same, since the image may be public; what is wrong with the login is then told.
    async fn pull(&self, docker: &Docker, image: &str) -> Result<(), RuntimeError> {
        let (login, fault) = match self.logins.find(image).await {
            Ok(login) => (login, None),
            Err(fault) => {
                tracing::warn!(%fault, image, "pulled without a login");
                (None, Some(fault))
            }
        };
        let pulled = pull(docker, image, login).await;
        match (pulled, fault) {
            (Err(RuntimeError::Refused(failure)), Some(fault)) => Err(RuntimeError::refused(
                PULL_ERROR,
                format!("{}; {fault}", failure.detail),
            )),
            (pulled, _) => pulled,
        }
    }
}

/// Looks for a local image: its registry digest where it has one.
async fn find(docker: &Docker, image: &str) -> Result<Option<Option<String>>, RuntimeError> {
    let inspect = docker.inspect_image(image);
    let found = match timeout(limit::INSPECT, inspect).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) if has_status(&error, 404) => return Ok(None),
        Ok(Err(error)) => return Err(failed(PULL_ERROR, error)),
        Err(_) => return Err(RuntimeError::Uncertain("no answer within 30 s".to_owned())),
    };
    let digests = found.repo_digests.unwrap_or_default();
    let digest = digests.first().and_then(|name| name.split_once('@'));
    Ok(Some(digest.map(|(_, digest)| digest.to_owned())))
}

async fn pull(
    docker: &Docker,
    image: &str,
    login: Option<DockerCredentials>,
) -> Result<(), RuntimeError> {
    let options = CreateImageOptionsBuilder::new()
        .from_image(&with_tag(image))
        .build();
    let whole = async {
        let mut progress = docker.create_image(Some(options), None, login);
        loop {
            match timeout(SILENCE, progress.next()).await {
                Ok(Some(Ok(line))) => {
                    if let Some(detail) = line.error_detail.and_then(|detail| detail.message) {
                        return Err(RuntimeError::refused(PULL_ERROR, detail));
                    }
                }
                Ok(Some(Err(error))) => return Err(failed(PULL_ERROR, error)),
                Ok(None) => return Ok(()),
                Err(_) => {
                    let text = "no progress for 60 s";
                    return Err(RuntimeError::refused(PULL_ERROR, text));
                }
            }
        }
    };
    let limit = timeout(WHOLE, whole).await;
    limit.unwrap_or_else(|_| Err(RuntimeError::refused(PULL_ERROR, "not done after 2 hours")))
}

/// Docker takes a reference without tag or digest to mean every tag there is.
pub fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Whether trying again is in vain: the image is not there, not for us, or not a name.
fn is_final(error: &RuntimeError) -> bool {
    const TEXTS: [&str; 7] = [
        "not found",
        "denied",
        "unauthorized",
        "manifest unknown",
        "does not exist",
        "invalid reference",
        "no basic auth",
    ];
    match error {
        RuntimeError::Refused(failure) => {
            let detail = failure.detail.to_lowercase();
            TEXTS.iter().any(|text| detail.contains(text))
        }
        // The caller waits for Docker to come back.
        RuntimeError::Unavailable(_) => true,
        RuntimeError::Uncertain(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        let cases = [
            ("busybox", "busybox:latest"),
            ("busybox:1", "busybox:1"),
            ("reg:5000/a/b", "reg:5000/a/b:latest"),
            ("reg:5000/a@sha256:00", "reg:5000/a@sha256:00"),
        ];
        for (given, asked) in cases {
            assert_eq!(with_tag(given), asked);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |text: &str| RuntimeError::refused(PULL_ERROR, text);
        assert!(is_final(&refused("manifest for x:1 not found")));
        assert!(is_final(&refused("pull access denied for x")));
        assert!(!is_final(&refused("dial tcp: i/o timeout")));
    }
}
