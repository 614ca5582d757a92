# The cell language: one convenience library over the runtime. One file a line.
noinst_LTLIBRARIES += liblang.la
liblang_la_SOURCES = \
	%reldir%/arena.c \
	%reldir%/arena.h \
	%reldir%/ast.h \
	%reldir%/ast_print.c \
	%reldir%/attributes.def \
	%reldir%/builtins.def \
	%reldir%/builtins.h \
	%reldir%/checker.h \
	%reldir%/declarations.c \
	%reldir%/diagnostic.c \
	%reldir%/diagnostic.h \
	%reldir%/diagnostics.def \
	%reldir%/foreign.def \
	%reldir%/format_spec.h \
	%reldir%/lang.h \
	%reldir%/lexer.c \
	%reldir%/lexer.h \
	%reldir%/nodes.def \
	%reldir%/parser.c \
	%reldir%/parser.h \
	%reldir%/source.c \
	%reldir%/source.h \
	%reldir%/statements.c \
	%reldir%/token.def \
	%reldir%/types.c \
	%reldir%/types.h
