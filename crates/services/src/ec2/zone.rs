//! Availability zones: those that container instances say they are in, and the first of the region,
//! which instances are in that say nothing.

use std::collections::BTreeSet;

use longshore_door::auth::Caller;
use longshore_door::error::{ApiError, ErrorKind};
use longshore_door::operation::{Operation, Touched};
use longshore_door::wire::query::INVALID_PARAMETER_VALUE;
use longshore_model::instance::{InstanceStatus, ZONE_ATTRIBUTE};
use longshore_shapes::ec2::{
    AvailabilityZone, DescribeAvailabilityZonesRequest, DescribeAvailabilityZonesResult, Filter,
};
use longshore_store::View;

use crate::Services;

/// A request that would have been carried out.
const DRY_RUN: ErrorKind = ErrorKind::new("DryRunOperation", 412, tonic::Code::Aborted, false);
/// A zone that is not there.
const NO_SUCH_ZONE: ErrorKind = INVALID_PARAMETER_VALUE;

/// Lists zones.
pub struct DescribeAvailabilityZones;

impl Operation for DescribeAvailabilityZones {
    const NAME: &'static str = "DescribeAvailabilityZones";
    type Context = Services;
    type Input = DescribeAvailabilityZonesRequest;
    type Output = DescribeAvailabilityZonesResult;

    fn resources(_: &Services, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(
        services: &Services,
        _: &Caller,
        input: Self::Input,
    ) -> Result<Self::Output, ApiError> {
        let filters = input.filters.unwrap_or_default();
        let filters = filters.iter().map(Condition::read);
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        if input.dry_run == Some(true) {
            return Err(ApiError::new(
                DRY_RUN,
                "Request would have succeeded, but DryRun flag is set.",
            ));
        }
        let region = &services.backend.realm.region;
        let mut zones = names(&services.backend.db.view(), region)
            .into_iter()
            .map(|name| zone(region, name))
            .collect::<Vec<_>>();
        for (asked, of, what) in [
            (input.zone_names, name_of as Part, "availability zone"),
            (input.zone_ids, id_of as Part, "zone id"),
        ] {
            let asked = asked.unwrap_or_default();
            if asked.is_empty() {
                continue;
            }
            let missing = asked
                .iter()
                .find(|name| zones.iter().all(|zone| of(zone) != **name));
            if let Some(name) = missing {
                let short: String = name.chars().take(64).collect();
                return Err(ApiError::new(
                    NO_SUCH_ZONE,
                    format!("Invalid {what}: [{short}]"),
                ));
            }
            zones.retain(|zone| asked.iter().any(|name| of(zone) == *name));
        }
        zones.retain(|zone| filters.iter().all(|filter| filter.holds(zone)));
        Ok(DescribeAvailabilityZonesResult {
            availability_zones: Some(zones),
        })
    }
}

/// The names of all zones, sorted.
fn names(view: &View, region: &str) -> BTreeSet<String> {
    let registered = view
        .instances
        .values()
        .filter(|instance| instance.status != InstanceStatus::Inactive);
    let mut names: BTreeSet<String> = registered
        .filter_map(|instance| instance.attribute(ZONE_ATTRIBUTE)?.map(str::to_owned))
        .collect();
    names.insert(format!("{region}a"));
    names
}

fn zone(region: &str, name: String) -> AvailabilityZone {
    AvailabilityZone {
        opt_in_status: Some("opt-in-not-required".to_owned()),
        messages: Some(Vec::new()),
        region_name: Some(region.to_owned()),
        zone_id: Some(name.clone()),
        group_name: Some(region.to_owned()),
        network_border_group: Some(region.to_owned()),
        zone_type: Some("availability-zone".to_owned()),
        state: Some("available".to_owned()),
        zone_name: Some(name),
        ..AvailabilityZone::default()
    }
}

/// A part of a zone that it is asked for by.
type Part = fn(&AvailabilityZone) -> &str;

fn name_of(zone: &AvailabilityZone) -> &str {
    zone.zone_name.as_deref().unwrap_or_default()
}

fn id_of(zone: &AvailabilityZone) -> &str {
    zone.zone_id.as_deref().unwrap_or_default()
}

/// A filter: one of these values, in which `*` and `?` stand for characters.
struct Condition<'a> {
    of: fn(&AvailabilityZone) -> Option<&String>,
    values: &'a [String],
}

impl<'a> Condition<'a> {
    fn read(filter: &'a Filter) -> Result<Self, ApiError> {
        let name = filter.name.as_deref().unwrap_or_default();
        let of: fn(&AvailabilityZone) -> Option<&String> = match name {
            "group-name" => |zone| zone.group_name.as_ref(),
            "opt-in-status" => |zone| zone.opt_in_status.as_ref(),
            "region-name" => |zone| zone.region_name.as_ref(),
            "state" => |zone| zone.state.as_ref(),
            "zone-id" => |zone| zone.zone_id.as_ref(),
            "zone-name" => |zone| zone.zone_name.as_ref(),
            "zone-type" => |zone| zone.zone_type.as_ref(),
            _ => {
                let short: String = name.chars().take(64).collect();
                return Err(ApiError::new(
                    INVALID_PARAMETER_VALUE,
                    format!(
                        "The filter '{short}' is invalid. Use group-name, opt-in-status, region-name, state, zone-id, zone-name or zone-type."
                    ),
                ));
            }
        };
        let values = filter.values.as_deref().unwrap_or_default();
        Ok(Self { of, values })
    }

    fn holds(&self, zone: &AvailabilityZone) -> bool {
        let value = (self.of)(zone).map_or("", String::as_str);
        self.values
            .iter()
            .any(|pattern| fits(pattern.as_bytes(), value.as_bytes()))
    }
}

/// Whether a text is of a pattern in which `*` stands for any characters and `?` for one. Takes
/// time in proportion to the product of both lengths at most.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much it stood for.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(b'?'), _) => {
                p += 1;
                t += 1;
            }
            (Some(c), _) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            (_, Some((at, taken))) => {
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_stand_for_characters() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("us-*", "us-east-1a", true),
            ("*1a", "us-east-1a", true),
            ("*-1?", "us-east-1a", true),
            ("*b*", "us-east-1a", false),
            ("", "", true),
            ("**", "", true),
            ("?", "", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
