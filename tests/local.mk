# C tests: one program a module; the last line of each is "N passed, N failed".
# unit_tests names them without path; each is tests/unit/<name>.c.
noinst_HEADERS += tests/unit/unit.h
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
unit_tests =
AM_DEFAULT_SOURCE_EXT = .c

include tests/unit/local.mk
include tests/lang/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
