# SPDX-License-Identifier: MIT
"""Mixed precision: the CPU computes in the tensors' own dtype."""
import contextlib

from . import _C


class autocast(contextlib.ContextDecorator):
    """A block that computes as usual; enabled=True for a device is a DeviceError."""

    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        if enabled and str(device_type) != "cpu":
            _C.check_device(_C.device(str(device_type)))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


class GradScaler:
    """Scaling is for float16 on devices: with the CPU it is the identity."""

    def __init__(self, device="cuda", enabled=True, **options):
        if enabled:
            _C.check_device(_C.device(str(device)))

    def scale(self, outputs):
        """The loss itself."""
        return outputs

    def unscale_(self, optimizer):
        """Nothing to undo."""

    def step(self, optimizer, *args, **kwargs):
        """optimizer.step()."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        """Nothing to adapt."""
