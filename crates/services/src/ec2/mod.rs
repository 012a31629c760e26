//! EC2, as far as tools look at it around ECS.

mod zone;

pub use zone::DescribeAvailabilityZones;

crate::api!(ec2, DescribeAvailabilityZones);
