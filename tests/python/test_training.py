# SPDX-License-Identifier: MIT
"""One script, two libraries: the same losses."""
import training_script


def test_a_script_for_pytorch_prints_the_same_losses(torch):
    import rustorch
    ours = training_script.run(rustorch)
    theirs = training_script.run(torch)
    assert len(ours) == 100 and theirs[-1] < 0.7 * theirs[0]
    assert [f"{v:.4f}" for v in ours] == [f"{v:.4f}" for v in theirs] or \
        max(abs(a - b) for a, b in zip(ours, theirs)) < 5e-5
