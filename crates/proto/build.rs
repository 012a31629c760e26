//! Compiles every .proto file under /proto, without protoc, and writes into `OUT_DIR`:
//!
//! - one file per package with its messages, clients and servers (prost and tonic);
//! - `longshore.ecs.v1.json.rs`, the JSON form of the public messages (`build/json.rs`);
//! - `operations.rs`, the list of public operations;
//! - `longshore.fds`, the descriptors for gRPC reflection, custom options included.

#[path = "build/json.rs"]
mod json;
#[path = "build/operations.rs"]
mod operations;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

/// The public API. The server side is one generic door over all operations, so only the client
/// is generated; its messages also get a JSON form.
const PUBLIC: &str = "longshore.ecs.v1";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    let sources = root.join("longshore");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed=build");
    let mut files = Vec::new();
    find_protos(&sources, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([root])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;

    let descriptors = compiler.file_descriptor_set();
    let build = || {
        tonic_prost_build::configure()
            .btree_map(".")
            .extern_path(".google.protobuf.Timestamp", "crate::Timestamp")
            .extern_path(".google.protobuf.Value", "crate::Value")
    };
    // Our own packages may use messages of the public API, so that one is there to be looked at;
    // what is written of it here is written again, whole, by the second call.
    let mut own = descriptors.clone();
    for file in own.file.iter_mut().filter(|f| f.package() == PUBLIC) {
        file.service.clear();
    }
    build()
        .extern_path(format!(".{PUBLIC}"), "crate::ecs")
        .compile_fds(own)?;
    build()
        .build_server(false)
        .compile_fds(select(&descriptors, |package| package == PUBLIC))?;

    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let pool = compiler.descriptor_pool();
    fs::write(
        out.join(format!("{PUBLIC}.json.rs")),
        json::generate(&pool, PUBLIC)?,
    )?;
    fs::write(
        out.join("operations.rs"),
        operations::generate(&pool, &format!("{PUBLIC}.Ecs"))?,
    )?;
    compiler.include_source_info(false);
    fs::write(
        out.join("longshore.fds"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}

/// Adds every .proto file below the directory.
fn find_protos(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The files of the wanted packages and those of google.protobuf, whose messages prost looks at
/// but does not write out, since their Rust types are given.
fn select(all: &FileDescriptorSet, wanted: impl Fn(&str) -> bool) -> FileDescriptorSet {
    let file = all
        .file
        .iter()
        .filter(|file| file.package() == "google.protobuf" || wanted(file.package()))
        .cloned()
        .collect();
    FileDescriptorSet { file }
}
