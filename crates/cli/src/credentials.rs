//! Which control plane to speak to, and with which access key.

use std::fmt;

use anyhow::bail;

use crate::data_dir::DataDir;
use crate::hint;

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A control plane and an access key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub(crate) endpoint: String,
    pub(crate) credentials: Credentials,
}

/// What the command line says about the target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// `--endpoint`.
    pub(crate) endpoint: Option<&'a str>,
    /// `--data-dir` was written out, so its client.json is meant.
    pub(crate) data_dir_given: bool,
}

/// Finds the target. The command line comes before the environment, and that before client.json:
///
/// 1. `--endpoint`, with the access key of the environment, else of client.json;
/// 2. `--data-dir`, with its client.json;
/// 3. `AWS_ENDPOINT_URL_ECS` or `AWS_ENDPOINT_URL`, with the access key of the environment, else
///    of client.json if that is for the same endpoint;
/// 4. client.json in the default data directory.
pub(crate) fn target(
    wanted: Wanted<'_>,
    data_dir: &DataDir,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Target> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let from_environment = || -> anyhow::Result<Option<Credentials>> {
        match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key_id), Some(secret_access_key)) => Ok(Some(Credentials {
                access_key_id,
                secret_access_key,
            })),
            (None, None) => Ok(None),
            (Some(_), None) => bail!("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not"),
            (None, Some(_)) => bail!("AWS_SECRET_ACCESS_KEY is set but AWS_ACCESS_KEY_ID is not"),
        }
    };
    let client = || -> anyhow::Result<Option<Target>> {
        Ok(data_dir.read_client()?.map(|client| Target {
            endpoint: client.endpoint,
            credentials: Credentials {
                access_key_id: client.access_key_id,
                secret_access_key: client.secret_access_key,
            },
        }))
    };
    let no_key = |endpoint: &str| {
        format!(
            "there is no access key for {endpoint}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    };

    if let Some(endpoint) = wanted.endpoint {
        let endpoint = with_scheme(endpoint);
        if let Some(credentials) = from_environment()? {
            return Ok(Target {
                endpoint,
                credentials,
            });
        }
        return match client()? {
            Some(client) => Ok(Target { endpoint, ..client }),
            None => bail!(no_key(&endpoint)),
        };
    }
    if !wanted.data_dir_given
        && let Some(endpoint) = set("AWS_ENDPOINT_URL_ECS").or_else(|| set("AWS_ENDPOINT_URL"))
    {
        let endpoint = with_scheme(&endpoint);
        if let Some(credentials) = from_environment()? {
            return Ok(Target {
                endpoint,
                credentials,
            });
        }
        return match client()?.filter(|client| client.endpoint == endpoint) {
            Some(client) => Ok(client),
            None => bail!(no_key(&endpoint)),
        };
    }
    match client()? {
        Some(client) => Ok(client),
        None => bail!(
            "nothing says which control plane to speak to: there is no {}; \
             start Longshore with `{}`, or set AWS_ENDPOINT_URL, \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            data_dir.client_file().display(),
            hint::longshore("up --detach")
        ),
    }
}

/// The endpoint as a URL without a slash at its end; a bare HOST:PORT speaks plain HTTP.
fn with_scheme(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("http://{endpoint}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::data_dir::ClientFile;

    const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    const URL: (&str, &str) = ("AWS_ENDPOINT_URL", "http://env:1/");

    fn check(
        endpoint: Option<&str>,
        data_dir_given: bool,
        variables: &[(&str, &str)],
        expected: Option<(&str, &str)>,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = DataDir::choose(Some(directory.path()), |_| None).unwrap();
        data_dir
            .write_client(&ClientFile {
                endpoint: "http://file:1".to_owned(),
                region: "r".to_owned(),
                account_id: "0".to_owned(),
                access_key_id: "FILE".to_owned(),
                secret_access_key: "s".to_owned(),
                agent_listen: None,
            })
            .unwrap();
        let wanted = Wanted {
            endpoint,
            data_dir_given,
        };
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = target(wanted, &data_dir, variable).ok();
        let found = found.map(|target| (target.endpoint, target.credentials.access_key_id));
        let expected = expected.map(|(url, key)| (url.to_owned(), key.to_owned()));
        assert_eq!(
            found, expected,
            "{endpoint:?} {data_dir_given} {variables:?}"
        );
    }

    #[test]
    fn the_command_line_then_the_environment_then_the_file() {
        let file = Some(("http://file:1", "FILE"));
        check(None, false, &[], file);
        check(None, false, &KEY, file);
        check(
            None,
            false,
            &[KEY[0], KEY[1], URL],
            Some(("http://env:1", "ENV")),
        );
        check(None, true, &[KEY[0], KEY[1], URL], file);
        check(
            Some("flag:1"),
            false,
            &[KEY[0], KEY[1], URL],
            Some(("http://flag:1", "ENV")),
        );
        check(
            Some("https://flag:1"),
            false,
            &[],
            Some(("https://flag:1", "FILE")),
        );
        check(None, false, &[("AWS_ENDPOINT_URL", "http://file:1")], file);
        let ecs = ("AWS_ENDPOINT_URL_ECS", "http://ecs:1");
        check(
            None,
            false,
            &[KEY[0], KEY[1], URL, ecs],
            Some(("http://ecs:1", "ENV")),
        );
    }

    #[test]
    fn a_foreign_endpoint_never_gets_the_key_of_the_file() {
        check(None, false, &[URL], None);
        check(None, false, &[URL, KEY[0]], None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let credentials = Credentials {
            access_key_id: "AKIA".to_owned(),
            secret_access_key: "hidden".to_owned(),
        };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
