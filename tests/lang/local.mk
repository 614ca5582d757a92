# Programs of the cell language with their expected output; golden.c runs them.
check_PROGRAMS += tests/lang/golden
TESTS += tests/lang/golden
tests_lang_golden_SOURCES = tests/lang/golden.c
tests_lang_golden_LDADD = liblang.la libruntime.la $(LIBM) -lpthread
EXTRA_DIST += \
	tests/lang/autograd.rt \
	tests/lang/control.rt \
	tests/lang/diagnostics.rt \
	tests/lang/formats.rt \
	tests/lang/functions.rt \
	tests/lang/fusion.rt \
	tests/lang/host.rt \
	tests/lang/hostile.rt \
	tests/lang/lists.rt \
	tests/lang/magics.rt \
	tests/lang/modules.rt \
	tests/lang/numbers.rt \
	tests/lang/pasted.rt \
	tests/lang/results.rt \
	tests/lang/rust.rt \
	tests/lang/seed.rt \
	tests/lang/shows.rt \
	tests/lang/strings.rt \
	tests/lang/tensors.rt \
	tests/lang/training.rt
