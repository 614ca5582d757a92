# SPDX-License-Identifier: MIT
"""Learning-rate schedules: a class for each row of the runtime's catalog, and
those that call Python."""
import inspect

from .. import _C


class LRScheduler:
    """Base of all schedules; your own: define get_lr(self)."""

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [g["initial_lr"] for g in optimizer.param_groups]
        self._last_lr = [g["lr"] for g in optimizer.param_groups]
        self.step()

    def get_lr(self):
        """The rates of this epoch, one a group; define it in the subclass."""
        raise NotImplementedError("define get_lr(self)")

    def get_last_lr(self):
        """The rates set by the last step."""
        return list(self._last_lr)

    def _restart(self):
        # From its beginning, as when another schedule gives way to it.
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = lr
        self.last_epoch = -1
        self.step()

    def step(self, epoch=None):
        """Goes on by one epoch."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for group, lr in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = lr
        self.optimizer._exchange()
        self._last_lr = [g["lr"] for g in self.optimizer.param_groups]

    def state_dict(self):
        """What is needed to go on later."""
        return {k: v for k, v in self.__dict__.items()
                if k not in ("optimizer", "_core") and not callable(v)}

    def load_state_dict(self, state_dict):
        """Takes a state of state_dict() back."""
        self.__dict__.update(state_dict)


_LRScheduler = LRScheduler


# What ReduceLROnPlateau remembers beside its rates.
_PLATEAU = ("best", "num_bad_epochs", "cooldown_counter")


class _Core(LRScheduler):
    """A schedule that the runtime steps."""

    _kind = None

    def __init__(self, optimizer, *args, **kwargs):
        kwargs.pop("verbose", None)
        if getattr(optimizer, "_core", None) is None:
            raise _C.ArgumentTypeError(
                f"{self._kind}: {type(optimizer).__name__} is no optimizer of rustorch.optim")
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self._core = _C.SchedulerCore(self._kind, optimizer._core, *args, **kwargs)
        self._begin_with([g["initial_lr"] for g in optimizer.param_groups])
        optimizer._exchange()

    def _begin_with(self, rates):
        groups = len(self.optimizer.param_groups)
        if len(rates) != groups:
            raise _C.ArgumentError(f"{self._kind}: a state of {len(rates)} groups for an "
                                   f"optimizer of {groups}")
        self.base_lrs = list(rates)
        for group, lr in enumerate(rates):
            self._core.set_base_lr(group, lr)

    @property
    def last_epoch(self):
        """Steps taken so far."""
        return self._core.last_epoch

    @last_epoch.setter
    def last_epoch(self, value):
        self._core.last_epoch = value

    def step(self, metrics=None):
        """Goes on by one epoch (with a measured value where it follows one)."""
        if metrics is None and self._kind == "ReduceLROnPlateau":
            raise _C.ArgumentTypeError("ReduceLROnPlateau.step: give it the measured "
                                       "value: scheduler.step(val_loss)")
        self.optimizer._exchange()
        self._core.step(float(metrics) if self._kind == "ReduceLROnPlateau" else None)
        self.optimizer._exchange()

    def _restart(self):
        self.optimizer._exchange()
        self._core.restart()
        self.optimizer._exchange()

    def get_last_lr(self):
        """The rates set by the last step."""
        return [self._core.last_lr(g) for g in range(len(self.optimizer._groups))]

    get_lr = get_last_lr

    def state_dict(self):
        """What is needed to go on later."""
        state = {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs),
                 "_last_lr": self.get_last_lr()}
        if self._kind == "ReduceLROnPlateau":
            state.update(zip(_PLATEAU, self._core.plateau))
        return state

    def load_state_dict(self, state_dict):
        """Takes a state of state_dict() back."""
        self._begin_with(state_dict["base_lrs"])
        self.last_epoch = state_dict["last_epoch"]
        if self._kind == "ReduceLROnPlateau":
            self._core.plateau = tuple(state_dict[k] for k in _PLATEAU)
        for group, lr in zip(self.optimizer.param_groups, state_dict["_last_lr"]):
            group["lr"] = lr
        self.optimizer._exchange()


def _make(name, names, defaults, schema, doc):
    parameters = [inspect.Parameter("optimizer", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for n in names:
        parameters.append(inspect.Parameter(
            n, inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=defaults.get(n, inspect.Parameter.empty)))
    cls = type(name, (_Core,), {"_kind": name, "__doc__": f"{doc}\n\n{schema}",
                                "__module__": __name__})
    cls.__signature__ = inspect.Signature(parameters)
    return cls


for _row in _C._schedule_rows():
    globals()[_row[0]] = _make(*_row)
del _row


class LambdaLR(LRScheduler):
    """The first rate times lr_lambda(epoch), one function or one a group."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        n = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) \
            else [lr_lambda] * n
        if len(self.lr_lambdas) != n:
            raise _C.ArgumentError(f"LambdaLR: {n} groups need as many functions, got "
                                   f"{len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The rates of this epoch."""
        return [base * f(self.last_epoch)
                for base, f in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self):
        """What is needed to go on later; functions are not part of it."""
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}


class MultiplicativeLR(LambdaLR):
    """The rate times lr_lambda(epoch), each epoch anew."""

    def get_lr(self):
        """The rates of this epoch."""
        rates = [g["lr"] for g in self.optimizer.param_groups]
        if self.last_epoch <= 0:
            return rates
        return [lr * f(self.last_epoch) for lr, f in zip(rates, self.lr_lambdas)]


class SequentialLR:
    """Several schedules, each from its milestone on."""

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        if len(milestones) != len(schedulers) - 1:
            raise _C.ArgumentError(f"SequentialLR: {len(schedulers)} schedulers need "
                                   f"{len(schedulers) - 1} milestones")
        self.optimizer, self.schedulers = optimizer, list(schedulers)
        self.milestones, self.last_epoch = list(milestones), last_epoch + 1
        self.schedulers[0]._restart()

    def step(self):
        """Goes on by one epoch."""
        self.last_epoch += 1
        index = sum(self.last_epoch >= m for m in self.milestones)
        scheduler = self.schedulers[index]
        if index and self.last_epoch == self.milestones[index - 1]:
            scheduler._restart()
        else:
            scheduler.step()

    def get_last_lr(self):
        """The rates set by the last step."""
        return [g["lr"] for g in self.optimizer.param_groups]

    def state_dict(self):
        """What is needed to go on later, each schedule's own state in it."""
        return {"last_epoch": self.last_epoch, "milestones": list(self.milestones),
                "_schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict):
        """Takes a state of state_dict() back; the rates stay the optimizer's."""
        rates = [g["lr"] for g in self.optimizer.param_groups]
        for scheduler, state in zip(self.schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)
        self.last_epoch, self.milestones = state_dict["last_epoch"], state_dict["milestones"]
        for group, lr in zip(self.optimizer.param_groups, rates):
            group["lr"] = lr
        self.optimizer._exchange()
