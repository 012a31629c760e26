//! Commands that are printed for people to paste: they act on what the command that prints them
//! acted on, so they carry its flags.

use std::path::Path;
use std::sync::OnceLock;

/// The flags that say which installation is meant, as they were given.
static FLAGS: OnceLock<String> = OnceLock::new();

/// Notes the flags of this run. Called once, before anything is printed.
pub(crate) fn set(data_dir: Option<&Path>, endpoint: Option<&str>, ca_bundle: Option<&Path>) {
    let _ = FLAGS.set(flags(data_dir, endpoint, ca_bundle));
}

fn flags(data_dir: Option<&Path>, endpoint: Option<&str>, ca_bundle: Option<&Path>) -> String {
    let path = |path: &Path| path.display().to_string();
    let given = [
        ("--data-dir", data_dir.map(path)),
        ("--endpoint", endpoint.map(str::to_owned)),
        ("--ca-bundle", ca_bundle.map(path)),
    ];
    given
        .into_iter()
        .filter_map(|(name, value)| Some(format!(" {name} {}", quoted(&value?))))
        .collect()
}

/// `longshore` with these words and the flags of this run.
pub(crate) fn longshore(words: &str) -> String {
    format!(
        "longshore {words}{}",
        FLAGS.get().map_or("", String::as_str)
    )
}

/// The same for a command about a cluster.
pub(crate) fn in_cluster(words: &str, cluster: &str) -> String {
    match cluster {
        "default" => longshore(words),
        cluster => longshore(&format!("{words} --cluster {}", quoted(cluster))),
    }
}

/// In single quotes unless it is one plain word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_carries_the_flags_that_were_given() {
        assert_eq!(flags(None, None, None), "");
        let all = flags(
            Some(Path::new("/tmp/my data")),
            Some("https://h:1"),
            Some(Path::new("/ca.pem")),
        );
        assert_eq!(
            all,
            " --data-dir '/tmp/my data' --endpoint https://h:1 --ca-bundle /ca.pem"
        );
        // Nothing is set in this process.
        assert_eq!(
            in_cluster("service list", "default"),
            "longshore service list"
        );
        assert_eq!(
            in_cluster("service list", "a"),
            "longshore service list --cluster a"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
