//! The attacks: a name, a shell script that exits with 0 if it succeeds and says "trying" right before what should fail, and how
//! it is shown that it does succeed without the sandbox.

/// How an attack is shown to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// At the level `process`, as the same user.
    Process,
    /// As the same user without any runner: the level `process` stops it already.
    Bare,
    /// As root: the user may not do it anyway, and in the sandbox it must fail all the same.
    Root,
}

pub(crate) type Case = (&'static str, Control, &'static str);

use Control::{Bare, Process, Root};

pub(crate) const CASES: &[Case] = &[
    // What lies on the machine.
    (
        "read the data directory",
        Process,
        "echo trying; cat $SECRETS/data/state",
    ),
    (
        "read the key directory",
        Process,
        "echo trying; cat $SECRETS/keys/root",
    ),
    (
        "read the anchor directory",
        Process,
        "echo trying; cat $SECRETS/anchors/head",
    ),
    (
        "read another run's work directory",
        Process,
        "echo trying; cat $SECRETS/other-run/plan",
    ),
    (
        "read the password file of the machine",
        Root,
        "echo trying; cat /etc/shadow",
    ),
    (
        "read through a link in the work directory",
        Process,
        "ln -s $SECRETS/data/state $WORK/link; echo trying; cat $WORK/link",
    ),
    (
        "make a hard link to a secret",
        Process,
        "echo trying; ln $SECRETS/other-run/plan $WORK/hard",
    ),
    (
        "go through the root of another process",
        Process,
        "echo trying; cat /proc/$PPID/root$SECRETS/data/state",
    ),
    (
        "look at the machine's devices",
        Process,
        "echo trying; ls /sys/class",
    ),
    (
        "read the kernel's messages as a file",
        Root,
        "echo trying; dd if=/dev/kmsg iflag=nonblock count=1 bs=8192 >/dev/null",
    ),
    (
        "read a file that the runner left open",
        Bare,
        "$ATTACK read-open $LEAK",
    ),
    (
        "write outside of the work directory",
        Process,
        "echo trying; echo x >$OUTSIDE/written",
    ),
    (
        "write into the read-only configuration",
        Process,
        "echo trying; echo x >>$CONFIG/file",
    ),
    (
        "replace the tool",
        Process,
        "echo trying; echo x >>$TOOLS/terraform",
    ),
    (
        "change our own binary",
        Process,
        "echo trying; chmod u+w $SELF",
    ),
    (
        "change a program of the machine",
        Root,
        "echo trying; touch -c /usr/bin/env",
    ),
    (
        "create a file beside the tools",
        Process,
        "echo trying; echo x >$TOOLS/new",
    ),
    (
        "write into the root directory",
        Root,
        "echo trying; mkdir /statehouse-test-$$ && rmdir /statehouse-test-$$",
    ),
    (
        "write into shared memory",
        Process,
        "echo trying; echo x >/dev/shm/test-$SHARED && rm /dev/shm/test-$SHARED",
    ),
    (
        "open a device that lies in a writable directory",
        Process,
        "echo trying; head -c 1 $CACHE/device",
    ),
    (
        "make a device",
        Root,
        "rm -f $WORK/null; $ATTACK device $WORK/null",
    ),
    ("open a file by its handle", Root, "$ATTACK by-handle $WORK"),
    // Other processes.
    (
        "see a process of the machine",
        Process,
        "echo trying; test -d /proc/$VICTIM",
    ),
    (
        "signal a process of the machine",
        Process,
        "echo trying; kill -0 $VICTIM",
    ),
    (
        "read the environment of a process of the machine",
        Process,
        "echo trying; grep -q SECRET /proc/$VICTIM/environ",
    ),
    (
        "read the environment of the first process",
        Process,
        "echo trying; cat /proc/1/environ || unshare -Urpf --mount-proc sh -c 'cat /proc/1/environ; exit $?'",
    ),
    (
        "read the environment of its parent",
        Process,
        "echo trying; cat /proc/$PPID/environ >/dev/null",
    ),
    ("signal its parent", Process, "echo trying; kill -0 $PPID"),
    (
        "find a secret in its environment",
        Bare,
        "echo trying; test -n \"$SECRET_OF_THE_SERVER\"",
    ),
    ("trace a process", Process, "$ATTACK traced"),
    ("read the memory of a process", Process, "$ATTACK memory-of"),
    (
        "find shared memory of the machine",
        Process,
        "$ATTACK find-memory $SHARED",
    ),
    (
        "leave its control group",
        Process,
        "echo trying; echo 0 >$DOOR",
    ),
    // Networks.
    (
        "connect to a service on the machine's loopback",
        Process,
        "$ATTACK tcp 127.0.0.1 $TCP",
    ),
    (
        "ask a name server on the machine's loopback",
        Process,
        "$ATTACK udp 127.0.0.1 $UDP",
    ),
    (
        "connect to an abstract socket",
        Process,
        "$ATTACK local $ABSTRACT",
    ),
    (
        "connect to the socket of docker",
        Process,
        "$ATTACK local $SOCKET",
    ),
    (
        "ask the metadata service",
        Root,
        "test $(id -u) = 0 && with=\"$ATTACK with-metadata\"; $with $ATTACK tcp 169.254.169.254 80",
    ),
    ("make a raw socket", Root, "$ATTACK socket 2 3 1"),
    ("make a packet socket", Root, "$ATTACK socket 17 3 0"),
    (
        "listen to the kernel's events",
        Process,
        "$ATTACK socket 16 3 15",
    ),
    // Privileges.
    (
        "become root by a setuid program",
        Bare,
        "$TOOLS/is-root is-root",
    ),
    ("make a user namespace", Process, "$ATTACK user-namespace"),
    (
        "make a user namespace by clone",
        Process,
        "$ATTACK cloned-namespace",
    ),
    (
        "be root in a namespace by the usual tool",
        Process,
        "echo trying; unshare -Ur true",
    ),
    ("enter a namespace", Root, "$ATTACK enter-namespace"),
    ("mount a file system", Root, "$ATTACK mount $WORK"),
    ("mount by the new calls", Root, "$ATTACK new-mount"),
    ("change its root", Root, "$ATTACK chroot"),
    // The kernel.
    ("add a key to the kernel's ring", Process, "$ATTACK keyring"),
    (
        "count the machine's performance",
        Root,
        "$ATTACK performance",
    ),
    ("load a program into the kernel", Root, "$ATTACK bpf"),
    ("make a ring of system calls", Process, "$ATTACK ring"),
    ("handle its own page faults", Process, "$ATTACK page-faults"),
    ("turn off swapping", Root, "$ATTACK swap"),
    ("change the name of the machine", Root, "$ATTACK hostname"),
    ("set the clock", Root, "$ATTACK clock"),
    ("read the kernel's messages", Root, "$ATTACK kernel-log"),
    (
        "write a setting of the kernel",
        Root,
        "old=$(cat /proc/sys/vm/swappiness); echo trying; echo $old >/proc/sys/vm/swappiness",
    ),
    ("type into a terminal", Root, "$ATTACK terminal"),
    (
        "type into whatever its input is",
        Process,
        "$ATTACK type-ahead",
    ),
    // More than its share.
    (
        "start processes without end",
        Process,
        "$ATTACK processes 200",
    ),
    ("take memory without end", Process, "$ATTACK memory 400"),
    (
        "fill the temporary directory",
        Process,
        "echo trying; dd if=/dev/zero of=$TEMPORARY/full-1 bs=1M count=12 && dd if=/dev/zero of=$TEMPORARY/full-2 bs=1M count=12",
    ),
    (
        "write a file without end",
        Process,
        "echo trying; dd if=/dev/zero of=$WORK/full bs=1M count=32",
    ),
    ("open files without end", Process, "$ATTACK files 500"),
    ("use the processor without end", Process, "$ATTACK busy 15"),
];
