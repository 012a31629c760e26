//! Where the state is kept: `embedded`, or `etcd://HOST:PORT,HOST:PORT/PREFIX`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// The prefix of an address that names none.
const DEFAULT_PREFIX: &str = "longshore";
const SCHEME: &str = "etcd://";

/// Where the state is kept, and how to get in.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Where the state is kept: `embedded`, in the data directory of one control plane; or
    /// `etcd://HOST:PORT,HOST:PORT/PREFIX`, shared by several.
    #[arg(
        long,
        env = "LONGSHORE_STORE",
        default_value = "embedded",
        value_name = "STORE"
    )]
    pub store: StoreAddress,
    /// How to get into etcd.
    #[command(flatten)]
    pub etcd: EtcdArgs,
}

/// How to get into etcd.
#[derive(Debug, Clone, Default, Args)]
pub struct EtcdArgs {
    /// PEM certificates of the authority that etcd's servers are checked against. With it the
    /// connection is TLS.
    #[arg(long, env = "LONGSHORE_ETCD_CA", value_name = "FILE")]
    pub etcd_ca: Option<PathBuf>,
    /// PEM certificate that etcd knows this control plane by.
    #[arg(
        long,
        env = "LONGSHORE_ETCD_CERT",
        value_name = "FILE",
        requires = "etcd_key",
        requires = "etcd_ca"
    )]
    pub etcd_cert: Option<PathBuf>,
    /// PEM private key of that certificate.
    #[arg(
        long,
        env = "LONGSHORE_ETCD_KEY",
        value_name = "FILE",
        requires = "etcd_cert"
    )]
    pub etcd_key: Option<PathBuf>,
    /// User of etcd, where its authentication is on.
    #[arg(
        long,
        env = "LONGSHORE_ETCD_USER",
        value_name = "NAME",
        requires = "etcd_password_file"
    )]
    pub etcd_user: Option<String>,
    /// File with that user's password.
    #[arg(
        long,
        env = "LONGSHORE_ETCD_PASSWORD_FILE",
        value_name = "FILE",
        requires = "etcd_user"
    )]
    pub etcd_password_file: Option<PathBuf>,
}

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// In the data directory, of one control plane only.
    Embedded,
    /// In etcd, shared by several.
    Etcd(EtcdAddress),
}

/// Where an installation is in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAddress {
    /// `HOST:PORT` of its members, at least one.
    pub endpoints: Vec<String>,
    /// What all keys of the installation begin with, without a slash at either end.
    pub prefix: String,
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => out.write_str("embedded"),
            Self::Etcd(EtcdAddress { endpoints, prefix }) => {
                write!(out, "{SCHEME}{}/{prefix}", endpoints.join(","))
            }
        }
    }
}

impl FromStr for StoreAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        let expected = || {
            format!(
                "\"{text}\" is not a store: give embedded, or {SCHEME}HOST:PORT,HOST:PORT/PREFIX"
            )
        };
        let rest = text.strip_prefix(SCHEME).ok_or_else(expected)?;
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, DEFAULT_PREFIX));
        let endpoints: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        let names_port = |endpoint: &String| {
            endpoint
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !endpoints.iter().all(names_port) {
            return Err(expected());
        }
        let prefix = match prefix.trim_end_matches('/') {
            "" => DEFAULT_PREFIX,
            prefix => prefix,
        };
        let legal = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
        if prefix.starts_with('/') || !prefix.bytes().all(legal) {
            return Err(format!(
                "the prefix \"{prefix}\" is not valid: use letters, digits, hyphens, underscores, dots and slashes"
            ));
        }
        Ok(Self::Etcd(EtcdAddress {
            endpoints,
            prefix: prefix.to_owned(),
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_read_and_written() {
        for (text, endpoints, prefix) in [
            ("etcd://a:1", vec!["a:1"], "longshore"),
            ("etcd://a:1/", vec!["a:1"], "longshore"),
            ("etcd://a:1,[::1]:2/x/y/", vec!["a:1", "[::1]:2"], "x/y"),
        ] {
            let StoreAddress::Etcd(address) = text.parse().unwrap() else {
                panic!("{text}");
            };
            assert_eq!(address.endpoints, endpoints);
            assert_eq!(address.prefix, prefix);
            let written = StoreAddress::Etcd(address).to_string();
            assert_eq!(
                written.parse::<StoreAddress>().unwrap().to_string(),
                written
            );
        }
        assert_eq!("embedded".parse(), Ok(StoreAddress::Embedded));
    }

    #[test]
    fn what_is_no_store_is_refused_with_the_form() {
        for text in [
            "",
            "etcd",
            "etcd:a:1",
            "etcd://",
            "etcd://a",
            "etcd://a:x",
            "etcd://a:1,",
            "etcd://a:1/ b",
            "etcd://a:1//b",
        ] {
            let error = text.parse::<StoreAddress>().unwrap_err();
            assert!(error.contains("not"), "{text}: {error}");
        }
    }
}
