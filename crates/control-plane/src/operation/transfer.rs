//! Filling an empty store with a content.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use longshore_store::{Commit, CommitError, Guard, Key, Store, Write};

use super::Content;
use super::content::UNFINISHED;

/// Most writes in one commit: an etcd server takes 128 operations in a transaction unless it is
/// told otherwise.
const COMMIT_WRITES: usize = 100;

/// A commit takes no further write once it holds this many bytes: an etcd server takes 1.5 MiB in
/// a request unless it is told otherwise.
const COMMIT_BYTES: usize = 400 * 1024;

/// Commits under way at once; a store that waits for its disk takes several in one go.
const COMMITS: usize = 8;

/// Why a store was not filled.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It holds something.
    #[error(
        "the target is not empty: it holds {records} records, {first} among them. Nothing was changed; give an empty store"
    )]
    NotEmpty {
        /// How many.
        records: usize,
        /// One of them.
        first: Key,
    },
    /// The target could not be read.
    #[error("cannot read the target")]
    Read(#[from] longshore_store::ReadError),
    /// The target refused a write. What is in it is not whole, and says so.
    #[error("cannot write to the target; do the same again when that is mended, it begins anew")]
    Commit(#[source] CommitError),
    /// Someone else wrote to the target.
    #[error(
        "someone else writes to the target; stop every control plane on it and do the same again"
    )]
    Disturbed,
    /// What was written does not read back.
    #[error("{key} does not read back as it was written; check the target, then do the same again")]
    Different {
        /// The first that does not.
        key: Key,
    },
}

/// Writes the content into a store that is empty, or that an earlier transfer left unfinished, then
/// reads it back and compares. `progress` is told the number of records done. When it returns, the
/// store holds exactly the content. After an error or a crash the store holds a marker, which
/// control planes refuse and the next transfer removes with all the rest.
///
/// # Errors
/// [`TransferError`].
pub async fn fill(
    target: &dyn Store,
    content: &Content,
    mut progress: impl FnMut(u64),
) -> Result<(), TransferError> {
    let found = Content::read(target).await?;
    if let Some((first, _)) = found.records.first() {
        if !found.is_unfinished {
            return Err(TransferError::NotEmpty {
                records: found.records.len(),
                first: first.clone(),
            });
        }
        clear(target, &found).await?;
    }
    let marker = Key::new(UNFINISHED).map_err(|_| TransferError::Disturbed)?;
    let mark = Write::Put {
        key: marker.clone(),
        value: Default::default(),
    };
    let begun = commit(target, Vec::new(), vec![mark]).await?;
    let guards = || {
        vec![Guard::Unchanged {
            key: marker.clone(),
            revision: begun,
        }]
    };
    let mut done = 0;
    let commits = stream::iter(parts(&content.records)).map(|part| {
        let puts = commit(target, guards(), part.iter().map(put).collect());
        async move { puts.await.map(|_| part.len() as u64) }
    });
    let mut commits = commits.buffer_unordered(COMMITS);
    while let Some(records) = commits.try_next().await? {
        done += records;
        progress(done);
    }
    drop(commits);
    let written = Content::read(target).await?;
    if let Some(key) = content.first_difference(&written) {
        return Err(TransferError::Different { key });
    }
    let unmark = vec![Write::Delete {
        key: marker.clone(),
    }];
    // Whoever wrote since would be lost to the comparison.
    let mut last = guards();
    last.push(Guard::NoneNewer {
        prefix: String::new(),
        revision: written.revision,
    });
    commit(target, last, unmark).await?;
    Ok(())
}

/// The records, in parts that fit into one commit each.
fn parts(records: &[(Key, Bytes)]) -> impl Iterator<Item = &[(Key, Bytes)]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(key, value): &&(Key, Bytes)| {
            let is_room = bytes < COMMIT_BYTES;
            bytes += key.as_str().len() + value.len();
            is_room
        };
        let count = rest.iter().take(COMMIT_WRITES).take_while(fits).count();
        let (part, others) = rest.split_at(count);
        rest = others;
        (!part.is_empty()).then_some(part)
    })
}

fn put((key, value): &(Key, Bytes)) -> Write {
    Write::Put {
        key: key.clone(),
        value: value.clone(),
    }
}

/// Removes what an earlier transfer left.
async fn clear(target: &dyn Store, found: &Content) -> Result<(), TransferError> {
    for records in found.records.chunks(COMMIT_WRITES) {
        let delete = |(key, _): &(Key, _)| Write::Delete { key: key.clone() };
        commit(target, Vec::new(), records.iter().map(delete).collect()).await?;
    }
    Ok(())
}

async fn commit(
    target: &dyn Store,
    guards: Vec<Guard>,
    writes: Vec<Write>,
) -> Result<longshore_store::Revision, TransferError> {
    match target.commit(Commit { guards, writes }).await {
        Ok(revision) => Ok(revision),
        Err(CommitError::Conflict { .. }) => Err(TransferError::Disturbed),
        Err(error) => Err(TransferError::Commit(error)),
    }
}
