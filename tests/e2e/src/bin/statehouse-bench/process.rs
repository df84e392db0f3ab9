//! What Linux says of a process: processor time and memory.

use crate::Result;

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture that Linux has now.
const TICKS_PER_S: f64 = 100.0;

/// Processor time that a process has used, in seconds, user and system.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may hold spaces; utime and stime are fields 14 and 15, the name is field 2.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields)
        .unwrap_or_default();
    let mut times = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) / TICKS_PER_S),
        _ => Err(format!("/proc/{pid}/stat cannot be read: {stat}").into()),
    }
}

/// The same of a process and all of its descendants that live.
pub(crate) fn cpu_s_of_family(pid: u32) -> Result<f64> {
    let mut sum = cpu_s(pid)?;
    for child in children(pid) {
        sum += cpu_s_of_family(child).unwrap_or(0.0);
    }
    Ok(sum)
}

fn children(pid: u32) -> Vec<u32> {
    let listed =
        fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Lets `VmHWM` begin again at what there is now.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs_err::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// A line of `/proc/PID/status` in KiB, as `VmRSS` (memory now) or `VmHWM` (the most there was), given in bytes.
pub(crate) fn memory_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| format!("/proc/{pid}/status does not tell {name}").into())
}
