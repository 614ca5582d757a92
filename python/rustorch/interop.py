# SPDX-License-Identifier: MIT
"""Models of other libraries. Conversion goes by the layer catalog: a layer of
the same name is made from the options that the other module remembers, and the
weights are copied by name."""
from . import _C, nn

_ROWS = {row["name"]: row for row in _C._layer_rows()}
_SKIPPED = ("device", "dtype", "modules", "init", "inplace")


def _options(module, row):
    """The constructor's arguments, read from the module's attributes."""
    options = {}
    for name, _, optional, text, _ in row["params"]:
        if name in _SKIPPED or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        if value is None and not optional:
            continue
        if isinstance(value, (list, tuple)):
            value = value[0] if len(value) == 1 else tuple(value)
        options[name] = value
    return options


def _convert(module, make, containers, what):
    """The same tree with layers made by make(name, options)."""
    name = type(module).__name__
    if name in containers:
        children = [(n, _convert(c, make, containers, what))
                    for n, c in module.named_children()]
        return make(name, children)
    if name not in _ROWS:
        raise _C.UnsupportedError(
            f"{what}: {name} is no layer of the catalog; convert its parts, or copy its "
            "state_dict into a module of your own")
    return make(name, _options(module, _ROWS[name]))


def from_pytorch(module):
    """A module with the layers and the weights (copied) of a PyTorch module."""
    from collections import OrderedDict

    def make(name, given):
        if isinstance(given, list):
            return nn.Sequential(OrderedDict(given)) if name == "Sequential" else \
                nn.ModuleList([m for _, m in given])
        return getattr(nn, name)(**given)

    state = _C.default_generator.get_state()
    out = _convert(module, make, ("Sequential", "ModuleList"), "from_pytorch")
    _C.default_generator.set_state(state)
    out.load_state_dict({k: _C.from_dlpack(v.detach().cpu().contiguous())
                         for k, v in module.state_dict().items()})
    return out.train(module.training)


def to_pytorch(module):
    """A PyTorch module with the layers and the weights (copied) of a module."""
    import torch
    from collections import OrderedDict

    def make(name, given):
        if isinstance(given, list):
            return torch.nn.Sequential(OrderedDict(given)) if name == "Sequential" else \
                torch.nn.ModuleList([m for _, m in given])
        return getattr(torch.nn, name)(**given)

    with torch.random.fork_rng(devices=[]):
        out = _convert(module, make, ("Sequential", "ModuleList"), "to_pytorch")
    out.load_state_dict({k: v.clone().to_torch() for k, v in module.state_dict().items()})
    return out.train(module.training)
