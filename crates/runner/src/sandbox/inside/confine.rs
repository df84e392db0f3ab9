//! Landlock: what of the sandbox's files a command may write to, and which ports it may connect to. Rules of the kernel about
//! this process and all that it starts, beside the namespaces: a mistake in one of them is not yet a way out.
//!
//! Access rights are named up to the version that was tried; an older kernel enforces those it knows.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};

use super::spec::Confine;

/// The version whose rights are asked for.
const TRIED: ABI = ABI::V7;

/// Linux 5.19: before it, a file could not be moved from one directory to another at all.
pub(super) const ABI_MIN: i32 = 2;

/// What can be written to although `/dev` cannot.
const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

/// Restricts this process, and says which version of Landlock keeps it so.
///
/// # Errors
///
/// When Landlock is not there, or older than [`ABI_MIN`].
pub(super) fn restrict(allowed: &Confine) -> Result<i32, String> {
    let status = enforce(allowed).map_err(|error| format!("Landlock: {error}"))?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled => return Err("Landlock is not enabled on this kernel".into()),
        LandlockStatus::NotImplemented => return Err("Landlock is not in this kernel".into()),
    };
    if version < ABI_MIN || status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(format!(
            "Landlock has version {version} here, and {ABI_MIN} is needed"
        ));
    }
    Ok(version)
}

fn enforce(allowed: &Confine) -> Result<landlock::RestrictionStatus, RulesetError> {
    let devices = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});
    let never = make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
    let everything = AccessFs::from_all(TRIED) & !never;
    Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(TRIED)))?
        .add_rules(path_beneath_rules(&allowed.writable, everything))?
        .add_rules(path_beneath_rules(DEVICES, devices))?
        .add_rules(ports(&allowed.ports))?
        .restrict_self()
}

fn ports(ports: &[u16]) -> impl Iterator<Item = Result<NetPort, RulesetError>> {
    ports
        .iter()
        .map(|port| Ok(NetPort::new(*port, AccessNet::ConnectTcp)))
}
