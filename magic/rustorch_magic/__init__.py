# SPDX-License-Identifier: MIT
"""RusTorch cells in Python notebooks.

    %load_ext rustorch_magic

    %%rustorch
    let w = randn(3, 3);
    println!("{:?}", w);

The cell runs in the C runtime inside this process. Names the cell does not
declare are looked up in the notebook, and what it declares at top level appears
in the notebook afterwards: tensors and arrays are shared, never copied.
"""
from .session import CellError, default_session, rust  # noqa: F401


def load_ipython_extension(ip):
    """`%load_ext rustorch_magic`."""
    from .completer import install
    from .magic import RustorchMagics
    magics = RustorchMagics(ip)
    ip.register_magics(magics)
    install(ip, magics)


def unload_ipython_extension(ip):
    """`%unload_ext rustorch_magic`."""
    from .completer import remove
    remove(ip)
    for kind in ("line", "cell"):
        ip.magics_manager.magics[kind].pop("rustorch", None)
