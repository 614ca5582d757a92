# SPDX-License-Identifier: MIT
"""A Pygments lexer for the cell language; Pygments loads it by entry point."""
from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (Comment, Keyword, Name, Number, Operator,
                            Punctuation, String, Text)

from . import _C

CONSTANTS = ("true", "false", "None", "True", "False")
TYPES = ("bool", "int", "float", "string", "void", "double", "long", "char", "size_t",
         "Tensor", "Module", "Optimizer", "Scheduler", "Dataset", "DataLoader",
         "Function", "Generator", "History", "Plot", "dtype")
WORDS = ("module", "no_grad", "in", "fn", "mut", "use", "loop")   # words in their place only


def builtins():
    rows = _C._op_rows() + _C._layer_rows()
    names = {row["name"] for row in rows} | set(_C._cell_builtins())
    names |= {row[0] for row in [*_C._optim_rows(), *_C._schedule_rows()]}
    return sorted(name for name in names if name.isidentifier())


class RusTorchLexer(RegexLexer):
    """The language of RusTorch's cells and .rt files."""
    name = "RusTorch"
    aliases = ["rustorch"]
    filenames = ["*.rt"]
    mimetypes = ["text/x-rustorch"]
    url = ""

    tokens = {
        "root": [
            (r"^(\s*)(%%?[A-Za-z_]\w*)", bygroups(Text, Name.Decorator)),
            (r"^(\s*)(#\s*include)(.*)", bygroups(Text, Comment.Preproc, String)),
            (r"\s+", Text),
            (r"//[^\n]*", Comment.Single),
            (r"/\*", Comment.Multiline, "comment"),
            (r'"', String, "string"),
            (r"'(\\.[^']*|[^'\\\n])'", String.Char),
            (r"0[xX][0-9a-fA-F_]+|0[bB][01_]+", Number),
            (r"(\d[\d_]*\.(?!\.)[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?[fF]?|\d[\d_]*[eE][+-]?\d+",
             Number.Float),
            (r"\d[\d_]*", Number.Integer),
            (r"[A-Za-z_]\w*!(?!=)", Name.Builtin),
            (words(CONSTANTS, prefix=r"\b", suffix=r"\b"), Keyword.Constant),
            (words(TYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (words((*_C._cell_keywords(), *WORDS), prefix=r"\b", suffix=r"\b"), Keyword),
            (words(builtins(), prefix=r"\b", suffix=r"\b(?=\s*\()"), Name.Builtin),
            (r"[A-Za-z_]\w*", Name),
            (r"[-+*/%@<>=!~&|^?:.]+", Operator),
            (r"[()\[\]{};,]", Punctuation),
        ],
        "comment": [
            (r"[^*]+", Comment.Multiline),
            (r"\*/", Comment.Multiline, "#pop"),
            (r"\*", Comment.Multiline),
        ],
        "string": [
            (r'"', String, "#pop"),
            (r"\\.", String.Escape),
            (r'[^"\\]+', String),
        ],
    }
