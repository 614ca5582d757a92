# The kernel: libkernel.la is all of it but main and the language, so that the
# same front and compute process run over the language's double in tests.
noinst_LTLIBRARIES += libkernel.la
libkernel_la_SOURCES = \
	%reldir%/bundle.c %reldir%/bundle.h \
	%reldir%/checkpoint.c %reldir%/checkpoint.h \
	%reldir%/compute.c %reldir%/compute.h \
	%reldir%/crash.c %reldir%/crash.h \
	%reldir%/execute.c \
	%reldir%/front.c %reldir%/front.h \
	%reldir%/guard.c %reldir%/guard.h \
	%reldir%/handlers.def \
	%reldir%/history.c %reldir%/history.h \
	%reldir%/kernelspec.c %reldir%/kernelspec.h \
	%reldir%/iopub.c %reldir%/iopub.h \
	%reldir%/magic.c \
	%reldir%/revive.c \
	%reldir%/link.c %reldir%/link.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/outlet.c %reldir%/outlet.h \
	%reldir%/output.c %reldir%/output.h \
	%reldir%/queue.c %reldir%/queue.h \
	%reldir%/relay.c %reldir%/relay.h \
	%reldir%/replies.c \
	%reldir%/router.c %reldir%/router.h \
	%reldir%/scene.c %reldir%/scene.h \
	%reldir%/shell.c %reldir%/shell.h \
	%reldir%/spill.c %reldir%/spill.h \
	%reldir%/stream.c %reldir%/stream.h \
	%reldir%/supervise.c %reldir%/supervise.h \
	%reldir%/turns.c %reldir%/turns.h \
	%reldir%/twin.c %reldir%/twin.h \
	%reldir%/text.c %reldir%/text.h
libkernel_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
libkernel_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libkernel_la_LIBADD = libprotocol.la

bin_PROGRAMS += rustorch rustorch-kernel
rustorch_SOURCES = %reldir%/command.c
rustorch_LDADD = libkernel.la liblang.la libruntime.la
rustorch_kernel_SOURCES = %reldir%/main.c
rustorch_kernel_LDADD = libkernel.la liblang.la libruntime.la

include tests/kernel/local.mk
