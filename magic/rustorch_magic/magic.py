# SPDX-License-Identifier: MIT
"""`%%rustorch` and `%rustorch`."""
import sys
import time

from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope
from IPython.core.magic_arguments import (
    argument, magic_arguments, parse_argstring,
)
from rustorch import _C

from .session import Host, adopt, exception_of, mime

_ABSENT = object()


def _names(options):
    """["a,b", "c"] -> ["a", "b", "c"]; an expression keeps its commas."""
    out = []
    for option in options or ():
        if "=" in option:
            out.append(option)
        else:
            out += [n.strip() for n in option.split(",") if n.strip()]
    return out


@magics_class
class RustorchMagics(Magics):
    """The cell language in this process, sharing the notebook's variables."""

    def __init__(self, shell):
        super().__init__(shell)
        self.host = Host(shell)
        self.session = _C.Session(self.host)
        self.shared = {}        # name -> the object the notebook was given
        adopt(self.session, self.host)

    @needs_local_scope
    @magic_arguments()
    @argument("-i", "--input", action="append", metavar="NAMES",
              help="names to hand in, a,b or x=expression; without --no-share every name "
                   "of the notebook is visible anyhow. Tensors and arrays share memory.")
    @argument("-o", "--output", action="append", metavar="NAMES",
              help="names to hand out; without --no-share all top-level declarations are.")
    @argument("--out", metavar="VAR", help="put the printed text into a variable")
    @argument("--err", metavar="VAR", help="put the text printed to stderr into a variable")
    @argument("--no-share", action="store_true", help="share only what -i and -o name")
    @argument("--time", action="store_true", help="print how long the cell took")
    @argument("-n", "--no-return", action="store_true", help="do not show the last value")
    @argument("expression", nargs="*", help="%%rustorch as a line: an expression to evaluate")
    @line_cell_magic
    def rustorch(self, line, cell=None, local_ns=None):
        """Runs a cell (or, as a line magic, an expression) of the RusTorch
        language. Tensors and arrays are shared with Python by reference."""
        namespace = self.shell.user_ns if local_ns is None else \
            {**self.shell.user_ns, **local_ns}
        if cell is None:
            self._prepare(namespace)
            return self._finish(self.session.evaluate(line), False)
        args = parse_argstring(self.rustorch, line)
        if args.expression:
            raise _C.ArgumentError("%%rustorch: unexpected " + repr(" ".join(args.expression)) +
                                   "; the code goes below this line (see %%rustorch?)")
        return self._cell(args, cell, namespace)

    def _cell(self, args, cell, namespace):
        self._prepare({} if args.no_share else namespace)
        for item in _names(args.input):
            name, _, expression = item.partition("=")
            self._hand_in(name.strip(), expression, namespace)
        captured = {fd: [] for fd, var in ((1, args.out), (2, args.err)) if var}
        self.host.capture = captured
        start = time.perf_counter()
        try:
            outcome = self.session.execute(cell, self.shell.execution_count)
        finally:
            self.host.capture = {}
            self._hand_out(_names(args.output), not args.no_share)
            for fd, var in ((1, args.out), (2, args.err)):
                if var:
                    self.shell.user_ns[var] = "".join(captured[fd])
        if args.time:
            print(f"time: {(time.perf_counter() - start) * 1e3:.2f} ms")
        return self._finish(outcome, args.no_return)

    def _hand_in(self, name, expression, namespace):
        if expression:
            value = eval(expression, namespace)
        elif name in namespace:
            value = namespace[name]
        else:
            raise _C.UnknownNameError(f"%%rustorch -i {name}: the notebook has no such name")
        self.session.set(name, value)

    def _prepare(self, namespace):
        """Names the notebook has bound anew are no longer the session's."""
        self.host.namespace = namespace
        for name, known in list(self.shared.items()):
            if namespace.get(name, known) is not known:
                self.session.unset(name)
                del self.shared[name]

    def _hand_out(self, wanted, share):
        """Declarations appear in the notebook, also after a cell that failed."""
        declared = self.session.declared()
        known = {name for name, kind, _ in self.session.names()
                 if kind not in ("function", "module", "class")}
        names = set(wanted)
        if share:
            names |= set(self.shared) | set(declared)
        for name in names:
            if name not in known:
                if name in wanted:
                    raise _C.UnknownNameError(f"%%rustorch -o {name}: the cell has no such "
                                              "variable")
                continue
            value = self.session.get(name)
            before = self.shared.get(name, _ABSENT)
            if before is not value:
                self.shell.user_ns[name] = value
            self.shared[name] = value
        sys.stdout.flush()

    def _finish(self, outcome, silent):
        if not outcome["ok"]:
            raise exception_of(outcome["failure"]) from None
        if silent or not outcome["has_value"]:
            return None
        value = outcome["value"]
        if isinstance(value, _C.CellValue):
            data, metadata = mime(outcome["bundle"])
            self.shell.display_pub.publish(data=data, metadata=metadata)
            return None
        return value
