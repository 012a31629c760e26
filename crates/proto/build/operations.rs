//! The list of public operations.

use std::error::Error;
use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, Value};

/// Writes `OPERATIONS`, one entry per method of the service, sorted by name.
pub(crate) fn generate(pool: &DescriptorPool, service: &str) -> Result<String, Box<dyn Error>> {
    let errors = pool
        .get_extension_by_name("longshore.options.v1.errors")
        .ok_or("options.proto lacks errors")?;
    let service = pool
        .get_service_by_name(service)
        .ok_or_else(|| format!("no {service}"))?;
    let mut methods: Vec<_> = service.methods().collect();
    methods.sort_by(|a, b| a.name().cmp(b.name()));

    let mut code = String::from(
        "/// Every operation of the public API, sorted by name.\n\
         pub const OPERATIONS: &[OperationInfo] = &[\n",
    );
    for method in methods {
        let options = method.options();
        let declared = options.get_extension(&errors);
        let declared: Vec<_> = declared
            .as_list()
            .ok_or("errors is not repeated")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        writeln!(
            code,
            "OperationInfo {{ name: {:?}, input: {:?}, output: {:?}, errors: &{declared:?} }},",
            method.name(),
            method.input().name(),
            method.output().name(),
        )?;
    }
    code.push_str("];\n");
    Ok(code)
}
