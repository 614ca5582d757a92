# SPDX-License-Identifier: MIT
"""All parameters as one vector."""
from ... import _C


def parameters_to_vector(parameters):
    """Joins the parameters' elements."""
    return _C.ops["cat"]([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Takes the parameters' data from a vector."""
    at = 0
    for p in parameters:
        n = p.numel()
        p.data = vec[at:at + n].reshape(p.shape).detach()
        at += n
