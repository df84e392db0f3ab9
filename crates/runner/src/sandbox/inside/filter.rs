//! seccomp: system calls that terraform, its providers and what they call never need, and that have been ways out of sandboxes.
//!
//! A list of what is refused, not of what is allowed: providers are strangers' programs, and a call that a new version of Go
//! makes must not end an apply half way. The boundary is the namespaces and Landlock; this makes the kernel behind them smaller.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// Refused whatever the arguments are.
const REFUSED: &[c_long] = &[
    // Namespaces and file systems.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel's own workings.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_reboot,
    // The kernel's keys, which no namespace keeps apart.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine's clock and names.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Memory of other nodes, and old interfaces.
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    libc::SYS_ustat,
    libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

/// The same calls under the numbers of x32, which a kernel may have, and under which they would pass.
#[cfg(target_arch = "x86_64")]
const X32: c_long = 0x4000_0000;

/// Those of x32 that have numbers of their own: `ptrace`, `kexec_load`, `process_vm_readv` and `_writev`, `move_pages`.
#[cfg(target_arch = "x86_64")]
const X32_OWN: [c_long; 5] = [521, 528, 539, 540, 533];

/// New namespaces by `clone`.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Typing into a terminal as if the person before it did.
const TERMINAL: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// What sockets are for here. Everything else talks to the kernel or to the machine's hardware.
const SOCKETS: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Restricts this process and all that it starts.
///
/// # Errors
///
/// When the kernel has no filters.
pub(super) fn apply() -> Result<(), String> {
    let named = |error: String| format!("seccomp: {error}");
    for program in programs().map_err(|error| named(error.to_string()))? {
        apply_filter(&program).map_err(|error| named(error.to_string()))?;
    }
    Ok(())
}

/// The C library takes "not there" from `clone3`, whose arguments no filter can see, and calls `clone` instead.
fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let hidden = Rules::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        program(hidden, libc::ENOSYS)?,
        program(refused()?, libc::EPERM)?,
    ])
}

fn program(rules: Rules, error: i32) -> Result<BpfProgram, BackendError> {
    let answer = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, answer, ARCHITECTURE)?.try_into()
}

fn refused() -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for call in REFUSED.iter().chain(REFUSED_HERE) {
        rules.insert(*call, Vec::new());
    }
    let flags = NAMESPACES.iter().map(|flag| u64::from(flag.unsigned_abs()));
    let flags = flags.map(|flag| rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)]));
    rules.insert(libc::SYS_clone, flags.collect::<Result<_, _>>()?);
    let typing = TERMINAL
        .iter()
        .map(|request| rule(&[(1, SeccompCmpOp::Eq, *request)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    let other = SOCKETS.map(|family| (0, SeccompCmpOp::Ne, u64::from(family.unsigned_abs())));
    // Of netlink, routes and addresses: that is what listing one's interfaces takes.
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    let routes = u64::from(libc::NETLINK_ROUTE.unsigned_abs());
    let netlink = [
        (0, SeccompCmpOp::Eq, netlink),
        (2, SeccompCmpOp::Ne, routes),
    ];
    rules.insert(libc::SYS_socket, vec![rule(&other)?, rule(&netlink)?]);
    #[cfg(target_arch = "x86_64")]
    under_x32(&mut rules);
    Ok(rules)
}

#[cfg(target_arch = "x86_64")]
fn under_x32(rules: &mut Rules) {
    let same: Vec<_> = rules
        .iter()
        .map(|(call, rules)| (call | X32, rules.clone()))
        .collect();
    rules.extend(same);
    rules.extend(X32_OWN.map(|call| (call | X32, Vec::new())));
    rules.insert(libc::SYS_clone3 | X32, Vec::new());
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, operator, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}
