#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Whatever files of records scripts/costs is given, in any number and order, some
# empty, some cut off, some of several measurements: each row comes out once, with the
# conditions of its own measurement.  SEED draws the same again.

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import random
import sys
import tempfile

ROUNDS = 300
ALLOCATORS = ["kmalloc", "slab", "slab_bulk", "pages"]
ARGUMENTS = ["", " size=64", " size=256 ctor=yes", " order=3"]
PATTERNS = {"pair": ["pair", "alloc", "free"], "lifo": ["alloc", "free"],
            "random": ["alloc"], "remote": []}

sys.dont_write_bytecode = True
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
loader = importlib.machinery.SourceFileLoader("costs", "scripts/costs")
costs = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("costs", loader))
loader.exec_module(costs)


def run(*args):
    """Exit code, lines of stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = costs.main(*args)
        except SystemExit as end:
            code = end.code
    return code, out.getvalue().splitlines(), err.getvalue()


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.serial = 0
        self.left = [(init, allocator, args, pattern)
                     for init in "01" for allocator in ALLOCATORS
                     for args in ARGUMENTS for pattern in PATTERNS]
        rng.shuffle(self.left)

    def record(self, init, allocator, args, pattern):
        """The lines of a command, and the rows that it stands for."""
        text = (f"@ allocator={allocator}{args} pattern={pattern}\nstatus ok\n"
                f"nr_objects_per_call 1\nunit insns\n")
        rows = {}
        for call in PATTERNS[pattern]:
            self.serial += 1
            text += (f"whole.{call} nr_runs=4 min_insns=1"
                     f" p50_insns={self.serial} low95_insns=1 high95_insns=9\n"
                     f"path.{call}.1 cost_insns={self.serial} nr=7\n")
            rows[str(self.serial)] = (init, allocator, args.strip() or "-",
                                      pattern, call)
        return text, rows

    def measurement(self, text, ends):
        """One more in a file; where each command ends goes to ends, with its rows."""
        init = self.rng.choice("01")
        mine = [key for key in self.left if key[0] == init]
        mine = mine[:self.rng.randrange(5)]
        lines = ["fingerprint kernel 6.1\n", f"fingerprint init_on_alloc {init}\n"]
        self.rng.shuffle(lines)
        text += f"@@ {len(mine)}\n" + "".join(lines)
        for key in mine:
            self.left.remove(key)
            record, rows = self.record(*key)
            text += record
            ends.append((len(text), key == mine[-1], rows))
        return text

    def file(self, damage=True):
        """Its text, and the rows that must come of it."""
        text, ends = "", []
        for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
            text = self.measurement(text, ends)
        if damage and self.rng.random() < 0.1:
            text = ""
        elif damage and self.rng.random() < 0.3:
            # In a line: between two lines only the number of commands tells.
            text = text[:self.rng.randrange(len(text))].rstrip("\n")
        # A command is whole if something follows it, or if it is the last that
        # was to come.
        rows = {}
        for end, last, some in ends:
            if end < len(text) or end == len(text) and last:
                rows.update(some)
        return text, rows


def write(number, text):
    name = os.path.join(directory, f"{number} records")
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


def round_of(rng):
    """What is wrong, if anything, with a table of generated files."""
    generator = Generator(rng)
    names, wanted = [], {}
    for number in range(rng.randrange(1, 7)):
        text, rows = generator.file()
        names.append(write(number, text))
        wanted.update(rows)
    rng.shuffle(names)
    code, lines, said = run("tsv", *names)
    if not wanted:
        return None if code == 2 and not lines else f"{code} for nothing: {lines}"
    if code:
        return f"exit code {code}: {said}"
    found = {}
    for line in lines[lines.index(costs.HEADER) + 1:-1]:
        cells = dict(zip(costs.COLUMNS, line.split("\t")))
        if cells["mean"] in found:
            return f"twice: {line}"
        found[cells["mean"]] = tuple(cells[name] for name in costs.KEY)
        if cells["paths"] != cells["mean"] + "x7":
            return f"cells of two rows: {line}"
    if found != wanted:
        return f"rows {sorted(found.items())}, not {sorted(wanted.items())}"
    return None


def properties(rng):
    for number in range(ROUNDS):
        wrong = round_of(rng)
        if wrong:
            print(f"# round {number}: {wrong}")
            return False
    return True


def refused(code, text, *args):
    """Whether that is refused, in these words and without half a table."""
    got = run(*args)
    if got[0] == code and text in got[2] and not got[1]:
        return True
    print(f"# {got}, not {code} {text}")
    return False


def twice(rng):
    """One row in two files, and in one table."""
    text, _ = Generator(rng).record("1", "slab", " size=64", "pair")
    text = "fingerprint init_on_alloc 1\n" + text
    names = [write(number, text) for number in range(2)]
    where = f"{names[1]}:2: there is a row of 1 slab size=64 pair pair in {names[0]}:2"
    if not refused(2, where, "tsv", *names):
        return False
    lines = run("tsv", names[0])[1]
    good = write("good", "\n".join(lines) + "\n")
    lines[-1:] = [lines[-2], f"# end\t{len(lines) - 2}"]
    table = write("table", "\n".join(lines) + "\n")
    where = f"{table}:{len(lines) - 1}: there is a row of 1 slab size=64 pair free"
    return (refused(2, where, "show", table) and
            refused(2, where, "compare", table, good) and
            refused(2, where, "compare", good, table))


def conditions(rng):
    """Other conditions, fewer or more of them, and none."""
    record = Generator(rng).record("1", "slab", "", "lifo")[0]
    init = "fingerprint init_on_alloc 1\n"
    kernel = "fingerprint kernel 6.1\n"
    other = Generator(rng).record("1", "kmalloc", "", "lifo")[0]
    first = write("first", init + kernel + record)
    for text, wrong in ((init + "fingerprint kernel 6.12\n", "kernel: 6.12, not 6.1"),
                        (init, "kernel: not given, not 6.1"),
                        (init + kernel + "fingerprint cpu a\n", "cpu: a, not not given")):
        second = write("second", text + other)
        if not refused(3, f"{second} differs in {wrong}", "tsv", first, second):
            return False
    second = write("second", kernel + other)
    return refused(2, f"{second}:2: nothing says what init_on_alloc was",
                   "tsv", first, second)


seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
print("TAP version 13\n1..3")
print(f"# seed {seed}")
bad = 0
with tempfile.TemporaryDirectory() as directory:
    for number, test in enumerate((properties, twice, conditions), 1):
        ok = test(random.Random(seed))
        print(f"{'' if ok else 'not '}ok {number} records.{test.__name__}")
        bad |= not ok
sys.exit(bad)
