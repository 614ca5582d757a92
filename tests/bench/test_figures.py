# SPDX-License-Identifier: MIT
"""What `make bench` computes from its measurements."""
import importlib
import random
import statistics

import everyday
import pytest
from figures import compared, differ, failed, interval, limit_percent, loaded, merged, wanted
from rows import ROWS
from worker import sampled

FIELDS = {"row", "peer", "threads", "ours_us", "peer_us", "ratio", "low", "high", "limit_percent"}


def test_the_interval_of_equal_ratios_is_that_ratio():
    assert interval([2.0] * 15) == (2.0, 2.0, 2.0)


def test_the_interval_holds_the_median_and_narrows_with_more_rounds():
    rng = random.Random(1)
    few, many = ([rng.gauss(2, 0.3) for _ in range(n)] for n in (15, 400))
    widths = []
    for ratios in few, many:
        middle, low, high = interval(ratios)
        assert low <= middle <= high and middle == statistics.median(ratios)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_interval_covers_the_true_median_in_about_95_of_100_runs():
    rng, covered = random.Random(2), 0
    for _ in range(100):
        _, low, high = interval([rng.lognormvariate(0, 0.2) for _ in range(15)])
        covered += low <= 1 <= high
    assert 88 <= covered <= 100


def test_one_disturbed_round_does_not_move_the_ratio():
    r = compared("a", "torch", 2, [10.0] * 14 + [1000.0], [20.0] * 15)
    assert r["ratio"] == 2 and r["low"] == 2 and r["ours_us"] == 10


def test_ratios_are_of_pairs_and_above_one_when_we_are_faster():
    r = compared("a", "torch", 1, [1.0, 2.0, 4.0], [3.0, 6.0, 12.0])
    assert r["ratio"] == r["low"] == r["high"] == 3
    assert (r["ours_us"], r["peer_us"], r["threads"]) == (2, 6, 1)


def test_every_row_has_the_fields_of_bench_json():
    assert set(compared("a", "torch", 2, [1.0], [2.0])) == FIELDS
    assert set(failed("a", "torch", 2, "why")) == FIELDS | {"error"}


@pytest.mark.parametrize("ours, theirs, wrong", [
    ([1.0, 2.0], [1.0, 2.00001], False),
    ([1.0, 2.0], [1.0, 2.1], True),
    ([float("nan")], [float("nan")], False),
    ([float("nan")], [1.0], True),
    ([1.0], [float("nan")], True),
    ([float("inf")], [float("inf")], False),
    ([float("inf")], [float("-inf")], True),
    ([0.0], [1e-5], False),
])
def test_values_are_compared_to_a_tolerance(ours, theirs, wrong):
    shape = [len(ours)]
    found = differ({"shape": shape, "values": ours}, {"shape": shape, "values": theirs}, 1e-4)
    assert bool(found) == wrong


def test_results_of_other_shapes_differ():
    a, b = {"shape": [2, 3], "values": [0.0] * 6}, {"shape": [3, 2], "values": [0.0] * 6}
    assert "[2, 3]" in differ(a, b, 1)


PEAKS = {
    "1": {"flops": 1e9, "read": {"1000": 4e6, "1000000": 1e6}, "byte": {"1000": 2e6},
          "update": {"28000": 1e6}, "meet": 0},
    "2": {"flops": 2e9, "read": {"1000": 8e6, "1000000": 1e6}, "byte": {"1000": 3e6},
          "update": {"28000": 2e6}, "meet": 1e-6},
}


def test_the_limit_is_taken_for_the_size_that_is_touched():
    assert limit_percent(None, 1, 1, PEAKS) is None
    assert limit_percent(("flop", 1e6), 2000, 1, PEAKS) == pytest.approx(50)
    assert limit_percent(("read", 800), 200, 1, PEAKS) == pytest.approx(100)
    assert limit_percent(("read", 800), 200, 2, PEAKS) == pytest.approx(50)
    assert limit_percent(("read", 2000), 2000, 2, PEAKS) == pytest.approx(100)
    assert limit_percent(("byte", 5000), 5000, 1, PEAKS) == pytest.approx(50)
    assert limit_percent(("update", 28000), 28000, 2, PEAKS) == pytest.approx(50)


def test_the_limit_of_short_work_on_two_threads_holds_their_meeting():
    assert limit_percent(("flop", 8000), 10, 2, PEAKS) == pytest.approx(50)        # 4 and 1 us
    assert limit_percent(("flop", 8e6), 4001, 2, PEAKS) == pytest.approx(100)


def test_work_too_short_for_two_threads_has_the_limit_of_one():
    assert limit_percent(("flop", 1000), 2, 2, PEAKS) == pytest.approx(50)         # not 1.5 us


def test_of_two_measurements_of_the_machine_the_better_counts():
    slow = {"1": {"flops": 9e8, "read": {"1000": 5e6}, "meet": 0},
            "2": {"flops": 1e9, "read": {"1000": 8e6}, "meet": 5e-7}}
    fast = {"1": {"flops": 1e9, "read": {"1000": 4e6}, "meet": 0},
            "2": {"flops": 2e9, "read": {"1000": 7e6}, "meet": 1e-7}}
    best = {"1": {"flops": 1e9, "read": {"1000": 5e6}, "meet": 0},
            "2": {"flops": 2e9, "read": {"1000": 8e6}, "meet": 1e-7}}
    assert merged(slow, fast) == best == merged(fast, slow)


def test_both_rows_of_adam_have_the_limit_of_28_bytes_an_element():
    for name in "Adam 1e6", "Adam 100 of 100x100":
        assert ROWS[name]["work"] == ("update", 28_000_000)


def test_a_busy_machine_is_refused_and_an_idle_one_is_not():
    assert loaded(0.05, 0.0) is None
    assert "1.0" in loaded(1.0, 0.0) and "host" in loaded(0.0, 0.3)


def test_rows_are_asked_for_by_parts_of_their_names():
    assert wanted("matmul 512", []) and wanted("matmul 512", ["chain", "matmul"])
    assert not wanted("matmul 512", ["chain"])


def test_every_row_of_the_goals_is_there():
    for part in ("add 10", "mul 10 with grad", "view", "slice", "item", "chain 1000", "add 1e7",
                 "row broadcast", "column broadcast", "x.T contiguous", "x + x.T", "gelu erf",
                 "sum dim 0", "var dim 1", "softmax 4096x50", "layer_norm 512x768 with backward",
                 "cross_entropy", "matmul 2048", "linear", "gemv", "conv 1x1", "conv 5x5",
                 "forward and backward", "max_pool2d", "embedding", "x[idx]", "randn", "sort",
                 "Adam 1e6", "Adam 100", "training step MLP", "training step LeNet-5"):
        assert any(wanted(name, [part]) for name in ROWS), part


def test_everyday_rows_run_in_both_libraries_and_agree():
    pytest.importorskip("torch")
    for name, entry in everyday.ROWS.items():
        answers = [sampled(entry["make"](importlib.import_module(library))())
                   for library in ("rustorch", "torch")]
        assert not differ(*answers, entry["tolerance"]), name
