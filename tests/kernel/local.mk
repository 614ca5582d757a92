# The kernel's tests. double-kernel is the kernel over tests/kernel/double.c;
# the pytest files drive it and rustorch-kernel through jupyter_client.
check_PROGRAMS += double-kernel double-rustorch
double_rustorch_SOURCES = kernel/command.c %reldir%/double.c
double_rustorch_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
double_rustorch_LDADD = libkernel.la -lpthread
double_kernel_SOURCES = kernel/main.c %reldir%/double.c
double_kernel_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
double_kernel_LDADD = libkernel.la -lpthread

# Faults for the torture tests: preloaded into the kernel.
check_LTLIBRARIES += poison.la
poison_la_SOURCES = %reldir%/poison.c
poison_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
poison_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
poison_la_LIBADD = -ldl -lpthread

kernel_tests = \
	%D%/test_bounds %D%/test_connection %D%/test_history %D%/test_hostile %D%/test_outlet \
	%D%/test_relay %D%/test_replay %D%/test_sign %D%/test_spill \
	%D%/test_stream %D%/test_wire
check_PROGRAMS += $(kernel_tests)
TESTS += $(kernel_tests)
%C%_test_bounds_LDADD = libprotocol.la $(ZMQ_LIBS)
%C%_test_bounds_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZMQ_CFLAGS)
%C%_test_connection_LDADD = libprotocol.la
%C%_test_history_LDADD = libkernel.la
%C%_test_history_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_test_hostile_LDADD = libkernel.la
%C%_test_hostile_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_test_outlet_LDADD = libkernel.la $(ZMQ_LIBS)
%C%_test_outlet_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZMQ_CFLAGS)
%C%_test_relay_LDADD = libkernel.la $(ZMQ_LIBS)
%C%_test_relay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZMQ_CFLAGS)
%C%_test_replay_LDADD = libprotocol.la
%C%_test_sign_LDADD = libprotocol.la
%C%_test_spill_LDADD = libkernel.la
%C%_test_stream_LDADD = libkernel.la
%C%_test_stream_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_test_wire_LDADD = libprotocol.la
%C%_test_wire_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
EXTRA_DIST += \
	%reldir%/beside.py %reldir%/client.py %reldir%/conftest.py %reldir%/dialect.py \
	%reldir%/interrupts.py %reldir%/latency.py %reldir%/session.py %reldir%/torture.py \
	%reldir%/test_checkpoints.py %reldir%/test_command.py %reldir%/test_damage.py \
	%reldir%/test_disk.py %reldir%/test_double.py %reldir%/test_execute.py \
	%reldir%/test_input.py %reldir%/test_install.py %reldir%/test_jkt.py %reldir%/test_language.py \
	%reldir%/test_lifetime.py %reldir%/test_limits.py %reldir%/test_notebook.py \
	%reldir%/test_questions.py %reldir%/test_security.py %reldir%/test_sequences.py \
	%reldir%/test_shortage.py %reldir%/test_stalled.py %reldir%/test_torture.py \
	%reldir%/test_wire_abuse.py

# make torture [SEED=1] [SAMPLES=200]: the hard suites whole, the browser, the
# tables of interrupts and of checkpoints; what was tried, survived, lost. Beside
# other work: WITH=CMD and TIMED=CMD run each test and each timed row when it may.
torture: all double-kernel poison.la tests/oom/shortage.la
	RUSTORCH_BUILDDIR=$(abs_builddir) $(PYTHON) $(srcdir)/tests/kernel/torture.py \
	  --seed '$(SEED)' --samples '$(SAMPLES)' --tests '$(WITH)' --timed '$(TIMED)'
.PHONY: torture
