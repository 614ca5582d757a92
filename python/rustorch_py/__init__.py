# SPDX-License-Identifier: MIT
"""`rustorch_py` is another name of `rustorch`: the same package and the same
module objects, so that classes are identical under both names."""
import importlib
import importlib.abc
import importlib.machinery
import sys

_ALIAS, _REAL = "rustorch_py", "rustorch"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds rustorch_py.x.y as the module object rustorch.x.y."""

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(_ALIAS + "."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        module = importlib.import_module(_REAL + spec.name[len(_ALIAS):])
        spec._real = module.__spec__, module.__loader__
        return module

    def exec_module(self, module):
        """Nothing to run; puts the spec back that the import replaced."""
        module.__spec__, module.__loader__ = module.__spec__._real


if not any(type(f).__name__ == "_Finder" and type(f).__module__ == _ALIAS
           for f in sys.meta_path):
    sys.meta_path.insert(0, _Finder())
sys.modules[_ALIAS] = importlib.import_module(_REAL)
