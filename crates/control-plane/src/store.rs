//! Opening the store that the command line names.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use longshore_store::{Embedded, Etcd, EtcdOptions, EtcdTls, EtcdUser, HistoryLimit, Store};
use zeroize::Zeroizing;

use crate::config::{EtcdAddress, EtcdArgs, StoreAddress, StoreArgs};

/// Opens the store; an embedded one in `data_dir`.
///
/// # Errors
/// When it cannot be opened or reached; it says why and what to do.
pub async fn open(args: &StoreArgs, data_dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    match &args.store {
        StoreAddress::Embedded => {
            let store = Embedded::open(data_dir.join("store"), HistoryLimit::default());
            Ok(Arc::new(store.context("cannot open the store")?))
        }
        StoreAddress::Etcd(address) => {
            let options = etcd_options(address, &args.etcd)?;
            let store = Etcd::open(options).await;
            Ok(Arc::new(store.context("cannot use the store")?))
        }
    }
}

/// What the command line says of an etcd, with the files it names.
///
/// # Errors
/// When a file cannot be read.
pub fn etcd_options(address: &EtcdAddress, args: &EtcdArgs) -> anyhow::Result<EtcdOptions> {
    let mut options = EtcdOptions::new(address.endpoints.clone());
    options.prefix.clone_from(&address.prefix);
    if let Some(authority) = &args.etcd_ca {
        let identity = match (&args.etcd_cert, &args.etcd_key) {
            (Some(certificate), Some(key)) => {
                Some((read(certificate)?, Zeroizing::new(read(key)?)))
            }
            _ => None,
        };
        options.tls = Some(EtcdTls {
            authority: read(authority)?,
            identity,
        });
    }
    if let (Some(name), Some(file)) = (&args.etcd_user, &args.etcd_password_file) {
        let password = Zeroizing::new(read(file)?);
        options.user = Some(EtcdUser {
            name: name.clone(),
            password: Zeroizing::new(password.trim_end_matches(['\r', '\n']).to_owned()),
        });
    }
    Ok(options)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (authority, password) = (dir.path().join("ca.pem"), dir.path().join("password"));
        fs::write(&authority, "CA").unwrap();
        fs::write(&password, "secret\n").unwrap();
        let address = EtcdAddress {
            endpoints: vec!["a:1".to_owned()],
            prefix: "x".to_owned(),
        };
        let mut args = EtcdArgs {
            etcd_ca: Some(authority),
            etcd_user: Some("longshore".to_owned()),
            etcd_password_file: Some(password.clone()),
            ..EtcdArgs::default()
        };
        let options = etcd_options(&address, &args).unwrap();
        assert_eq!(options.tls.unwrap().authority, "CA");
        assert_eq!(*options.user.unwrap().password, "secret");
        args.etcd_password_file = Some(dir.path().join("nowhere"));
        let error = etcd_options(&address, &args).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
