//! How fast a log is redacted, and what preparing for it takes.
//!
//! Makes a log of 256 MB (or as many as the first argument says) in the shape that `terraform plan` writes, and puts it through a redactor in pieces of 8 KiB: with
//! no values, with three, with fifty, and with fifty and a private key. Prints processor time, which another program's share of a busy machine does not
//! touch, as the median of three.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "an example reads the kernel's own files and says what it finds"
)]

use statehouse_runner::redact::Redactor;

const LINES: &str = "  # module.net.aws_subnet.private[\"eu-central-1a\"] will be created\n  \
    + resource \"aws_subnet\" \"private\" {\n      + arn             = (known after apply)\n      \
    + cidr_block      = \"10.0.16.0/20\"\n      + tags            = {\n          + \"Name\" = \"private-a\"\n        }\n    }\n\n";

fn main() {
    let megabytes: usize = std::env::args()
        .nth(1)
        .map_or(256, |number| number.parse().unwrap());
    let log = LINES.repeat((megabytes << 20) / LINES.len());
    let values: Vec<String> = (0..50_u64).map(value).collect();
    let key = (50..90).map(value).collect::<Vec<_>>().join("\n");
    let many: Vec<&str> = values.iter().map(String::as_str).collect();
    let with_key = [&many[..], &[key.as_str()]].concat();
    for (name, values) in [
        ("no values", &[][..]),
        ("3 values", &many[..3]),
        ("50 values", &many[..]),
        ("50 values and a key", &with_key[..]),
    ] {
        let mut times: Vec<(f64, f64)> = (0..3).map(|_| run(values, log.as_bytes())).collect();
        times.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (prepared, passed) = times[1];
        #[allow(clippy::cast_precision_loss, reason = "a log of megabytes")]
        let speed = log.len() as f64 / passed / 1e6;
        println!(
            "{name}: {speed:.0} MB/s, prepared in {:.1} ms",
            prepared * 1e3
        );
    }
}

/// Forty characters without a pattern.
fn value(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(
            b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789+/"
                [(state >> 33) as usize % 58],
        )
    };
    (0..40).map(|_| letter()).collect()
}

fn run(values: &[&str], log: &[u8]) -> (f64, f64) {
    let start = cpu_seconds();
    let mut redactor = Redactor::new(values.iter().copied()).unwrap();
    let prepared = cpu_seconds();
    let mut out = 0;
    for chunk in log.chunks(8192) {
        out += redactor.push(chunk).len();
    }
    out += redactor.finish().len();
    assert_eq!(out, log.len());
    (prepared - start, cpu_seconds() - prepared)
}

/// Of this process, from the scheduler's own count of nanoseconds.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
