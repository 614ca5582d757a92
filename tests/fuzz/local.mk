# make fuzz [SECONDS_EACH=60] [TARGETS="fuzz_wire fuzz_file"]: libFuzzer with clang.
EXTRA_DIST += %D%/fuzz.sh %D%/fuzz_file.c %D%/fuzz_language.c \
	%D%/fuzz_schema.c %D%/fuzz_wire.c

fuzz:
	$(srcdir)/tests/fuzz/fuzz.sh fuzz "$${SECONDS_EACH:-60}" $(TARGETS)
.PHONY: fuzz
