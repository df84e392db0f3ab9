//! Unpacks the starter book, so that the binary holds it as it is read.

use std::io::Read as _;
use std::path::PathBuf;

#[expect(
    clippy::disallowed_methods,
    reason = "a build script gets its place from the environment, and fs_err would be built twice"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let packed = PathBuf::from("starter/starter.book.gz");
    println!("cargo:rerun-if-changed={}", packed.display());
    println!("cargo:rustc-check-cfg=cfg(starter)");
    if packed.exists() {
        let out = std::env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
        let mut book = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&packed)?).read_to_end(&mut book)?;
        std::fs::write(PathBuf::from(out).join("starter.book"), book)?;
        println!("cargo:rustc-cfg=starter");
    }
    Ok(())
}
