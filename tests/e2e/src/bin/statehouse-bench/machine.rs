//! The machine that the numbers are of.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::report::number;
use crate::stats::median;

/// How long syncs are tried.
const SYNC_TIME: Duration = Duration::from_secs(1);

/// A paragraph of facts; `dir` is on the disk that is measured.
pub(crate) fn facts(dir: &Path) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs_err::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or("?");
    let date = String::from_utf8(
        Command::new("date")
            .args(["-u", "+%Y-%m-%d"])
            .output()?
            .stdout,
    )?;
    let sync_ms = number(median(&syncs_ms(dir)?));
    Ok(format!(
        "{}, {cores} cores ({}), Linux {}, {} GiB memory; {}; 4 KiB appended and synced (`fdatasync`): {sync_ms} ms in the median; \
         load average before: {load}.",
        date.trim(),
        line_of("/proc/cpuinfo", "model name")?,
        kernel.trim(),
        gib_of(&line_of("/proc/meminfo", "MemTotal")?),
        file_system(dir),
    ))
}

fn line_of(path: &str, name: &str) -> Result<String> {
    let text = fs_err::read_to_string(path)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_once(':'));
    Ok(line.map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned()))
}

fn gib_of(kib: &str) -> u64 {
    kib.trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or_default()
        / (1024 * 1024)
}

fn file_system(dir: &Path) -> String {
    let told = Command::new("df").arg("--output=fstype").arg(dir).output();
    let text = told
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let text = text.unwrap_or_default();
    text.lines().last().unwrap_or("?").trim().to_owned()
}

/// How long syncs take, in milliseconds.
fn syncs_ms(dir: &Path) -> Result<Vec<f64>> {
    let path = dir.join("sync");
    let mut file = fs_err::File::create(&path)?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < SYNC_TIME {
        let before = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64() * 1000.0);
    }
    fs_err::remove_file(&path)?;
    Ok(times)
}
