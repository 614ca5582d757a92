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
include tests/oom/local.mk
EXTRA_DIST += \
	%reldir%/python/conftest.py \
	%reldir%/python/samples.py \
	%reldir%/python/test_autograd.py \
	%reldir%/python/test_error_codes.py \
	%reldir%/python/test_library.py \
	%reldir%/python/test_nn.py \
	%reldir%/python/test_ops.py \
	%reldir%/python/test_package.py \
	%reldir%/python/test_resize.py \
	%reldir%/python/test_tensor.py \
	%reldir%/python/test_training.py \
	%reldir%/python/training_script.py \
	%reldir%/magic/conftest.py \
	%reldir%/magic/test_magic.py \
	%reldir%/lab/conftest.py \
	%reldir%/lab/test_lab.py \
	%reldir%/notebooks/test_notebooks.py
