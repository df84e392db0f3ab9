//! What Linux says of a process: processor time and memory.

use crate::Result;

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture that Linux has now.
const TICKS_PER_S: f64 = 100.0;

/// Processor time that a process has used, in seconds, user and system.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let [user, system, _, _] = times_s(&pid.to_string())?;
    Ok(user + system)
}

/// The same of a process and of all that it started and saw end, and these.
pub(crate) fn cpu_s_with_ended(pid: u32) -> Result<f64> {
    Ok(times_s(&pid.to_string())?.iter().sum())
}

/// The same of what this process started and saw end, and these.
pub(crate) fn cpu_s_of_ended() -> Result<f64> {
    let [_, _, user, system] = times_s("self")?;
    Ok(user + system)
}

/// User and system time, of the process and of its children that ended, in seconds.
fn times_s(process: &str) -> Result<[f64; 4]> {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in parentheses, may hold spaces. It is field 2; utime, stime, cutime and cstime are fields 14 to 17.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields)
        .unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(4);
    let times: Vec<f64> = times
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .map(|ticks| ticks / TICKS_PER_S)
        .collect();
    let read = times.try_into();
    read.map_err(|_| format!("/proc/{process}/stat cannot be read: {stat}").into())
}

/// The same of a process and all of its descendants that live.
pub(crate) fn cpu_s_of_family(pid: u32) -> Result<f64> {
    let mut sum = cpu_s(pid)?;
    for child in children(pid) {
        sum += cpu_s_of_family(child).unwrap_or(0.0);
    }
    Ok(sum)
}

/// The children of a process, whichever of its threads started them.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs_err::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let listed = threads
        .map(|thread| fs_err::read_to_string(thread.path().join("children")).unwrap_or_default());
    listed
        .flat_map(|listed| {
            let words = listed.split_whitespace();
            words
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// Whether a server has started something that works. The process that waits for policies to evaluate does nothing until there are some.
pub(crate) fn is_at_work(server: u32) -> bool {
    let works = |child: u32| {
        let line = fs_err::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        !line
            .split(|byte| *byte == 0)
            .any(|word| word == b"policy-worker")
    };
    children(server).into_iter().any(works)
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
