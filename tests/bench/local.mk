# make bench [ROWS=part,part]: beside PyTorch and ipykernel, in one run.
EXTRA_PROGRAMS = tests/bench/peak
tests_bench_peak_CFLAGS = -std=gnu11 -O3 -ffast-math
tests_bench_peak_LDADD = -lpthread
EXTRA_DIST += %D%/bench.py %D%/kernels.py %D%/rows.py %D%/worker.py
CLEANFILES += bench.json

bench: all tests/bench/peak
	PYTHONPATH=$(abs_builddir)/python/path $(PYTHON) $(srcdir)/tests/bench/bench.py --rows '$(ROWS)' \
	  --peak tests/bench/peak --json bench.json
bench-contended: all tests/bench/peak
	PYTHONPATH=$(abs_builddir)/python/path $(PYTHON) $(srcdir)/tests/bench/bench.py --rows '$(ROWS)' --contended \
	  --peak tests/bench/peak --json bench-contended.json
.PHONY: bench bench-contended
