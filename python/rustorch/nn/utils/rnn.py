# SPDX-License-Identifier: MIT
"""Sequences of different lengths."""
from ... import _C


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Stacks sequences, the shorter ones filled up."""
    sequences = list(sequences)
    longest = max(s.shape[0] for s in sequences)
    rows = []
    for s in sequences:
        missing = longest - s.shape[0]
        if missing:
            fill = _C.ops["full"]((missing, *s.shape[1:]), padding_value, dtype=s.dtype)
            s = _C.ops["cat"]([s, fill] if padding_side == "right" else [fill, s])
        rows.append(s)
    return _C.ops["stack"](rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The opposite of pad_sequence."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[:int(n)] for s, n in zip(padded_sequences.unbind(0), lengths)]
