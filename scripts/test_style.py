# SPDX-License-Identifier: MIT
"""The house style's numbers (docs/contributing.md) as a test.

Fails on: a .c file over 800 lines or a .h over 250 (exceptions below, by name,
which only shrink), a function over 100 lines, tabs, trailing blanks, a missing
SPDX line, marks of unfinished work, what editors and patch leave behind. Prints
the medians.
"""
import os
import re
import statistics
import sys
from pathlib import Path

TOP = Path(os.environ.get("RUSTORCH_SRCDIR", Path(__file__).resolve().parent.parent))
FOLDERS = ("runtime", "lang", "kernel", "python", "magic", "tests", "scripts")
LONG_FILES = {"runtime/rustorch.h": 900, "lang/lang.h": 300, "lang/ast.h": 300}
LONG_FUNCTIONS = {"lang/vm.c": 900}
LEFT_BEHIND = {".orig", ".rej", ".bak", ".swp"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def functions(text):
    """(name, lines) of each function: `{` alone in column 0 to `}` in column 0."""
    lines = text.splitlines()
    start, name = None, ""
    for i, line in enumerate(lines):
        if line == "{" and start is None:
            head = " ".join(lines[max(0, i - 4):i])
            found = re.findall(r"(\w+)\s*\(", head)
            start, name = i, found[-1] if found else "?"
        elif line.startswith("}") and start is not None:
            yield name, i - start + 1
            start = None


def problems(path, relative, text):
    lines = text.count("\n")
    limit = LONG_FILES.get(relative, {".c": 800, ".h": 250}.get(path.suffix, 800))
    if lines > limit:
        yield f"{lines} lines, at most {limit}: split it by topic"
    if "SPDX-License-Identifier: MIT" not in text[:200]:
        yield "no SPDX line at its top"
    if re.search(r"[ \t]+$", text, re.M):
        yield "blanks at a line's end"
    if path.suffix in (".c", ".h", ".py") and "\t" in text:
        yield "a tab"
    for mark in UNFINISHED.findall(text):
        yield f"a mark of unfinished work: {mark}"


def main():
    sizes, bad, seen = [], [], 0
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in LEFT_BEHIND:
                seen += 1
                bad.append(f"{path.relative_to(TOP)}: left behind by an editor or patch")
            if path.suffix not in (".c", ".h", ".py") or "__pycache__" in path.parts:
                continue
            seen += 1
            relative = str(path.relative_to(TOP))
            text = path.read_text()
            bad += [f"{relative}: {p}" for p in problems(path, relative, text)]
            if path.suffix == ".c" and not relative.startswith("tests"):
                found = list(functions(text))
                sizes += [n for _, n in found]
                limit = LONG_FUNCTIONS.get(relative, 100)
                bad += [f"{relative}: {name} has {n} lines, at most {limit}"
                        for name, n in found if n > limit]
    sizes.sort()
    if sizes:
        print(f"functions: {len(sizes)}, median {statistics.median(sizes)}, "
              f"p95 {sizes[int(len(sizes) * .95)]}, longest {sizes[-1]} lines")
    print("\n".join(bad))
    print(f"{seen - len(set(b.split(':')[0] for b in bad))} passed, "
          f"{len(set(b.split(':')[0] for b in bad))} failed")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
