# make bench [ROWS=part,part] [THREADS=1,2]: beside PyTorch and ipykernel.
# make bench-everyday [ROWS=part]: some 250 calls of notebooks beside PyTorch's.
# make profile ROW='matmul 512' [THREADS=2] [SECONDS_EACH=5]: perf's flat profile.
EXTRA_PROGRAMS = tests/bench/echo tests/bench/peak
tests_bench_peak_CFLAGS = -std=gnu11 -O3 -ffast-math
tests_bench_peak_LDADD = -lpthread
# The limit of "execute to idle": what jupyter_client and libzmq take alone.
tests_bench_echo_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS) $(JANSSON_CFLAGS)
tests_bench_echo_LDADD = libprotocol.la
EXTRA_DIST += %D%/bench.py %D%/conftest.py %D%/everyday.py %D%/figures.py %D%/kernels.py %D%/profile_row.py \
	%D%/rows.py %D%/test_figures.py %D%/worker.py
CLEANFILES += bench.json bench-contended.json bench-everyday.json profile.data
run_bench = PYTHONPATH=$(abs_builddir)/python/path $(PYTHON) $(srcdir)/tests/bench

bench: all tests/bench/echo tests/bench/peak
	$(run_bench)/bench.py --rows '$(ROWS)' --threads '$(THREADS)' \
	  --kernel '$(abs_builddir)/rustorch-kernel' --echo '$(abs_builddir)/tests/bench/echo' \
	  --peak tests/bench/peak --json bench.json
bench-contended: all tests/bench/peak
	$(run_bench)/bench.py --rows '$(ROWS)' --threads '$(THREADS)' --contended \
	  --peak tests/bench/peak --json bench-contended.json
bench-everyday: all
	$(run_bench)/bench.py --rows '$(ROWS)' --threads '$(THREADS)' --everyday \
	  --json bench-everyday.json
profile: all
	$(run_bench)/profile_row.py '$(ROW)' --threads "$${THREADS:-2}" \
	  --seconds "$${SECONDS_EACH:-5}" --data profile.data
.PHONY: bench bench-contended bench-everyday profile
