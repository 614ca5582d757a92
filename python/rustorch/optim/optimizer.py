# SPDX-License-Identifier: MIT
"""The optimizer's base class, and the classes around the runtime's."""
import collections
import copy
import inspect

from .. import _C
from .._C import Tensor
from .._grad_mode import enable_grad

required = object()


class Optimizer:
    """Base of all optimizers. `param_groups` are live dicts: what you set in
    them counts at the next step. Your own: define step(self, closure=None)."""

    _core = None

    def __init__(self, params, defaults):
        self.defaults = defaults
        self._groups, self._shadows = [], []
        self._hooks = {"pre": [], "post": []}
        self.state = collections.defaultdict(dict)
        if isinstance(params, Tensor):
            raise _C.ArgumentTypeError("params should be a list of tensors or of dicts, "
                                       "got one tensor")
        params = list(params)
        if not params:
            raise _C.ArgumentError("the optimizer got an empty list of parameters")
        if not isinstance(params[0], dict):
            params = [{"params": params}]
        for group in params:
            self.add_param_group(group)

    @property
    def param_groups(self):
        """One dict a group: params and options."""
        self._exchange()
        return self._groups

    @param_groups.setter
    def param_groups(self, groups):
        self._groups = groups

    def add_param_group(self, param_group):
        """Adds {"params": [...], option: value, ...}."""
        group = dict(param_group)
        params = group["params"]
        group["params"] = [params] if isinstance(params, Tensor) else \
            [p[1] if isinstance(p, tuple) else p for p in params]
        for p in group["params"]:
            if not isinstance(p, Tensor):
                raise _C.ArgumentTypeError("an optimizer takes tensors, got "
                                           f"{type(p).__name__}")
            if not p.is_leaf:
                raise _C.AutogradError("an optimizer takes leaf tensors; this one of shape "
                                       f"{p.shape} was computed")
            if any(p is q for g in self._groups for q in g["params"]):
                raise _C.ArgumentError("a parameter is in more than one group")
        for name, value in self.defaults.items():
            if value is required and name not in group:
                raise _C.ArgumentError(f"the group needs a value for {name!r}")
            group.setdefault(name, value)
        self._add_core(group)
        self._groups.append(group)
        self._shadows.append(dict(group))

    def _add_core(self, group):
        pass

    def _exchange(self):
        """Options changed in the dicts go to the runtime, others come from it."""

    def zero_grad(self, set_to_none=True):
        """Clears the gradients of all parameters."""
        for group in self._groups:
            for p in group["params"]:
                if p.grad is not None:
                    if set_to_none:
                        p.grad = None
                    else:
                        p.grad.detach().zero_()

    def step(self, closure=None):
        """One update of all parameters."""
        raise NotImplementedError("define step(self, closure=None)")

    def register_step_pre_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) before each step."""
        return _Handle(self._hooks["pre"], hook)

    def register_step_post_hook(self, hook):
        """Calls hook(optimizer, args, kwargs) after each step."""
        return _Handle(self._hooks["post"], hook)

    # --- state -----------------------------------------------------------------------

    def _states(self, group, index, p):
        return self.state.get(p, {})

    def state_dict(self):
        """Options and state, parameters by number."""
        state, groups, number = {}, [], 0
        for g, group in enumerate(self.param_groups):
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = list(range(number, number + len(group["params"])))
            for i, p in enumerate(group["params"]):
                kept = self._states(g, i, p)
                if kept:
                    state[number + i] = dict(kept)
            number += len(group["params"])
            groups.append(packed)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Takes options and state of state_dict() back."""
        saved = state_dict["param_groups"]
        if len(saved) != len(self._groups):
            raise _C.ArgumentError(f"load_state_dict: {len(saved)} groups in the state, "
                                   f"{len(self._groups)} in the optimizer")
        for g, (mine, theirs) in enumerate(zip(self._groups, saved)):
            if len(mine["params"]) != len(theirs["params"]):
                raise _C.ArgumentError(
                    f"load_state_dict: group {g} has {len(mine['params'])} parameters, the "
                    f"state {len(theirs['params'])}")
        for g, (mine, theirs) in enumerate(zip(self._groups, saved)):
            mine.update({k: copy.copy(v) for k, v in theirs.items() if k != "params"})
            for i, number in enumerate(theirs["params"]):
                self._load_states(g, i, mine["params"][i],
                                  state_dict["state"].get(number, {}))
        self._exchange()

    def _load_states(self, group, index, p, kept):
        if kept:
            self.state[p] = {k: v.clone() if isinstance(v, Tensor) else copy.copy(v)
                             for k, v in kept.items()}

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for g, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {g}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join(lines + [")"])


class _Handle:
    def __init__(self, hooks, hook):
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self):
        """Takes the hook away."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class _Core(Optimizer):
    """An optimizer that the runtime steps."""

    _kind, _names = None, ()

    def _add_core(self, group):
        options = {k: v for k, v in group.items() if k in self._names}
        if self._core is None:
            self._core = _C.OptimizerCore(self._kind, group["params"], **options)
        else:
            self._core.add_group(group["params"], options)
        n = len(self._groups)
        for name in self._names:
            group[name] = self._core.get(n, name)

    def _exchange(self):
        core = self._core
        for g, (group, shadow) in enumerate(zip(self._groups, self._shadows)):
            for name in self._names:
                value, known = group[name], shadow[name]
                if value is not known and not _same(value, known):
                    core.set(g, name, value)
                    shadow[name] = value
                else:
                    now = core.get(g, name)
                    if not _same(now, known):
                        group[name] = shadow[name] = now
        self._shadows = [dict(group) for group in self._groups]
        core.exchanged()

    def step(self, closure=None):
        """One update of all parameters; returns closure()'s result."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        hooks = self._hooks
        if hooks["pre"]:
            for hook in list(hooks["pre"]):
                hook(self, (closure,), {})
        if not self._core.step(self._groups, self._shadows):
            self._exchange()
            self._core.step()
        if hooks["post"]:
            for hook in list(hooks["post"]):
                hook(self, (closure,), {})
        return loss

    def zero_grad(self, set_to_none=True):
        """Clears the gradients of all parameters."""
        self._core.zero_grad(set_to_none)

    def _states(self, group, index, p):
        return self._core.states(group, index)

    def _load_states(self, group, index, p, kept):
        for name, value in kept.items():
            if value is not None:
                self._core.set_state(group, index, name, value)

    @property
    def state(self):
        """State tensors by parameter, as the runtime keeps them."""
        return {p: kept for g, group in enumerate(self._groups)
                for i, p in enumerate(group["params"])
                if (kept := self._core.states(g, i))}

    @state.setter
    def state(self, value):
        pass


def _adopt(core):
    """The Python optimizer around one that a cell has made."""
    from . import __dict__ as classes
    self = object.__new__(classes[core.kind])
    self._core, self._hooks = core, {"pre": [], "post": []}
    self._groups = [{"params": params, **{n: core.get(g, n) for n in self._names}}
                    for g, params in enumerate(core.groups())]
    self._shadows = [dict(group) for group in self._groups]
    self.defaults = {n: self._groups[0][n] for n in self._names}
    return self


def _same(a, b):
    return a == b if not isinstance(a, Tensor) and not isinstance(b, Tensor) else a is b


def _make(name, names, defaults, schema, doc):
    """The Python class of a catalog row."""
    options = [n for n in names if n != "params"]
    usual = {n: tuple(v) if isinstance(v, (list, tuple)) else v
             for n, v in defaults.items() if n != "params"}

    def __init__(self, params, *args, **kwargs):
        if len(args) > len(options):
            raise _C.ArgumentTypeError(f"{name}: too many arguments")
        given = dict(zip(options, args))
        for key, value in kwargs.items():
            if key in given:
                raise _C.ArgumentTypeError(f"{name}: {key!r} was given twice")
            if key not in usual:
                import difflib
                near = difflib.get_close_matches(key, usual, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise _C.ArgumentTypeError(f"{name}: unexpected argument {key!r}{hint}")
            given[key] = value
        super(cls, self).__init__(params, {**usual, **given})

    __init__.__signature__ = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
         inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD)] +
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=usual[n])
         for n in options])
    cls = type(name, (_Core,), {
        "__init__": __init__, "__doc__": f"{doc}\n\n{schema}", "_kind": name,
        "_names": tuple(options), "__module__": "rustorch.optim"})
    return cls
