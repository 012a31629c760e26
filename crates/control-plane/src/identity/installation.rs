//! What every control plane of an installation has in common: the authority that signs nodes, and
//! the access keys. Both are files in the data directory; the store says which authority it is.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use longshore_door::auth::AccessKeys;
use longshore_model::Timestamp;
use longshore_store::table::Installation;
use longshore_store::{Db, Txn, View};

use super::access_key;
use super::authority::Authority;

/// What a control plane needs to serve for its installation.
pub struct Common {
    /// Signs nodes, on every control plane alike.
    pub authority: Authority,
    /// Who may call.
    pub keys: AccessKeys,
    /// Which history the revisions of the store belong to.
    pub history: String,
}

/// What is to be done about the authority of the store and that of the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparison {
    /// The store knows of none yet.
    First,
    /// They are one.
    Same,
    /// They differ, and that is what was asked for.
    Replace,
    /// They differ.
    Other,
}

/// Reads the files of the data directory, making them on the first start of an installation, and
/// compares them with the store. `db` must have everything that was committed.
///
/// # Errors
/// When the files are missing or of another installation; it says what to copy from where.
pub async fn join(
    db: &Arc<Db>,
    data_dir: &Path,
    account: &str,
    replace: bool,
    now: Timestamp,
) -> anyhow::Result<Common> {
    let known = db.view().installation.clone();
    if let Some(installation) = &known
        && !replace
    {
        let missing = [
            (Authority::is_kept(data_dir), "ca.pem and ca.key"),
            (access_key::is_kept(data_dir), access_key::FILE),
        ];
        if let Some((_, files)) = missing.iter().find(|(kept, _)| !kept) {
            bail!(
                "{} lacks {files}, and the store belongs to an installation already: copy ca.pem, ca.key and {} from the data directory of another of its control planes, or from a backup (authority {})",
                data_dir.display(),
                access_key::FILE,
                installation.authority
            );
        }
    }
    let keys = access_key::load_or_create(data_dir, account)?;
    let authority = Authority::load_or_create(data_dir)?;
    if db.view().is_set_aside::<Installation>(Installation::NAME) {
        // A damaged record is no reason to stop; what is lost is the comparison.
        tracing::error!(
            "which installation this is cannot be read; start one control plane with a restored backup"
        );
        return Ok(Common {
            authority,
            keys,
            history: String::new(),
        });
    }
    let fresh = hex::encode(rand::random::<[u8; 16]>());
    let joined = db.transact(|view| {
        decide(view, authority.fingerprint(), &fresh, replace, now)
            .map_err(|found| refusal(data_dir, authority.fingerprint(), &found))
    });
    let history = match joined.await {
        Ok(history) => history,
        Err(longshore_store::TransactError::Refused(refused)) => bail!(refused),
        Err(longshore_store::TransactError::Store(error)) => {
            return Err(error).context("cannot write down which installation this is");
        }
    };
    Ok(Common {
        authority,
        keys,
        history,
    })
}

fn refusal(data_dir: &Path, own: &str, found: &str) -> String {
    format!(
        "the store belongs to an installation with another certificate authority: the store says {found}, {}/ca.pem is {own}. Copy ca.pem, ca.key and {} from the data directory of another of its control planes; if the authority is lost, start once with --replace-authority and let every agent join anew",
        data_dir.display(),
        access_key::FILE
    )
}

/// The transaction that writes down which authority it is, and the history; the fingerprint in
/// the store if it is another.
fn decide(
    view: &View,
    own: &str,
    fresh: &str,
    replace: bool,
    now: Timestamp,
) -> Result<(Txn, String), String> {
    let mut txn = Txn::new();
    let known = view.installation.as_ref();
    let found = known.map(|known| known.authority.as_str());
    match compare(own, found, replace) {
        Comparison::First => {
            txn.create(&Installation {
                authority: own.to_owned(),
                history: fresh.to_owned(),
                made_at: now,
            });
            Ok((txn, fresh.to_owned()))
        }
        Comparison::Same => Ok((txn, known.map(|k| k.history.clone()).unwrap_or_default())),
        Comparison::Replace => {
            if let Some(known) = known {
                let mut installation = Installation::clone(known);
                own.clone_into(&mut installation.authority);
                txn.replace(known, &installation);
            }
            Ok((txn, known.map(|k| k.history.clone()).unwrap_or_default()))
        }
        Comparison::Other => Err(found.unwrap_or_default().to_owned()),
    }
}

fn compare(own: &str, found: Option<&str>, replace: bool) -> Comparison {
    match found {
        None => Comparison::First,
        Some(found) if found == own => Comparison::Same,
        Some(_) if replace => Comparison::Replace,
        Some(_) => Comparison::Other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_store::Memory;

    use super::*;

    async fn start(db: &Arc<Db>, dir: &Path, replace: bool) -> anyhow::Result<Common> {
        join(db, dir, "000000000000", replace, Timestamp::default()).await
    }

    #[tokio::test]
    async fn one_that_has_the_files_joins_and_another_is_told_what_to_copy() {
        let db = Db::open(Arc::new(Memory::default())).await.unwrap();
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let founder = start(&db, first.path(), false).await.unwrap();

        let error = start(&db, second.path(), false).await.err().unwrap();
        let said = error.to_string();
        assert!(
            said.contains("copy ca.pem, ca.key and access-keys.json"),
            "{said}"
        );
        assert!(
            !second.path().join("ca.pem").exists(),
            "nothing of its own is made"
        );

        Authority::load_or_create(second.path()).unwrap();
        access_key::load_or_create(second.path(), "000000000000").unwrap();
        let error = start(&db, second.path(), false).await.err().unwrap();
        assert!(error.to_string().contains("another certificate authority"));

        for file in ["ca.pem", "ca.key", access_key::FILE] {
            std::fs::copy(first.path().join(file), second.path().join(file)).unwrap();
        }
        let joined = start(&db, second.path(), false).await.unwrap();
        assert_eq!(joined.history, founder.history);
        assert_eq!(
            joined.authority.fingerprint(),
            founder.authority.fingerprint()
        );
    }

    #[tokio::test]
    async fn a_lost_authority_is_replaced_on_demand() {
        let db = Db::open(Arc::new(Memory::default())).await.unwrap();
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        start(&db, first.path(), false).await.unwrap();
        let replaced = start(&db, second.path(), true).await.unwrap();
        let known = db.view().installation.clone().unwrap();
        assert_eq!(known.authority, replaced.authority.fingerprint());
        assert!(start(&db, first.path(), false).await.is_err());
    }
}
