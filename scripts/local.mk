# Tests that read the sources, and what ./quickstart and ./check use.
TEST_EXTENSIONS = .py
PY_LOG_COMPILER = $(PYTHON)
TESTS += %D%/test_layers.py %D%/test_style.py
EXTRA_DIST += quickstart autogen.sh \
	%D%/check.py \
	%D%/layers.txt \
	%D%/requirements-run.txt \
	%D%/requirements-test.txt \
	%D%/requirements-torch.txt \
	%D%/run_notebook.py \
	%D%/sanitized.sh \
	%D%/setup.sh \
	%D%/test_layers.py \
	%D%/test_style.py

# The file `check` has the name of make's target: listed in EXTRA_DIST it would
# run the tests.
dist-hook: dist-check
dist-check:
	cp -p '$(srcdir)/check' '$(distdir)/check'
.PHONY: dist-check
