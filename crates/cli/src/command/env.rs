//! `longshore env`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::Global;
use crate::data_dir::ClientFile;
use crate::hint;
use crate::terminal;

const EXAMPLES: &str = "\
EXAMPLES:
  For bash, zsh and other POSIX shells:
    eval \"$(longshore env)\"
    aws ecs list-clusters

  For fish:
    longshore env --shell fish | source";

/// Would lead the stock tools away from the values that are set.
const UNSET: [&str; 4] = [
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL_ECS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
];

/// Print the variables that point the stock aws command at Longshore
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Env {
    /// Language to print; bash is also for sh and zsh
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shell {
    #[default]
    #[value(aliases = ["sh", "zsh"])]
    Bash,
    Fish,
}

impl Env {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let data_dir = global.data_dir()?;
        let Some(client) = data_dir.read_client()? else {
            bail!(
                "there is no {}; start Longshore with `{}`",
                data_dir.client_file().display(),
                hint::longshore("up --detach")
            );
        };
        let mut text = text(&client, data_dir.root(), self.shell);
        if terminal::stdout_is_terminal() {
            text.push_str(&match self.shell {
                Shell::Bash => format!(
                    "# Printed only. To set them: eval \"$({})\"\n",
                    hint::longshore("env")
                ),
                Shell::Fish => format!(
                    "# Printed only. To set them: {} | source\n",
                    hint::longshore("env --shell fish")
                ),
            });
        }
        Ok(terminal::print(&text)?)
    }
}

fn text(client: &ClientFile, data_dir: &Path, shell: Shell) -> String {
    let data_dir = data_dir.to_string_lossy();
    let variables = [
        ("AWS_ENDPOINT_URL", client.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", &client.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &client.secret_access_key),
        ("AWS_REGION", &client.region),
        ("AWS_DEFAULT_REGION", &client.region),
        // So that `longshore down` means the installation that the others name.
        ("LONGSHORE_DATA_DIR", &data_dir),
        // The pager of the stock command stops scripts and short answers alike.
        ("AWS_PAGER", ""),
    ];
    let mut text = String::new();
    for (name, value) in variables {
        // Writing to a String does not fail.
        let _ = match shell {
            Shell::Bash => writeln!(text, "export {name}={}", posix_quoted(value)),
            Shell::Fish => writeln!(text, "set -gx {name} {}", fish_quoted(value)),
        };
    }
    for name in UNSET {
        let _ = match shell {
            Shell::Bash => writeln!(text, "unset {name}"),
            Shell::Fish => writeln!(text, "set -e {name}"),
        };
    }
    text
}

/// Between single quotes nothing is special but the single quote.
fn posix_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Fish takes backslashes before single quotes and backslashes between single quotes.
fn fish_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    fn client(secret: &str) -> ClientFile {
        ClientFile {
            endpoint: "http://127.0.0.1:7400".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: secret.to_owned(),
            agent_listen: None,
        }
    }

    #[test]
    fn for_both_shells() {
        assert_eq!(
            text(&client("a/b+c"), Path::new("/d"), Shell::Bash),
            "export AWS_ENDPOINT_URL='http://127.0.0.1:7400'\n\
             export AWS_ACCESS_KEY_ID='AKIAEXAMPLE'\n\
             export AWS_SECRET_ACCESS_KEY='a/b+c'\n\
             export AWS_REGION='us-east-1'\n\
             export AWS_DEFAULT_REGION='us-east-1'\n\
             export LONGSHORE_DATA_DIR='/d'\n\
             export AWS_PAGER=''\n\
             unset AWS_SESSION_TOKEN\n\
             unset AWS_PROFILE\n\
             unset AWS_ENDPOINT_URL_ECS\n\
             unset AWS_IGNORE_CONFIGURED_ENDPOINT_URLS\n"
        );
        let fish = text(&client(r"a'b\c"), Path::new("/d"), Shell::Fish);
        assert!(
            fish.contains("set -gx AWS_SECRET_ACCESS_KEY 'a\\'b\\\\c'\n"),
            "{fish}"
        );
        assert!(fish.contains("set -e AWS_PROFILE\n"), "{fish}");
    }

    /// A real shell reads back exactly the value, whatever is in it.
    #[test]
    fn quoting_survives_a_shell() {
        for secret in [
            "plain",
            "it's",
            "$(touch /nowhere) `x` $HOME",
            "two\nlines",
            r"back\slash",
            "'; exit 1; '",
            "",
        ] {
            let script = format!(
                "{}printf %s \"$AWS_SECRET_ACCESS_KEY\"",
                text(&client(secret), Path::new("/d"), Shell::Bash)
            );
            let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
            assert!(output.status.success(), "{secret:?}");
            assert_eq!(String::from_utf8(output.stdout).unwrap(), secret);
        }
    }
}
