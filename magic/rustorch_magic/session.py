# SPDX-License-Identifier: MIT
"""A session of the cell language with Python as its host."""
import sys

from rustorch import _C, errors


class CellError(Exception):
    """A cell that failed; the text shows the place with a caret."""


def exception_of(failure):
    """The Python exception of a cell's failure: the class of the same name in
    rustorch.errors where there is one."""
    if failure["ename"] == "KeyboardInterrupt":
        return KeyboardInterrupt()
    base = getattr(errors, failure["ename"], None)
    cls = type(failure["ename"], (CellError, base), {}) \
        if isinstance(base, type) and issubclass(base, Exception) else CellError
    error = cls(failure["text"])
    error.line, error.column = failure["line"], failure["column"]
    error.ename, error.evalue, error.trace = (
        failure["ename"], failure["evalue"], failure["trace"])
    error._render_traceback_ = lambda: failure["ansi"].split("\n")
    return error


class Host:
    """What a session asks of Python. `namespace` is the notebook's; `capture`
    maps a stream to a list that takes its text instead of the terminal."""

    def __init__(self, shell=None):
        self.shell = shell
        self.namespace = {}
        self.capture = {}

    def stream(self, fd, text):
        """Printed text, from the calling thread, in order."""
        if fd in self.capture:
            self.capture[fd].append(text)
        else:
            (sys.stderr if fd == 2 else sys.stdout).write(text)

    def display(self, bundle, display_id, update):
        """Shows or redraws a MIME bundle."""
        data, metadata = mime(bundle)
        if self.shell is None:
            sys.stdout.write(data.get("text/plain", "") + "\n")
            return
        publish = self.shell.display_pub.publish
        transient = {"display_id": display_id} if display_id else {}
        try:
            publish(data=data, metadata=metadata, transient=transient, update=bool(update))
        except TypeError:       # front ends without updates
            publish(data=data, metadata=metadata)

    def clear_output(self, wait):
        """Clears the cell's output."""
        if self.shell is not None:
            self.shell.display_pub.clear_output(wait=bool(wait))

    def page(self, bundle):
        """Help, in the pager where there is one."""
        self.display(bundle, None, False)

    def input(self, prompt, password):
        """A line from the user."""
        if password:
            import getpass
            return getpass.getpass(prompt)
        return input(prompt)

    def set_next_input(self, text, replace):
        """Puts text into the next cell."""
        if self.shell is not None:
            self.shell.set_next_input(text, replace=bool(replace))

    def lookup(self, name):
        """A name of the notebook; KeyError where it has none."""
        return self.namespace[name]


def mime(bundle):
    """(data, metadata) as Jupyter takes them: binary parts in base64."""
    import base64
    parts, width, height = bundle
    data = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v
            for k, v in parts.items()}
    metadata = {k: {"width": width, "height": height}
                for k in data if width and k.startswith("image/")}
    return data, metadata


_default = None


def default_session():
    """The session that `rust` uses when no notebook has one."""
    global _default
    if _default is None:
        host = Host()
        _default = _C.Session(host), host
    return _default


def adopt(session, host):
    """Makes a notebook's session the default one."""
    global _default
    _default = session, host


def rust(code, **variables):
    """Runs code in the session and returns what it printed."""
    session, host = default_session()
    for name, value in variables.items():
        session.set(name, value)
    printed, before = [], host.capture
    host.capture = {**before, 1: printed}
    try:
        outcome = session.execute(code)
    finally:
        host.capture = before
    if not outcome["ok"]:
        raise exception_of(outcome["failure"])
    return "".join(printed)
