# make oom: each allocation of a scripted session fails once in turn. make check
# takes every eleventh.
noinst_HEADERS += %D%/sweep.h
EXTRA_DIST += %D%/session.rt
oom_tests = %D%/oom_language %D%/oom_runtime
check_PROGRAMS += $(oom_tests)
TESTS += $(oom_tests)
tests_oom_oom_language_LDADD = liblang.la libruntime.la $(LIBM)
tests_oom_oom_runtime_LDADD = libruntime.la $(LIBM)

oom: all
	OOM_EVERY=1 $(MAKE) check TESTS='$(oom_tests)'
.PHONY: oom
