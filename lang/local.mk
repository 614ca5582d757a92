# The cell language: one convenience library over the runtime. One file a line.
noinst_LTLIBRARIES += liblang.la
liblang_la_SOURCES = \
	%reldir%/arena.c \
	%reldir%/arena.h \
	%reldir%/ast.h \
	%reldir%/ast_print.c \
	%reldir%/attributes.def \
	%reldir%/builtins.c \
	%reldir%/builtins.def \
	%reldir%/builtins.h \
	%reldir%/check.h \
	%reldir%/check_call.c \
	%reldir%/check_define.c \
	%reldir%/check_expr.c \
	%reldir%/check_match.c \
	%reldir%/checker.c \
	%reldir%/checker.h \
	%reldir%/complete.c \
	%reldir%/declarations.c \
	%reldir%/diagnostic.c \
	%reldir%/diagnostic.h \
	%reldir%/diagnostics.def \
	%reldir%/foreign.def \
	%reldir%/format_spec.c \
	%reldir%/format_spec.h \
	%reldir%/inspect.c \
	%reldir%/is_complete.c \
	%reldir%/lang.h \
	%reldir%/lexer.c \
	%reldir%/lexer.h \
	%reldir%/magics.def \
	%reldir%/nodes.def \
	%reldir%/parser.c \
	%reldir%/parser.h \
	%reldir%/place.c \
	%reldir%/place.h \
	%reldir%/scope.c \
	%reldir%/scope.h \
	%reldir%/source.c \
	%reldir%/source.h \
	%reldir%/statements.c \
	%reldir%/suggest.c \
	%reldir%/suggest.h \
	%reldir%/symbols.c \
	%reldir%/token.def \
	%reldir%/types.c \
	%reldir%/types.h
