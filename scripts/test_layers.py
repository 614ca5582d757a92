# SPDX-License-Identifier: MIT
"""The layer law (docs/architecture.md) as a test: every #include of ours obeys
scripts/layers.txt, and the folders form no circle."""
import os
import re
import sys
from pathlib import Path

TOP = Path(os.environ.get("RUSTORCH_SRCDIR", Path(__file__).resolve().parent.parent))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def read_law():
    allowed, system = {}, {}
    for line in (TOP / "scripts/layers.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "!":
            system[words[1]] = set(words[2:])
        else:
            allowed[words[0]] = set(words[1:])
    return allowed, system


def folder_of(path, allowed):
    """The longest folder of the law that holds the path."""
    parents = [str(p) for p in Path(path).parents]
    for p in parents:
        if p in allowed:
            return p
    return None


def is_public(path):
    return path == "runtime/rustorch.h" or path.endswith(".def")


def breaks(path, kind, name, allowed, system):
    """Why this include breaks the law, or None."""
    here = folder_of(path, allowed)
    if kind == "<":
        for prefix, folders in system.items():
            if name.startswith(prefix) and here not in folders:
                return f"only {', '.join(sorted(folders))} may include <{prefix}>"
        return None
    if is_public(name):
        return None if here != "kernel/protocol" else "protocol knows no runtime"
    if name == "config.h" or name in allowed[here]:
        return None
    there = folder_of(name, allowed)
    if there is None:
        return f'"{name}" is not a full path from the top'
    if there == here or there in allowed[here]:
        return None
    return f"{here} may not include {there}"


def main():
    allowed, system = read_law()
    seen, bad = 0, []
    for pattern in ("runtime", "lang", "kernel", "python"):
        for path in sorted((TOP / pattern).rglob("*.[ch]")):
            relative = str(path.relative_to(TOP))
            for kind, name in INCLUDE.findall(path.read_text()):
                seen += 1
                why = breaks(relative, kind, name, allowed, system)
                if why:
                    bad.append(f"{relative}: {name}: {why}")
    print("\n".join(bad))
    print(f"{seen - len(bad)} passed, {len(bad)} failed")
    return bool(bad) or not seen


if __name__ == "__main__":
    sys.exit(main())
