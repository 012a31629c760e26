//! Names: how a wire name becomes a protobuf field name, and when the way back must be spelled out.

use heck::ToSnakeCase;

/// The protobuf field name for a wire name: `enableECSManagedTags` becomes
/// `enable_ecs_managed_tags`.
pub(crate) fn field(wire: &str) -> String {
    wire.to_snake_case()
}

/// The JSON name protobuf derives from a field name on its own: every underscore goes and the
/// letter after it becomes a capital.
pub(crate) fn default_json(field: &str) -> String {
    let mut json = String::with_capacity(field.len());
    let mut capital = false;
    for c in field.chars() {
        if c == '_' {
            capital = true;
        } else if capital {
            json.push(c.to_ascii_uppercase());
            capital = false;
        } else {
            json.push(c);
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_become_snake_case() {
        for (wire, expected) in [
            ("clusterArn", "cluster_arn"),
            ("enableECSManagedTags", "enable_ecs_managed_tags"),
            ("s3BucketName", "s3_bucket_name"),
            ("hostIP", "host_ip"),
            ("type", "type"),
            ("ipv6Address", "ipv6_address"),
        ] {
            assert_eq!(field(wire), expected, "{wire}");
        }
    }

    #[test]
    fn the_default_json_name_is_what_protobuf_derives() {
        assert_eq!(default_json("cluster_arn"), "clusterArn");
        assert_eq!(
            default_json("enable_ecs_managed_tags"),
            "enableEcsManagedTags"
        );
        assert_eq!(default_json("s3_bucket_name"), "s3BucketName");
    }
}
