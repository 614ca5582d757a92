# The IPython extension: %load_ext rustorch_magic.
if PYTHON_EXTENSION
rustorch_magicdir = $(pyexecdir)/rustorch_magic
rustorch_magic_DATA = \
	%reldir%/rustorch_magic/__init__.py \
	%reldir%/rustorch_magic/completer.py \
	%reldir%/rustorch_magic/magic.py \
	%reldir%/rustorch_magic/session.py
endif
EXTRA_DIST += \
	%reldir%/rustorch_magic/__init__.py \
	%reldir%/rustorch_magic/completer.py \
	%reldir%/rustorch_magic/magic.py \
	%reldir%/rustorch_magic/session.py
