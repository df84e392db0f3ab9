"""Rebuilds a directory from a journal of syncshim, as of any instant, from synced bytes only.

    echo "123456789 /tmp/out" | python3 replay.py JOURNAL --base COPY
    python3 replay.py JOURNAL --base COPY --compare DIRECTORY

Points are read from standard input, one per line, as `INSTANT DIRECTORY` in ascending order: INSTANT
is a CLOCK_MONOTONIC time in nanoseconds, `end` (of the journal), or `all` (its end, with everything
that was never synced). Each DIRECTORY is made, filled, and answered with a line `FILES BYTES
DIRECTORY`. COPY is the recorded directory as it was before recording began, and counts as synced;
without it that directory was empty.

What counts. Bytes and sizes count from the instant that a sync of their file ended, if they stand in
the journal before that sync began. Names (created, renamed, linked, removed) count in the same way by
syncs of their directory; a rename inside one directory counts as a whole. So a file is present when
its directory was synced, with the bytes for which it was synced itself. That is what POSIX promises
and less than most file systems keep: nothing here is kept by luck.

`--names created` grants one thing more, which ext4, XFS and Btrfs do and PostgreSQL relies on (it
never syncs the directory of a new relation): the first sync of a new file keeps the name it was made
under. Renames and removals still need their directory. Statehouse's own files do without.

Refused, not guessed: journals with operations that the shim did not understand, and writes to files
whose beginning it did not see. Files made by stdio are unseen as long as nobody writes to them
otherwise; they are left out, and named on standard error. SQLite's `-shm` files are left out: SQLite
rebuilds them. A record cut off at the end of the journal ends it.

`--compare` rebuilds the `all` state and lists where it differs from the real directory: a control
that nothing went past the journal.
"""

import argparse
import os
import stat
import struct
import sys
from pathlib import Path

CREATE, WRITE, RESIZE, RENAME, EXCHANGE, UNLINK, LINK, SYNC_BEGIN, SYNC_END, UNSUPPORTED = range(1, 11)
HEADER = struct.Struct("<IIIIQQQQII")
MAGIC = 0x31535353
DELETED = " (deleted)"


class Refused(Exception):
    """The journal does not say what the files would hold."""


class Node:
    """A file or directory: what is synced, and what was done since, in order."""

    def __init__(self, mode):
        self.mode = mode
        self.pending = []
        self.applied = 0  # how many operations have left `pending`

    def position(self):
        return self.applied + len(self.pending)

    def sync(self, position):
        count = max(0, position - self.applied)
        for operation in self.pending[:count]:
            self.apply(self.synced, operation)
        del self.pending[:count]
        self.applied += count

    def state(self, everything):
        if not (everything and self.pending):
            return self.synced
        copy = self.synced.copy()
        for operation in self.pending:
            self.apply(copy, operation)
        return copy


class File(Node):
    def __init__(self, mode, content=b""):
        super().__init__(mode)
        self.synced = bytearray(content)
        self.made_in = None  # (directory, name), until the first sync

    @staticmethod
    def apply(content, operation):
        offset, data = operation
        if data is None:  # the size is now `offset`
            del content[offset:]
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        if data is not None:
            content[offset : offset + len(data)] = data


class Directory(Node):
    def __init__(self, mode, entries=()):
        super().__init__(mode)
        self.synced = dict(entries)
        self.live = dict(entries)

    def change(self, names):
        """names: name → node, or None where the name is gone."""
        self.pending.append(names)
        self.apply(self.live, names)

    @staticmethod
    def apply(entries, names):
        for name, node in names.items():
            if node is None:
                entries.pop(name, None)
            else:
                entries[name] = node


class Unseen(Node):
    """A name the shim did not see being made: its bytes are unknown."""

    def sync(self, position):
        pass


class Replay:
    def __init__(self, journal, base=None, keep_created=False):
        self.keep_created = keep_created
        self.journal = open(journal, "rb")
        self.root = load(Path(base)) if base else Directory(stat.S_IFDIR | 0o700)
        self.nodes = {}  # inode → node, as far as known
        self.syncing = {}  # (process, thread) → (node, position)
        self.unseen = set()
        self.waiting = None  # a record read, and later than the last point

    def advance(self, until_ns):
        """Takes in every record up to and including that instant; None: all of them."""
        while (record := self.waiting or self.read()) is not None:
            self.waiting = None
            if until_ns is not None and record[0][4] > until_ns:
                self.waiting = record
                return
            self.take(*record)

    def read(self):
        header = self.journal.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        fields = HEADER.unpack(header)
        if fields[0] != MAGIC:
            raise Refused(f"no record at byte {self.journal.tell() - HEADER.size}: the journal is damaged")
        lengths = fields[2], fields[3], fields[7]
        parts = [self.journal.read(length) for length in lengths]
        if any(len(part) < length for part, length in zip(parts, lengths)):
            return None
        return fields, os.fsdecode(parts[0]), os.fsdecode(parts[1]), parts[2]

    def take(self, fields, path, path2, data):
        _, kind, _, _, _, inode, offset, _, process, thread = fields
        if kind == UNSUPPORTED:
            raise Refused(f"{path}: {path2}")
        if kind == CREATE:
            node = Directory(offset) if stat.S_ISDIR(offset) else File(offset)
            self.nodes[inode] = node
            parent, name = self.parent(path)
            parent.change({name: node})
            if isinstance(node, File):
                node.made_in = parent, name
        elif kind in (WRITE, RESIZE):
            node = self.node(inode, path)
            if isinstance(node, File):
                node.pending.append((offset, data if kind == WRITE else None))
            elif not path.endswith(DELETED):
                raise Refused(f"{path}: written, but the shim did not see it being made")
        elif kind == SYNC_BEGIN:
            node = self.node(inode, path)
            self.syncing[process, thread] = node, node.position() if node else 0
        elif kind == SYNC_END:
            node, position = self.syncing.pop((process, thread), (None, 0))
            if node and offset == 0:
                node.sync(position)
                self.keep_name(node)
        else:
            self.rename(kind, path, path2)

    def rename(self, kind, path, path2):
        (parent, name), node = self.parent(path), self.at(path)
        if kind == UNLINK:
            parent.change({name: None})
            return
        if node is None:
            self.unseen.add(path2)
            node = Unseen(0)
        parent2, name2 = self.parent(path2)
        if kind == LINK:
            parent2.change({name2: node})
            return
        left = self.at(path2) if kind == EXCHANGE else None
        if parent is parent2:
            parent.change({name: left, name2: node})
        else:
            parent.change({name: left})
            parent2.change({name2: node})

    def keep_name(self, node):
        if self.keep_created and isinstance(node, File) and node.made_in:
            parent, name = node.made_in
            node.made_in = None
            if parent.live.get(name) is node:
                parent.synced[name] = node

    def parent(self, path):
        directory, _, name = path.rpartition("/")
        parent = self.at(directory)
        if not isinstance(parent, Directory):
            raise Refused(f"{path}: the shim did not see its directory being made")
        return parent, name

    def at(self, path):
        node = self.root
        for part in path.split("/") if path else ():
            node = node.live.get(part) if isinstance(node, Directory) else None
        return node

    def node(self, inode, path):
        """The path decides, because inodes are used again; a file without a name has only its inode."""
        if not path.endswith(DELETED):
            self.nodes[inode] = self.at(path)
        return self.nodes.get(inode)

    def write(self, directory, everything=False):
        """Fills a new directory; returns the number of files and bytes."""
        return store(self.root, Path(directory), everything)


def load(path):
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return Directory(mode, {child.name: load(child) for child in path.iterdir()})
    if stat.S_ISREG(mode):
        return File(mode, path.read_bytes())
    return Unseen(mode)  # a socket, say: nothing that a crash would bring back


def store(node, path, everything):
    files = size = 0
    path.mkdir()
    for name, child in node.state(everything).items():
        if isinstance(child, Directory):
            below = store(child, path / name, everything)
            files, size = files + below[0], size + below[1]
        elif isinstance(child, File) and not name.endswith("-shm"):
            content = child.state(everything)
            (path / name).write_bytes(content)
            (path / name).chmod(stat.S_IMODE(child.mode))
            files, size = files + 1, size + len(content)
    path.chmod(stat.S_IMODE(node.mode))
    return files, size


def differences(node, path, below=""):
    """Names under which the `all` state is not what the real directory holds."""
    entries = {name: child for name, child in node.state(True).items() if not isinstance(child, Unseen)}
    real = {child.name: child for child in path.iterdir() if child.is_dir() or child.is_file()}
    for name in sorted(entries.keys() | real.keys()):
        child, here = entries.get(name), real.get(name)
        if name.endswith("-shm"):
            continue
        if child is None or here is None or isinstance(child, Directory) != here.is_dir():
            yield below + name
        elif isinstance(child, Directory):
            yield from differences(child, here, f"{below}{name}/")
        elif child.state(True) != here.read_bytes():
            yield below + name


def main():
    parser = argparse.ArgumentParser(description="Rebuild files from a journal of syncshim, from synced bytes only.")
    parser.add_argument("journal")
    parser.add_argument("--base", help="the recorded directory as it was before recording")
    parser.add_argument("--names", choices=("synced", "created"), default="synced", help="which names count (default: those whose directory was synced)")
    parser.add_argument("--compare", metavar="DIRECTORY", help="list how the journal differs from the real directory")
    options = parser.parse_args()
    replay = Replay(options.journal, options.base, keep_created=options.names == "created")

    if options.compare:
        replay.advance(None)
        found = list(differences(replay.root, Path(options.compare)))
        print(*found, sep="\n", end="\n" if found else "")
        return 1 if found else 0

    for line in sys.stdin:
        instant, _, directory = line.strip().partition(" ")
        replay.advance(None if instant in ("end", "all") else int(instant))
        files, size = replay.write(directory, everything=instant == "all")
        print(files, size, directory, flush=True)
    for name in sorted(replay.unseen):
        print(f"left out, because the shim did not see it being made: {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as reason:
        sys.exit(f"replay: refused: {reason}")
