# make oom: each allocation of a scripted session fails once in turn. make check
# takes every eleventh.
noinst_HEADERS += %D%/sweep.h
EXTRA_DIST += %D%/session.rt
oom_tests = %D%/oom_language %D%/oom_runtime
check_PROGRAMS += $(oom_tests)
TESTS += $(oom_tests)
tests_oom_oom_language_LDADD = liblang.la libruntime.la $(LIBM)
tests_oom_oom_runtime_LDADD = libruntime.la $(LIBM)

# Preloaded into kernels by tests/kernel/test_shortage.py.
check_LTLIBRARIES += %D%/shortage.la
tests_oom_shortage_la_SOURCES = %D%/shortage.c
tests_oom_shortage_la_CFLAGS = $(RT_CFLAGS)
tests_oom_shortage_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
tests_oom_shortage_la_LIBADD = -ldl

oom: all
	OOM_EVERY=1 $(MAKE) check TESTS='$(oom_tests)'
	OOM_EVERY=1 RUSTORCH_BUILDDIR='$(abs_top_builddir)' $(PYTHON) -m pytest \
	    -q -s $(srcdir)/tests/kernel/test_shortage.py
.PHONY: oom
