# SPDX-License-Identifier: MIT
"""Completion inside `%%rustorch` cells, for both of IPython's interfaces."""
import re

_CELL = re.compile(r"\s*%%rustorch\b[^\n]*\n?")
_LINE = re.compile(r"\s*%rustorch\b ?")
_installed = {}


def _place(text, cursor):
    """(source, cursor inside it), or None outside RusTorch code."""
    for pattern in (_CELL, _LINE):
        head = pattern.match(text)
        if head and cursor >= head.end():
            return text[head.end():], cursor - head.end()
    return None


def _offset(context):
    lines = context.full_text.split("\n")
    return sum(len(s) + 1 for s in lines[:context.cursor_line]) + context.cursor_position


def install(ip, magics):
    """Adds the matcher; IPython before 8.6 gets a hook instead."""
    remove(ip)
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:
        _install_hook(ip, magics)
        return

    @context_matcher(identifier="rustorch")
    def rustorch_matcher(context):
        place = _place(context.full_text, _offset(context))
        if place is None:
            return {"completions": []}
        source, cursor = place
        items, start, _ = magics.session.complete(source, cursor)
        return {"completions": [SimpleCompletion(text=t, type=kind) for t, kind, _ in items],
                "matched_fragment": source[start:cursor], "suppress": True,
                "ordered": True}

    ip.Completer.custom_matchers.append(rustorch_matcher)
    _installed[id(ip)] = rustorch_matcher


def _install_hook(ip, magics):
    def hook(shell, event):
        place = _place(event.text_until_cursor, len(event.text_until_cursor))
        if place is None:
            return []
        source, cursor = place
        items, start, _ = magics.session.complete(source, cursor)
        word = source[start:cursor]
        prefix = event.symbol[:len(event.symbol) - len(word)] if word else event.symbol
        return [prefix + t for t, _, _ in items]
    ip.set_hook("complete_command", hook, re_key=r"\s*%%?rustorch")


def remove(ip):
    """Takes the matcher away."""
    matcher = _installed.pop(id(ip), None)
    if matcher in getattr(ip.Completer, "custom_matchers", []):
        ip.Completer.custom_matchers.remove(matcher)
