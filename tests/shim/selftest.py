"""Checks syncshim and replay.py against programs whose syncs are known.

    python3 selftest.py LIBRARY

Each case runs a small program under the shim, rebuilds its files from the journal, and compares. A
case that takes syncs away must lose something, so that a replay which keeps everything cannot pass.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# What the programs below may say: one letter per step, and `at("name")` for an instant to rebuild.
PRELUDE = """
import mmap, os, sqlite3, sys, threading, time
def at(name): print(name, time.monotonic_ns(), flush=True)
def put(name, data, offset=0, flags=os.O_CREAT | os.O_WRONLY):
    fd = os.open(name, flags, 0o600); os.pwrite(fd, data, offset); os.close(fd)
def sync(name, call=os.fsync):
    fd = os.open(name, os.O_RDONLY); call(fd); os.close(fd)
"""


class Recording:
    """One program's files, journal and instants."""

    def __init__(self, library, directory, program, base=None):
        self.root, self.journal, self.base = directory / "root", directory / "journal", directory / "base"
        self.root.mkdir()
        for name, content in (base or {}).items():
            (self.root / name).write_bytes(content)
        shutil.copytree(self.root, self.base)
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program],
            cwd=self.root,
            env=os.environ | {"LD_PRELOAD": library, "STATEHOUSE_SHIM_RECORD": str(self.journal), "STATEHOUSE_SHIM_ROOT": str(self.root)},
            check=True, capture_output=True, text=True, timeout=120,
        )
        self.instants = dict(line.split() for line in done.stdout.splitlines())

    def replay(self, *arguments, points=""):
        command = [sys.executable, HERE / "replay.py", self.journal, "--base", self.base, *arguments]
        return subprocess.run(command, input=points, capture_output=True, text=True, timeout=120)

    def rebuild(self, instant):
        out = Path(tempfile.mkdtemp(dir=self.root.parent)) / "out"
        done = self.replay(points=f"{self.instants.get(instant, instant)} {out}\n")
        assert done.returncode == 0, done.stderr
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


# (claim, files before, program, {instant: files that a crash leaves})
CASES = [
    ("bytes_never_synced_are_lost", {},
     'put("a", b"one"); sync("."); at("now")', {"now": {"a": b""}, "all": {"a": b"one"}}),
    ("synced_bytes_stay_and_later_ones_do_not", {},
     'put("a", b"one"); sync("a"); sync("."); put("a", b"two!"); at("before"); sync("a", os.fdatasync); at("after")',
     {"before": {"a": b"one"}, "after": {"a": b"two!"}}),
    ("a_file_is_absent_until_its_directory_is_synced", {},
     'put("a", b"one"); sync("a"); at("before"); sync("."); at("after")', {"before": {}, "after": {"a": b"one"}}),
    ("a_rename_needs_a_sync_of_the_directory", {"a": b"old"},
     'put("b", b"new"); sync("b"); sync("."); os.replace("b", "a"); at("before"); sync("."); at("after")',
     {"before": {"a": b"old", "b": b"new"}, "after": {"a": b"new"}}),
    ("a_rename_of_unsynced_bytes_leaves_an_empty_file", {"a": b"old"},
     'put("b", b"new"); os.replace("b", "a"); sync("."); at("now")', {"now": {"a": b""}}),
    ("a_removed_file_comes_back_until_its_directory_is_synced", {"a": b"old"},
     'os.unlink("a"); at("before"); sync("."); at("after")', {"before": {"a": b"old"}, "after": {}}),
    ("truncation_needs_a_sync", {"a": b"0123456789"},
     'os.truncate("a", 4); at("before"); sync("a"); at("after")', {"before": {"a": b"0123456789"}, "after": {"a": b"0123"}}),
    ("opening_with_truncation_needs_a_sync", {"a": b"0123456789"},
     'put("a", b"x", flags=os.O_WRONLY | os.O_TRUNC); at("before"); sync("a"); at("after")',
     {"before": {"a": b"0123456789"}, "after": {"a": b"x"}}),
    ("a_hole_is_zeros", {},
     'put("a", b"x", offset=3); sync("a"); sync("."); at("now")', {"now": {"a": b"\0\0\0x"}}),
    ("appending_and_vectored_writes_have_their_places", {"a": b"12"},
     'fd = os.open("a", os.O_WRONLY | os.O_APPEND); os.write(fd, b"34"); os.writev(fd, [b"5", b"67"]); os.pwritev(fd, [b"8", b"9"], 0); os.fsync(fd); at("now")',
     {"now": {"a": b"123456789"}}),
    ("a_file_in_a_new_directory_needs_both_directories", {},
     'os.mkdir("d"); put("d/a", b"one"); sync("d/a"); sync("d"); at("before"); sync("."); at("after")',
     {"before": {}, "after": {"d/a": b"one"}}),
    ("a_second_name_shows_the_same_bytes", {"a": b"old"},
     'os.link("a", "b"); put("b", b"new"); sync("."); at("before"); sync("a"); at("after")',
     {"before": {"a": b"old", "b": b"old"}, "after": {"a": b"new", "b": b"new"}}),
    ("a_write_from_a_forked_process_counts", {},
     'put("a", b"one")\npid = os.fork()\nif pid == 0: put("a", b"two"); os._exit(0)\nos.waitpid(pid, 0); sync("a"); sync("."); at("now")',
     {"now": {"a": b"two"}}),
    ("a_renamed_file_is_written_under_its_new_name", {},
     'fd = os.open("a", os.O_CREAT | os.O_WRONLY); os.rename("a", "b"); os.write(fd, b"one"); os.fsync(fd); sync("."); at("now")',
     {"now": {"b": b"one"}}),
    ("an_inode_used_again_is_another_file", {},
     'put("a", b"one"); sync("a"); os.unlink("a"); put("b", b"two"); sync("."); at("now")', {"now": {"b": b""}}),
]

REFUSED = [
    ("a_shared_map_is_refused", {"a": b"0" * 4096},
     'fd = os.open("a", os.O_RDWR); mmap.mmap(fd, 4096)[:3] = b"new"', "writable shared memory map"),
    ("a_synchronous_write_is_refused", {}, 'put("a", b"x", flags=os.O_CREAT | os.O_WRONLY | os.O_DSYNC)', "synchronous"),
    ("a_symbolic_link_is_refused", {}, 'os.symlink("a", "b")', "symbolic link"),
]

CROWD = """
def work(worker):
    for step in range(200):
        put("shared", b"%c" % (65 + worker) * 100, offset=step * 50)
        put(f"own-{worker}-{step % 3}", b"x" * step)
        if step % 5 == 0: os.replace(f"own-{worker}-0", f"own-{worker}-1")
children = []
for process in range(3):
    pid = os.fork()
    if pid == 0:
        threads = [threading.Thread(target=work, args=(process * 2 + i,)) for i in range(2)]
        [t.start() for t in threads]; [t.join() for t in threads]
        os._exit(0)
    children.append(pid)
for pid in children: assert os.waitpid(pid, 0)[1] == 0
"""

SQLITE = """
base = sqlite3.connect("db", isolation_level=None)
base.execute("pragma journal_mode=wal"); base.execute("pragma synchronous=%s"); base.execute("pragma mmap_size=0")
base.execute("pragma wal_autocheckpoint=20")
base.execute("create table t (n integer primary key, filler blob)")
sync(".")
for n in range(1, 201):
    base.execute("insert into t values (?, randomblob(3000))", (n,))
    at(str(n))
os._exit(0)
"""


def check(library, directory, claim, base, program, expected):
    recording = Recording(library, directory, program, base)
    for instant, files in expected.items():
        found = recording.rebuild(instant)
        assert found == files, f"{claim}: at {instant}: {found}, expected {files}"
    compared = recording.replay("--compare", recording.root)
    assert compared.returncode == 0, f"{claim}: the journal misses {compared.stdout}{compared.stderr}"


def check_refused(library, directory, claim, base, program, reason):
    done = Recording(library, directory, program, base).replay(points=f"end {directory / 'out'}\n")
    assert done.returncode != 0 and reason in done.stderr, f"{claim}: {done.returncode} {done.stderr}"


def check_sqlite(library, directory, synchronous):
    """How many of 200 acknowledged rows are missing, over the points after each acknowledgement."""
    import sqlite3

    recording = Recording(library, directory, SQLITE % synchronous)
    points = [(int(n), instant, directory / f"point-{n}") for n, instant in recording.instants.items()]
    assert len(points) == 200
    done = recording.replay(points="".join(f"{instant} {out}\n" for _, instant, out in points))
    assert done.returncode == 0, done.stderr
    missing = 0
    for n, _, out in points:
        with_rows = sqlite3.connect(out / "db")
        try:
            missing += with_rows.execute("select count(*) from t").fetchone()[0] < n
            assert synchronous == "off" or with_rows.execute("pragma integrity_check").fetchone() == ("ok",)
        except sqlite3.DatabaseError:
            missing += 1
        with_rows.close()
    return missing


def check_delay(library, directory):
    program = "import os\nfd = os.open('f', os.O_CREAT | os.O_WRONLY)\nfor _ in range(40): os.write(fd, b'x'); os.fsync(fd)\nfor _ in range(10): os.fdatasync(fd)"
    seconds = []
    for delay in ("0", "10"):
        began = time.monotonic()
        environment = os.environ | {"LD_PRELOAD": library, "STATEHOUSE_SHIM_DELAY_MS": delay}
        subprocess.run([sys.executable, "-c", program], cwd=directory, env=environment, check=True)
        seconds.append(time.monotonic() - began)
    assert seconds[1] >= 0.5, f"50 syncs, each 10 ms longer, took {seconds[1]:.3f} s"
    assert seconds[1] - seconds[0] >= 0.25, f"the delay changed nothing: {seconds}"


def check_names_created(library, directory):
    recording = Recording(library, directory, 'put("a", b"one"); put("b", b"two"); sync("a"); at("now"); os.rename("a", "c")')
    for names, expected in (("synced", []), ("created", ["a"])):
        out = directory / names
        recording.replay("--names", names, points=f"{recording.instants['now']} {out}\n")
        assert os.listdir(out) == expected, f"{names}: {os.listdir(out)}"


def check_cut_off(library, directory):
    recording = Recording(library, directory, 'put("a", b"one"); sync("a"); sync("."); put("b", b"two")')
    with open(recording.journal, "r+b") as journal:
        journal.truncate(recording.journal.stat().st_size - 1)
    assert recording.rebuild("end") == {"a": b"one"}


def main(library):
    library = str(Path(library).resolve())
    tests = [(case[0], lambda d, case=case: check(library, d, *case)) for case in CASES]
    tests += [(case[0], lambda d, case=case: check_refused(library, d, *case)) for case in REFUSED]

    def sqlite_full(directory):
        missing = check_sqlite(library, directory, "full")
        assert missing == 0, f"{missing} of 200 points miss an acknowledged row"

    def sqlite_off(directory):
        missing = check_sqlite(library, directory, "off")
        assert missing >= 100, f"without syncs only {missing} of 200 points miss a row: replay keeps what it should lose"

    tests += [
        ("what_many_threads_and_processes_did_is_in_the_journal_in_order", lambda d: check(library, d, "crowd", {}, CROWD, {})),
        ("sqlite_with_full_syncs_keeps_every_acknowledged_row", sqlite_full),
        ("sqlite_without_syncs_loses_rows", sqlite_off),
        ("syncs_take_longer_by_the_delay", lambda d: check_delay(library, d)),
        ("a_new_file_keeps_its_name_by_its_own_sync_only_where_that_is_granted", lambda d: check_names_created(library, d)),
        ("a_record_cut_off_at_the_end_is_as_if_not_written", lambda d: check_cut_off(library, d)),
    ]
    failed = 0
    for claim, test in tests:
        with tempfile.TemporaryDirectory() as directory:
            try:
                test(Path(directory))
            except (AssertionError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"shim: {claim}: FAILED: {error} {getattr(error, 'stderr', '') or ''}")
    print(f"shim: {len(tests) - failed} of {len(tests)} claims hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
