//! Waiting for a store that does not answer while a control plane starts. Several machines may
//! start at once, and etcd may just be electing a leader; nobody should have to start a control
//! plane again for that.

use std::time::Duration;

use anyhow::bail;
use longshore_store::{CommitError, ReadError};
use tokio_util::sync::CancellationToken;

/// How long after a call that was not answered the next is made.
const PAUSE: Duration = Duration::from_millis(250);

/// Makes a call until the store answers it, well or not. The call may be made again after it had an
/// effect.
///
/// # Errors
/// What the call fails with, unless that is that the store does not answer; and when `stop` is
/// cancelled meanwhile.
pub(crate) async fn answered<T>(
    stop: &CancellationToken,
    mut call: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    loop {
        match call().await {
            Err(error) if is_unanswered(&error) => {
                tracing::warn!("starting as soon as the store answers: {error:#}");
            }
            answer => return answer,
        }
        tokio::select! {
            () = stop.cancelled() => bail!("told to stop before the store answered"),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn is_unanswered(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ReadError::Unreachable(_)))
        || matches!(error.downcast_ref(), Some(CommitError::Unreachable(_)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use anyhow::Context as _;
    use longshore_store::{Unavailable, Unreachable};

    use super::*;

    fn away() -> anyhow::Error {
        let error = ReadError::from(Unreachable::new("listing records", "no answer in time"));
        Err::<(), _>(error).context("cannot read").unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_waited_for() {
        let (stop, mut calls) = (CancellationToken::new(), 0);
        let answer = answered(&stop, async || {
            calls += 1;
            match calls {
                1 => Err(away()),
                2 => Err(CommitError::from(Unreachable::new("committing", "late")).into()),
                _ => Ok(calls),
            }
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_try_does_not_mend_ends_it() {
        let (stop, mut calls) = (CancellationToken::new(), 0);
        let answer = answered(&stop, async || {
            calls += 1;
            let error = ReadError::from(Unavailable::new("reading", "the disk is gone"));
            Err::<(), _>(error).context("cannot read")
        });
        let error = answer.await.unwrap_err();
        assert_eq!((error.to_string().as_str(), calls), ("cannot read", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_can_be_stopped() {
        let stop = CancellationToken::new();
        stop.cancel();
        let error = answered(&stop, async || Err::<(), _>(away()))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("told to stop"), "{error}");
    }
}
