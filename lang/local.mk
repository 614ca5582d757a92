# The cell language: one convenience library over the runtime. One file a line.
noinst_LTLIBRARIES += liblang.la
liblang_la_SOURCES = \
	%reldir%/arena.c \
	%reldir%/arena.h \
	%reldir%/ast.h \
	%reldir%/attributes.def \
	%reldir%/builtins.def \
	%reldir%/builtins.h \
	%reldir%/checker.h \
	%reldir%/diagnostic.h \
	%reldir%/diagnostics.def \
	%reldir%/format_spec.h \
	%reldir%/lang.h \
	%reldir%/nodes.def \
	%reldir%/source.c \
	%reldir%/source.h \
	%reldir%/types.h
