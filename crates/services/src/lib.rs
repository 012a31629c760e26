//! The AWS services that people use beside ECS, as far as Longshore has them. Each is a folder: its
//! descriptor and operation table in `mod.rs`, a file for each noun, and its field ledger.
//!
//! | folder | service | operations |
//! |---|---|---|
//! | [`application_autoscaling`] | Application Auto Scaling | DescribeScalableTargets |
//! | [`cloudwatch`] | CloudWatch | ListMetrics |
//! | [`ec2`] | EC2 | DescribeAvailabilityZones |
//! | [`scheduler`] | EventBridge Scheduler | ListScheduleGroups |
//! | [`sts`] | STS | GetCallerIdentity |
//!
//! To add an operation: name it in `proto/services.toml` and run `scripts/generate-schema`; write its
//! type and its `Operation`; name that in the service's table; classify its members in `fields.toml`,
//! where a test lists those that are missing. To add a service: the same, with a folder and a line of
//! [`all`].

pub mod application_autoscaling;
pub mod cloudwatch;
pub mod ec2;
pub mod scheduler;
pub mod sts;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::Arc;

use longshore_door::Backend;
use longshore_door::error::ErrorKind;
use longshore_door::service::{Api, Service, bind};

/// What handlers of these services work with.
pub struct Services {
    /// The installation.
    pub backend: Backend,
}

impl AsRef<Backend> for Services {
    fn as_ref(&self) -> &Backend {
        &self.backend
    }
}

/// Every service of this crate.
pub static APIS: &[&Api<Services>] = &[
    &application_autoscaling::API,
    &cloudwatch::API,
    &ec2::API,
    &scheduler::API,
    &sts::API,
];

/// All of them, for the door.
pub fn all(backend: &Backend) -> Vec<Arc<dyn Service>> {
    let services = Arc::new(Services {
        backend: backend.clone(),
    });
    let apis = APIS.iter();
    apis.map(|api| bind(api, Arc::clone(&services))).collect()
}

/// The exception for members that are not taken.
fn refusal(_: &str) -> ErrorKind {
    ErrorKind::UNSUPPORTED_FEATURE
}

/// The API of a service: its shapes, its ledger, and the types of its operations by name.
macro_rules! api {
    ($module:ident, $($operation:ident),* $(,)?) => {
        /// The service, as the door serves it.
        pub static API: longshore_door::service::Api<crate::Services> =
            longshore_door::service::Api {
                descriptor: longshore_door::service::Descriptor {
                    name: longshore_shapes::$module::SERVICE.name,
                    title: longshore_shapes::$module::SERVICE.title,
                    signing_name: longshore_shapes::$module::SERVICE.signing_name,
                    target_prefix: longshore_shapes::$module::SERVICE.target_prefix,
                    grpc_service: None,
                    shapes: Some(&longshore_shapes::$module::SERVICE),
                    ledger,
                    refusal: crate::refusal,
                },
                operations: &[$(longshore_door::service::Entry::of::<$operation>()),*],
            };

        fn ledger() -> &'static longshore_door::ledger::Ledger {
            static LEDGER: std::sync::LazyLock<longshore_door::ledger::Ledger> =
                std::sync::LazyLock::new(|| {
                    // A test parses the same file, so this cannot fail in a build that passed.
                    longshore_door::ledger::Ledger::parse(&[include_str!("fields.toml")])
                        .unwrap_or_else(|error| panic!("part of this program: {error}"))
                });
            &LEDGER
        }
    };
}

use api;
