//! What such a process takes from itself before it reads anything: open files, files, network, other processes, and nearly every system
//! call. Its limits are set by whoever started it.

use std::collections::BTreeMap;

use fs_err as fs;
use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use libc::c_long;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getpid, set_dumpable_behavior, setrlimit,
};
use rustix::thread::set_no_new_privs;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::Ready;

/// The version whose rights are asked for.
const TRIED: ABI = ABI::V7;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// What is left: pipes that are open, memory, threads, time, and the end.
const ALLOWED: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Takes everything that is not needed.
///
/// # Errors
///
/// When open files cannot be closed or the process cannot be closed to others. What the kernel lacks is told in [`Ready`].
pub(super) fn confine() -> Result<Ready, String> {
    close_others()?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("closing the process to others: {error}"))?;
    set_no_new_privs(true).map_err(|error| format!("giving up new privileges: {error}"))?;
    let landlock = landlock();
    // After Landlock, whose rules are an open file for a moment.
    limit(Resource::Nofile, 3)?;
    let seccomp = seccomp();
    Ok(Ready { landlock, seccomp })
}

/// A core would hold somebody's state, and such a process writes no file and opens none.
fn limit(resource: Resource, most: u64) -> Result<(), String> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit).map_err(|error| format!("setting the limit {resource:?}: {error}"))
}

/// Closes every open file but the three standard ones.
fn close_others() -> Result<(), String> {
    let entries = fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?;
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The list itself was one of them, and is closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Rules without an exception: no path, no port, no socket and no process outside.
fn landlock() -> Result<i32, String> {
    let status = restrict().map_err(|error| format!("Landlock: {error}"))?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. }
            if status.ruleset != RulesetStatus::NotEnforced =>
        {
            Ok(effective_abi as i32)
        }
        LandlockStatus::Available { .. } => Err("Landlock is too old on this kernel".into()),
        LandlockStatus::NotEnabled => {
            Err("Landlock is not enabled on this kernel; put `landlock` into `lsm=`".into())
        }
        LandlockStatus::NotImplemented => {
            Err("Landlock is not in this kernel; boot Linux 5.19 or newer".into())
        }
    }
}

fn restrict() -> Result<landlock::RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?
        .restrict_self()
}

fn seccomp() -> Result<(), String> {
    let named = |error: String| format!("seccomp: {error}");
    for program in programs().map_err(|error| named(error.to_string()))? {
        apply_filter(&program).map_err(|error| named(error.to_string()))?;
    }
    Ok(())
}

/// The C library takes "not there" from `clone3`, whose arguments no filter can see, and calls `clone` instead.
fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let hidden = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let no_errors = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let hidden = SeccompFilter::new(hidden, SeccompAction::Allow, no_errors, ARCHITECTURE)?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let allowed = SeccompFilter::new(allowed()?, refused, SeccompAction::Allow, ARCHITECTURE)?;
    Ok([hidden.try_into()?, allowed.try_into()?])
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(
        libc::SYS_clone,
        vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?],
    );
    // The other filter answers this one; here it must only not be refused first.
    rules.insert(libc::SYS_clone3, Vec::new());
    // Ending itself, and nobody else.
    let own = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    rules.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, own)?]);
    let name = u64::from(libc::PR_SET_NAME.unsigned_abs());
    rules.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, name)?]);
    Ok(rules)
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}
