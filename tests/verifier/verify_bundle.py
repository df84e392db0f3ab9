"""A second verifier of Statehouse export bundles, for tests only; it shares the formats with the first, and no code.

RFC 6962, RFC 8785, C2SP tlog-tiles, tlog-checkpoint, signed-note. Python 3.11 and `cryptography`; all in memory.

    verify_bundle.py [--vkey KEY] [--anchor FILE] BUNDLE     prints findings, exits with the code
    verify_bundle.py --batch     reads [{"path", "vkey", "anchor"}, ...] from standard input, prints the codes as JSON
"""
import base64
import hashlib
import json
import re
import sys

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("the package `cryptography` is missing: apt-get install python3-cryptography, or pip install cryptography")

TRUNCATED, REORDERED, ANOTHER_KEY, OLDER, FORKED, ALTERED, GAP, NOT_CANONICAL, UNREADABLE = range(10, 19)


class Bad(Exception):
    """A finding that ends the step it is found in: code, words."""


def need(condition, code, words):
    if not condition:
        raise Bad(code, words)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_levels(leaves):
    """All complete subtrees of RFC 6962: levels[k][i] is the root over the leaves i*2^k .. (i+1)*2^k."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([sha256(b"\1", below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return levels


def root_at(levels, size):
    """The root of the first `size` leaves: complete subtrees from the right, each joined to its left neighbour."""
    root, end = None, size
    for level in range(size.bit_length()):
        if size >> level & 1:
            left = levels[level][(end >> level) - 1]
            root = left if root is None else sha256(b"\1", left, root)
            end -= 1 << level
    return sha256() if root is None else root


def canonical(data):
    """The value of canonical JSON bytes (RFC 8785, integers below 2^53 only); ValueError for anything else."""
    def refuse(text):
        raise ValueError("a number that is no integer: " + text)

    def integer(text):
        return int(text) if len(text) < 18 and abs(int(text)) < 1 << 53 else refuse(text)

    def members(pairs):
        return dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")))

    def depth(value):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner)) if isinstance(value, (dict, list)) and value else 0

    try:
        value = json.loads(data.decode(), parse_float=refuse, parse_int=integer, parse_constant=refuse,
                           object_pairs_hook=members)
        if json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() != data or depth(value) > 32:
            raise ValueError("not canonical")
        return value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_hex(text, length):
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{%d}" % length, text) is not None


def is_count(value):
    return type(value) is int and value >= 0


def fields(value, optional=(), **types):
    """Whether an object has exactly these fields of these types."""
    return (isinstance(value, dict) and set(types) - set(optional) <= set(value) <= set(types)
            and all(type(item) is types[name] for name, item in value.items()))


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 in another spelling")
    return data


class Key:
    """An Ed25519 verifier key, from its text form."""

    def __init__(self, text):
        name, key_id, key = text.split("+", 2)
        data = unbase64(key)
        if not re.fullmatch(r"[^\s\x00-\x1f\x7f]+", name) or len(data) != 33 or data[0] != 1 \
                or sha256(name.encode(), b"\n", data)[:4].hex() != key_id:
            raise ValueError("not a verifier key")
        self.text, self.who = text, (name, bytes.fromhex(key_id))
        self.public = Ed25519PublicKey.from_public_bytes(data[1:])


class Checkpoint:
    """A signed checkpoint: origin, size, root, and lines of ((name, id), signature)."""

    def __init__(self, place, data):
        self.place = place
        try:
            self.parse(data.decode(), len(data))
        except ValueError as error:
            raise Bad(UNREADABLE, f"{place}: {error}") from None

    def parse(self, note, length):
        text, separator, below = note.rpartition("\n\n")
        lines = below[:-1].split("\n")
        if length > 1 << 18 or re.search(r"[\0-\t\x0b-\x1f]", note) or note[-1:] != "\n" or not separator or len(lines) > 100:
            raise ValueError("not a signed note")
        self.text, self.lines = text + "\n", []
        for line in lines:
            dash, name, signature = line.split(" ", 2)
            data = unbase64(signature)
            if dash != "\u2014" or not re.fullmatch(r"[^\s+\x7f]+", name) or len(data) < 5:
                raise ValueError("not a signature line")
            self.lines.append(((name, data[:4]), data[4:]))
        self.origin, size, root = text.split("\n")
        self.size, self.root = int(size), unbase64(root)
        if str(self.size) != size or not 0 <= self.size < 1 << 64 or len(self.root) != 32 or not self.origin:
            raise ValueError("not a checkpoint")

    def signers(self, keys):
        """Indices of the keys that signed; Bad when a line of a known key does not verify, or there is none."""
        pairs = [(at, key, signature) for at, key in enumerate(keys) for who, signature in self.lines if who == key.who]
        try:
            for _, key, signature in pairs:
                key.public.verify(signature, self.text.encode())
        except InvalidSignature:
            raise Bad(ALTERED, f"{self.place}: a signature does not fit") from None
        need(pairs, ANOTHER_KEY, f"{self.place}: no key of this log has signed it")
        return {at for at, _, _ in pairs}


def read_archive(data):
    """Members of a ustar archive by name. Checksums, padding and end are checked: no byte is without meaning."""
    members, at = {}, 0
    while True:
        block = data[at:at + 512]
        need(len(block) == 512, TRUNCATED, "the archive is cut")
        at += 512
        if not any(block):
            need(len(data) - at >= 512 and len(data) % 512 == 0, TRUNCATED, "the end of the archive is cut")
            need(not any(data[at:]), UNREADABLE, "something follows the end")
            return members
        total = sum(block[:148]) + 8 * 32 + sum(block[156:])
        need(block[148:156] == b"%06o\0 " % total, UNREADABLE, "a header's checksum does not fit")
        name, _, rest = block[:100].partition(b"\0")
        size = int(block[124:135], 8) if re.fullmatch(rb"[0-7]{11}\0", block[124:136]) else -1
        kind = block[156:157]
        plain = re.fullmatch(rb"[!-~]+", name) and not any(rest) and not any(block[345:500]) and size >= 0
        need(plain and (kind in b"0\0" or kind == b"5" and size == 0), UNREADABLE, "not a plain file")
        if kind == b"5":
            continue
        end = at + size + -size % 512
        need(end <= len(data), TRUNCATED, "the archive is cut")
        need(not any(data[at + size:end]), UNREADABLE, "padding is not empty")
        need(name.decode() not in members, UNREADABLE, "a member is there twice")
        members[name.decode()] = data[at:at + size]
        at = end


FACTS = {"ledger.open": ["vkey", "origin"], "key.rotate": ["vkey", "epoch"],
         "ledger.restore": ["origin", "epoch", "size", "root", "reason"]}
FORMS = {"vkey": lambda x: isinstance(x, str), "origin": lambda x: isinstance(x, str), "epoch": is_count,
         "size": is_count, "root": lambda x: is_hex(x, 64), "reason": lambda x: is_hex(x, 64)}


def check_leaf(data):
    """A leaf, and whether it makes a version; ValueError when it is not in the one form of a leaf."""
    leaf = canonical(data)
    if not (fields(leaf, ["request"], action=str, actor=dict, at=int, facts=dict, house=str, object=str, request=str,
                   rows=list, seq=int, v=int) and leaf["v"] == 1 and leaf["seq"] >= 0
            and fields(leaf["actor"], ["token"], kind=str, id=str, token=str)
            and all(fields(row, table=str, key=str, op=str, digest=str) and row["op"] in ("put", "del")
                    and re.fullmatch("[a-z0-9_]+", row["table"]) and is_hex(row["digest"], 64) for row in leaf["rows"])
            and (leaf["action"] == "ledger.open") == (leaf["seq"] == 0)):
        raise ValueError("a field is not in its form")
    facts = leaf["facts"]
    if not all(FORMS[name](facts.get(name)) for name in FACTS.get(leaf["action"], [])):
        raise ValueError("the facts are not in their form")
    version = isinstance(facts.get("version"), str) and facts.get("status") in ("finished", "conflict", "quarantined")
    finished = "sequence" in facts
    if version and not (finished == (facts["status"] == "finished") and is_count(facts.get("sequence", 0))
                        and isinstance(facts.get("workspace"), str) and is_hex(facts.get("body"), 64)):
        raise ValueError("a version is not in its form")
    return leaf, version


def lp(data):
    return len(data).to_bytes(4, "big") + data


def check_row(line):
    """An exported row and its digest."""
    row = canonical(line)
    if not fields(row, table=str, key=str, leaf=int, salt=str, columns=dict) or row["leaf"] < 0 or not is_hex(row["salt"], 32):
        raise ValueError("a row is not in its form")
    data = b"statehouse row v1\n" + lp(row["table"].encode()) + lp(bytes.fromhex(row["salt"]))
    for name, cell in sorted(row["columns"].items(), key=lambda column: column[0].encode()):
        data += lp(name.encode())
        if cell is None:
            data += b"n" + lp(b"")
        elif fields(cell, i=int):
            data += b"i" + lp(cell["i"].to_bytes(8, "big", signed=True))
        elif fields(cell, t=str):
            data += b"t" + lp(cell["t"].encode())
        elif fields(cell, b=str) and re.fullmatch("([0-9a-f]{2})*", cell["b"]):
            data += b"b" + lp(bytes.fromhex(cell["b"]))
        else:
            raise ValueError("a column is not in its form")
    return row, sha256(data).hex()


def tile_paths(size):
    """Path, level, start and end of every tile of a tree, entry bundles (level None) first."""
    for level in [None, *range(8)]:
        nodes = size >> 8 * (level or 0)
        for index in range((nodes + 255) // 256):
            groups = re.sub(r"(?<=\d)(?=(\d{3})+$)", "/x", str(index)).split("/x")
            groups = [group.zfill(3) for group in groups]
            path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
            end = min(nodes, 256 * (index + 1))
            kind, partial = "entries" if level is None else level, f".p/{end % 256}" if end % 256 else ""
            yield f"tile/{kind}/{path}{partial}", level, 256 * index, end


class Verifier:
    """One bundle under one trust; `found` collects (code, words)."""

    def __init__(self, vkey=None, anchor=None):
        self.vkey, self.anchor_text, self.found = vkey, anchor, []

    def note(self, code, words):
        self.found.append((code, words))

    def number(self, what, stated, there):
        if stated != there:
            self.note(TRUNCATED if stated > there else UNREADABLE, f"the manifest speaks of {stated} {what}, not {there}")

    def verify(self, data):
        try:
            self.members = read_archive(data)
            self.read_papers()
            self.check_whole()
            if not self.found:
                self.check_entries()
                if self.read_history() and self.check_keys():
                    self.check_ancestry()
                self.check_meaning()
        except Bad as bad:
            self.note(*bad.args)
        return min((code for code, _ in self.found), default=0)

    def under(self, prefix):
        return sorted(name for name in self.members if name.startswith(prefix))

    def read_papers(self):
        for name in ("manifest.json", "checkpoint"):
            need(name in self.members, TRUNCATED, f"{name} is missing")
        try:
            said = self.manifest = canonical(self.members["manifest.json"])
            fine = (fields(said | {"rows": 0}, blobs=int, checkpoints=int, entries=int, format=str, house=str, rows=int)
                    and said["format"] == "statehouse-bundle/1" and (said["rows"] is None or is_count(said["rows"]))
                    and min(said["entries"], said["checkpoints"], said["blobs"]) >= 0)
        except (ValueError, KeyError, TypeError):
            fine = False
        need(fine, UNREADABLE, "the manifest is not in its form")
        self.head = Checkpoint("checkpoint", self.members["checkpoint"])
        self.others = [Checkpoint(name, self.members[name]) for name in self.under("checkpoints/")]
        for paper in self.others:
            need(paper.place[12:].split(".")[0] == str(paper.size), UNREADABLE, f"{paper.place} is of another size")
        self.anchor = Checkpoint("the anchor", self.anchor_text.encode()) if self.anchor_text is not None else None
        self.retained, self.others = self.others, self.others + ([self.anchor] if self.anchor else [])

    def check_whole(self):
        size, rows, blobs = self.head.size, self.under("rows/"), self.under("blobs/")
        known = {"manifest.json", "checkpoint", *rows, *blobs, *self.under("checkpoints/")}
        for path, *_ in tile_paths(size):
            if path not in self.members:
                self.note(TRUNCATED, f"{path} is missing")
                break
            known.add(path)
        if size == 0:
            self.note(TRUNCATED, "the log has no leaf")
        if set(self.members) - known or rows and self.manifest["rows"] is None:
            self.note(UNREADABLE, "members that belong to no such bundle")
        for name, there in (("entries", size), ("checkpoints", len(self.retained)), ("blobs", len(blobs))):
            self.number(name, self.manifest[name], there)

    def check_entries(self):
        self.leaves, hashes, misplaced = {}, [], []
        for path, level, start, end in tile_paths(self.head.size):
            data, entries = self.members[path], []
            while level is None and data:
                length = 2 + int.from_bytes(data[:2], "big")
                need(len(data) >= max(length, 2), TRUNCATED, f"{path} ends in an entry")
                entries.append(data[2:length])
                data = data[length:]
            need(level is not None or len(entries) >= end - start, TRUNCATED, f"{path} has too few entries")
            need(level is not None or len(entries) == end - start, UNREADABLE, f"{path} has too many entries")
            for index, entry in enumerate(entries, start):
                hashes.append(sha256(b"\0", entry))
                try:
                    self.leaves[index] = leaf, _ = check_leaf(entry)
                except ValueError as error:
                    self.note(NOT_CANONICAL, f"leaf {index}: {error}")
                    continue
                misplaced += [(index, leaf["seq"])] if leaf["seq"] != index else []
                if leaf["house"] != self.manifest["house"]:
                    self.note(ALTERED, f"leaf {index} is of another house")
        if misplaced:
            places, numbers = map(sorted, zip(*misplaced))
            permuted = places == numbers and len(self.leaves) == len(hashes)
            self.note(REORDERED if permuted else ALTERED, f"{len(places)} leaves are not in their place")
        self.levels = tree_levels(hashes)
        for path, level, start, end in tile_paths(self.head.size):
            if level is not None and self.members[path] != b"".join(self.levels[8 * level][start:end]):
                self.note(ALTERED, f"{path} is not what the entries give")
        need(root_at(self.levels, self.head.size) == self.head.root, ALTERED, "the entries do not hash to the root")

    def read_history(self):
        """Keys with the leaves that brought them, and origins with (start, size and root declared last of the one before)."""
        self.keys, self.starts, self.origins, self.reigns = [], [], [], []
        for index, (leaf, _) in self.leaves.items():
            facts, action = leaf["facts"], leaf["action"]
            try:
                if 0 not in self.leaves or (index == 0) != (action == "ledger.open") and (not index or action in FACTS):
                    raise ValueError("a log is opened once, at its start")
                if "vkey" in FACTS.get(action, []):
                    self.keys.append(Key(facts["vkey"]))
                    self.starts.append(index)
                if "origin" in FACTS.get(action, []):
                    parts = facts["origin"].split("/")
                    if parts[0::2] != ["statehouse", self.manifest["house"]] or len(parts) != 4 or facts["origin"] in self.origins:
                        raise ValueError("not a new origin of this house")
                    self.origins.append(facts["origin"])
                    self.reigns.append((index, facts.get("size"), facts.get("root")))
            except ValueError as error:
                self.note(NOT_CANONICAL, f"leaf {index}: {error}")
                return False
        if not self.keys:
            self.note(NOT_CANONICAL, "a log is opened at its start")
        return bool(self.keys)

    def claim(self, paper):
        """What a checkpoint is in view of the origins: line, lost, beyond or foreign."""
        at = self.origins.index(paper.origin) if paper.origin in self.origins else None
        if at is None or at > 0 and paper.size <= self.reigns[at][0]:
            return "foreign"
        if at + 1 == len(self.origins):
            return "beyond" if paper.size > self.head.size else "line"
        start, size, root = self.reigns[at + 1]
        if paper.size <= start:
            return "line"
        return "lost" if paper.size < size or (paper.size, paper.root.hex()) == (size, root) else "foreign"

    def key_at(self, size):
        return max((place for place, start in enumerate(self.starts) if start < size), default=0)

    def check_keys(self):
        if self.vkey is not None and self.vkey not in [key.text for key in self.keys]:
            self.note(ANOTHER_KEY, "the log never had the trusted key")
            return False
        self.believed = []
        line = [paper for paper in [self.head, *self.retained] if self.claim(paper) == "line"]
        for paper in [self.head, *self.others]:
            try:
                good = paper.signers(self.keys)
                self.believed += [paper] if paper is not self.head else []
                before = max((other.size for other in line if other.size < paper.size), default=0)
                wanted = range(self.key_at(before), self.key_at(paper.size) + 1) if paper in line else []
                need(good.issuperset(wanted), ANOTHER_KEY, f"{paper.place}: a key that had to sign did not")
            except Bad as bad:
                self.note(*bad.args)
                if paper is self.head:
                    return False
        return True

    def check_ancestry(self):
        if self.head.origin != self.origins[-1]:
            self.note(FORKED, "the newest checkpoint is of another origin")
        for paper in self.believed:
            claim = self.claim(paper)
            if claim == "beyond":
                self.note(OLDER if paper is self.anchor else TRUNCATED, f"{paper.place} is beyond the bundle")
            elif claim == "foreign" or claim == "line" and root_at(self.levels, paper.size) != paper.root:
                self.note(FORKED, f"{paper.place} is signed and not a prefix of this log")

    def check_meaning(self):
        """Versions without gap, rows as the leaves last wrote them, bodies that leaves know."""
        bodies, last, written, seen = set(), {}, {}, set()
        for index, (leaf, version) in self.leaves.items():
            for row in leaf["rows"]:
                written[row["table"], row["key"]] = (index, row["digest"]) if row["op"] == "put" else None
            bodies |= {leaf["facts"]["body"]} if version else set()
            if version and leaf["facts"]["status"] == "finished":
                workspace, sequence = leaf["facts"]["workspace"], leaf["facts"]["sequence"]
                if sequence != last.get(workspace, 0) + 1:
                    self.note(GAP, f"leaf {index}: version {sequence} after {last.get(workspace, 0)}")
                last[workspace] = sequence
        for name in self.under("blobs/"):
            digest = name[6:]
            if not is_hex(digest, 64):
                self.note(UNREADABLE, f"{name} is not named by a digest")
            elif sha256(self.members[name]).hex() != digest or digest not in bodies:
                self.note(ALTERED, f"{name} is not a body that a leaf knows")
        if self.manifest["rows"] is None:
            return
        for number in range(len(self.under("rows/"))):
            need(f"rows/{number}.jsonl" in self.members, TRUNCATED, f"rows/{number}.jsonl is missing")
            *lines, rest = self.members[f"rows/{number}.jsonl"].split(b"\n")
            need(not rest, UNREADABLE, "a line has no end")
            for line in lines:
                try:
                    row, digest = check_row(line)
                except ValueError as error:
                    self.note(UNREADABLE, f"row {line!r}: {error}")
                    continue
                key = row["table"], row["key"]
                if written.get(key) != (row["leaf"], digest) or key in seen:
                    self.note(ALTERED, f"row {key} is not what the leaves wrote")
                seen.add(key)
        if not seen.issuperset(key for key, row in written.items() if row):
            self.note(ALTERED, "rows are missing")
        self.number("rows", self.manifest["rows"], len(seen))


def main(arguments):
    if arguments == ["--batch"]:
        cases = json.load(sys.stdin)
        print([Verifier(case["vkey"], case["anchor"]).verify(open(case["path"], "rb").read()) for case in cases])
        return 0
    options = dict(zip(arguments[:-1:2], arguments[1:-1:2]))
    anchor = open(options["--anchor"], encoding="utf-8").read() if "--anchor" in options else None
    verifier = Verifier(options.get("--vkey"), anchor)
    code = verifier.verify(open(arguments[-1], "rb").read())
    print(*(f"{kind} {words}" for kind, words in verifier.found), sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
