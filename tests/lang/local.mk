# Programs of the cell language with their expected output; golden.c runs them.
check_PROGRAMS += tests/lang/golden
TESTS += tests/lang/golden
tests_lang_golden_SOURCES = tests/lang/golden.c
tests_lang_golden_LDADD = liblang.la libruntime.la $(LIBM) -lpthread
EXTRA_DIST += tests/lang/seed.rt
EXTRA_DIST += tests/lang/diagnostics.rt tests/lang/rust.rt
