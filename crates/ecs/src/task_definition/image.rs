//! The syntax of image references, `[REGISTRY[:PORT]/]PATH[:TAG][@DIGEST]`.
//!
//! Checked at the door so that a typing error is one answer and not a task that never starts.
//! The grammar is that of the CNCF distribution project's `reference` package.

/// Longest repository name, in characters (distribution specification).
const MAX_NAME_LENGTH: usize = 255;
/// Longest tag, in characters (distribution specification).
const MAX_TAG_LENGTH: usize = 128;
/// Hex digits of a SHA-256.
const SHA256_LENGTH: usize = 64;

/// Whether Docker would take `text` as an image.
pub fn is_valid(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let last_slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last_slash..].find(':') {
        Some(colon) => (
            &rest[..last_slash + colon],
            Some(&rest[last_slash + colon + 1..]),
        ),
        None => (rest, None),
    };
    is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

fn is_name(name: &str) -> bool {
    if name.len() > MAX_NAME_LENGTH {
        return false;
    }
    let path = match name.split_once('/') {
        Some((registry, path)) if looks_like_registry(registry) => {
            if !is_registry(registry) {
                return false;
            }
            path
        }
        _ => name,
    };
    path.split('/').all(is_path_part)
}

/// Docker takes the first part for a registry if it cannot be part of a path on Docker Hub.
fn looks_like_registry(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    if !ends.iter().all(|end| end.is_some_and(|b| word(*b))) {
        return false;
    }
    let joints = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    joints
        .filter(|joint| !joint.is_empty())
        .all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= MAX_TAG_LENGTH
        && tag
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == SHA256_LENGTH && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_follow_the_distribution_grammar() {
        let digest = format!("busybox@sha256:{}", "a".repeat(64));
        for good in [
            "busybox",
            "busybox:1.36",
            "library/busybox",
            "localhost/x",
            "localhost:5000/team/web:v1.2-rc_3",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/web:latest",
            "my-registry.example:443/a/b/c",
            "a__b/c--d.e",
            &digest,
            &digest.replace('@', ":tag@"),
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "Busybox",
            "busy box",
            "busybox:",
            "busybox:-tag",
            "busybox@sha256:abc",
            "busybox@md5:abc",
            "/busybox",
            "busybox/",
            "a//b",
            "registry.example:port/web",
            "registry..example/web",
            "-a",
            "a..b",
            "a___b",
            "https://registry.example/web",
            &"a".repeat(256),
            &format!("a:{}", "t".repeat(129)),
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
