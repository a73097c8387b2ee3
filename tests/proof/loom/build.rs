//! Swaps the primitives: no dependent of aludel-core can do that by accident, as it could switch on a feature.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=aludel_loom");
}
