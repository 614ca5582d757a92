# make fuzz [SECONDS_EACH=60] [TARGETS="fuzz_wire fuzz_file"]: libFuzzer with clang.
# make check replays the corpora with the compiler at hand.
EXTRA_DIST += %D%/fuzz.sh %D%/recipes.py %D%/seeds
noinst_HEADERS += %D%/bytes.h %D%/elements.h %D%/files.h %D%/recipe.h %D%/recipes.def %D%/rows.h
replays = %D%/replay_file %D%/replay_language %D%/replay_ops %D%/replay_png \
	%D%/replay_requests %D%/replay_schema %D%/replay_vm %D%/replay_wire
check_PROGRAMS += $(replays)
TESTS += $(replays)
tests_fuzz_replay_file_SOURCES = %D%/replay.c %D%/fuzz_file.c
tests_fuzz_replay_file_LDADD = libruntime.la
tests_fuzz_replay_language_SOURCES = %D%/replay.c %D%/fuzz_language.c
tests_fuzz_replay_language_LDADD = liblang.la libruntime.la
tests_fuzz_replay_ops_SOURCES = %D%/replay.c %D%/fuzz_ops.c
tests_fuzz_replay_ops_LDADD = libruntime.la $(LIBM)
tests_fuzz_replay_png_SOURCES = %D%/replay.c %D%/fuzz_png.c
tests_fuzz_replay_png_LDADD = libruntime.la $(PNG_LIBS)
tests_fuzz_replay_requests_SOURCES = %D%/replay.c %D%/fuzz_requests.c
tests_fuzz_replay_requests_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZMQ_CFLAGS)
tests_fuzz_replay_requests_LDADD = libkernel.la liblang.la libruntime.la $(ZMQ_LIBS)
tests_fuzz_replay_schema_SOURCES = %D%/replay.c %D%/fuzz_schema.c
tests_fuzz_replay_schema_LDADD = libruntime.la
tests_fuzz_replay_vm_SOURCES = %D%/replay.c %D%/fuzz_vm.c
tests_fuzz_replay_vm_LDADD = liblang.la libruntime.la
tests_fuzz_replay_wire_SOURCES = %D%/replay.c %D%/fuzz_wire.c
tests_fuzz_replay_wire_LDADD = libprotocol.la $(JANSSON_LIBS)

fuzz:
	$(srcdir)/tests/fuzz/fuzz.sh fuzz "$${SECONDS_EACH:-60}" $(TARGETS)
.PHONY: fuzz
