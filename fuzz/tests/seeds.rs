//! Every seed that is kept, and every input that once found something, goes through its target without the engine.

use std::fs;
use std::path::Path;

const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("segment", recado_fuzz::segment),
    ("checkpoint", recado_fuzz::checkpoint),
    ("slots", recado_fuzz::slots),
    ("state", recado_fuzz::state),
    ("batch", recado_fuzz::batch),
    ("record", recado_fuzz::record),
    ("entry", recado_fuzz::entry),
    ("names", recado_fuzz::names),
    ("config", recado_fuzz::config),
    ("rest", recado_fuzz::rest),
    ("grpc", recado_fuzz::grpc),
    ("amqp_tables", recado_fuzz::amqp_tables),
    ("amqp_methods", recado_fuzz::amqp_methods),
    ("amqp_frames", recado_fuzz::amqp_frames),
];

// One test, for what a parser allocates is counted for the whole process.
#[test]
fn every_seed_passes_its_target() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let files: Vec<_> = fs::read_dir(folder).expect("each target has seeds").collect();
        assert!(!files.is_empty(), "{name}");
        for file in files {
            let path = file.expect("the folder is read").path();
            eprintln!("{}", path.display());
            target(&fs::read(path).expect("the seed is read"));
        }
    }
}
