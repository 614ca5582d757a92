# The extension rustorch._C and the Python package around it.
if PYTHON_EXTENSION
rustorchexecdir = $(pyexecdir)/rustorch
rustorchexec_LTLIBRARIES = %reldir%/rustorch/_C.la

%canon_reldir%_rustorch__C_la_SOURCES = \
	%reldir%/rustorch/_C/binding.h \
	%reldir%/rustorch/_C/module.h \
	%reldir%/rustorch/_C/cells.h \
	%reldir%/rustorch/_C/init.c \
	%reldir%/rustorch/_C/errors.c \
	%reldir%/rustorch/_C/gil.c \
	%reldir%/rustorch/_C/values.c \
	%reldir%/rustorch/_C/convert.c \
	%reldir%/rustorch/_C/tensor_type.c \
	%reldir%/rustorch/_C/tensor_methods.c \
	%reldir%/rustorch/_C/tensor_number.c \
	%reldir%/rustorch/_C/tensor_index.c \
	%reldir%/rustorch/_C/creation.c \
	%reldir%/rustorch/_C/functions.c \
	%reldir%/rustorch/_C/interop.c \
	%reldir%/rustorch/_C/autograd.c \
	%reldir%/rustorch/_C/module_type.c \
	%reldir%/rustorch/_C/module_call.c \
	%reldir%/rustorch/_C/module_host.c \
	%reldir%/rustorch/_C/layers.c \
	%reldir%/rustorch/_C/optim.c \
	%reldir%/rustorch/_C/data.c \
	%reldir%/rustorch/_C/files.c \
	%reldir%/rustorch/_C/catalog.c \
	%reldir%/rustorch/_C/cell_values.c \
	%reldir%/rustorch/_C/cells.c
%canon_reldir%_rustorch__C_la_CPPFLAGS = $(AM_CPPFLAGS) $(PYTHON_CPPFLAGS)
%canon_reldir%_rustorch__C_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-shared -export-symbols-regex '^PyInit__C$$'
%canon_reldir%_rustorch__C_la_LIBADD = liblang.la libruntime.la -lpthread

# The thin Python layer, folder by folder.
rustorch_pydir = $(pyexecdir)/rustorch
rustorch_py_DATA = \
	%reldir%/rustorch/_C.pyi \
	%reldir%/rustorch/__init__.pyi \
	%reldir%/rustorch/__init__.py \
	%reldir%/rustorch/_functions.py \
	%reldir%/rustorch/_grad_mode.py \
	%reldir%/rustorch/_later.py \
	%reldir%/rustorch/_pygments.py \
	%reldir%/rustorch/_tensor.py \
	%reldir%/rustorch/accelerator.py \
	%reldir%/rustorch/amp.py \
	%reldir%/rustorch/backends.py \
	%reldir%/rustorch/callbacks.py \
	%reldir%/rustorch/config.py \
	%reldir%/rustorch/cuda.py \
	%reldir%/rustorch/distributed.py \
	%reldir%/rustorch/errors.py \
	%reldir%/rustorch/interop.py \
	%reldir%/rustorch/jit.py \
	%reldir%/rustorch/kernels.py \
	%reldir%/rustorch/memory.py \
	%reldir%/rustorch/metal.py \
	%reldir%/rustorch/mps.py \
	%reldir%/rustorch/operations.py \
	%reldir%/rustorch/ops.py \
	%reldir%/rustorch/profiler.py \
	%reldir%/rustorch/py.typed \
	%reldir%/rustorch/random.py \
	%reldir%/rustorch/serialization.py \
	%reldir%/rustorch/serving.py \
	%reldir%/rustorch/sklearn.py \
	%reldir%/rustorch/sparse.py \
	%reldir%/rustorch/tensor.py \
	%reldir%/rustorch/testing.py \
	%reldir%/rustorch/training.py \
	%reldir%/rustorch/version.py \
	%reldir%/rustorch/visualization.py
EXTRA_DIST += $(rustorch_py_DATA)
rustorch_autograd_pydir = $(pyexecdir)/rustorch/autograd
rustorch_autograd_py_DATA = \
	%reldir%/rustorch/autograd/__init__.py \
	%reldir%/rustorch/autograd/function.py \
	%reldir%/rustorch/autograd/functional.py \
	%reldir%/rustorch/autograd/graph.py \
	%reldir%/rustorch/autograd/variable.py
EXTRA_DIST += $(rustorch_autograd_py_DATA)
rustorch_data_pydir = $(pyexecdir)/rustorch/data
rustorch_data_py_DATA = \
	%reldir%/rustorch/data/__init__.py \
	%reldir%/rustorch/data/transforms.py
EXTRA_DIST += $(rustorch_data_py_DATA)
rustorch_nn_pydir = $(pyexecdir)/rustorch/nn
rustorch_nn_py_DATA = \
	%reldir%/rustorch/nn/__init__.pyi \
	%reldir%/rustorch/nn/__init__.py \
	%reldir%/rustorch/nn/_containers.py \
	%reldir%/rustorch/nn/_module.py \
	%reldir%/rustorch/nn/_resize.py \
	%reldir%/rustorch/nn/_wrappers.py \
	%reldir%/rustorch/nn/conv.py \
	%reldir%/rustorch/nn/functional.py \
	%reldir%/rustorch/nn/init.py \
	%reldir%/rustorch/nn/linear.py \
	%reldir%/rustorch/nn/modules.py \
	%reldir%/rustorch/nn/parameter.py
EXTRA_DIST += $(rustorch_nn_py_DATA)
rustorch_nn_utils_pydir = $(pyexecdir)/rustorch/nn/utils
rustorch_nn_utils_py_DATA = \
	%reldir%/rustorch/nn/utils/__init__.py \
	%reldir%/rustorch/nn/utils/clip.py \
	%reldir%/rustorch/nn/utils/rnn.py \
	%reldir%/rustorch/nn/utils/vector.py
EXTRA_DIST += $(rustorch_nn_utils_py_DATA)
rustorch_optim_pydir = $(pyexecdir)/rustorch/optim
rustorch_optim_py_DATA = \
	%reldir%/rustorch/optim/__init__.py \
	%reldir%/rustorch/optim/adam.py \
	%reldir%/rustorch/optim/adamw.py \
	%reldir%/rustorch/optim/lr_scheduler.py \
	%reldir%/rustorch/optim/optimizer.py \
	%reldir%/rustorch/optim/sgd.py
EXTRA_DIST += $(rustorch_optim_py_DATA)
rustorch_utils_pydir = $(pyexecdir)/rustorch/utils
rustorch_utils_py_DATA = \
	%reldir%/rustorch/utils/__init__.py
EXTRA_DIST += $(rustorch_utils_py_DATA)
rustorch_utils_data_pydir = $(pyexecdir)/rustorch/utils/data
rustorch_utils_data_py_DATA = \
	%reldir%/rustorch/utils/data/__init__.py \
	%reldir%/rustorch/utils/data/dataloader.py \
	%reldir%/rustorch/utils/data/dataset.py \
	%reldir%/rustorch/utils/data/sampler.py
EXTRA_DIST += $(rustorch_utils_data_py_DATA)
rustorch_py_pydir = $(pyexecdir)/rustorch_py
rustorch_py_py_DATA = \
	%reldir%/rustorch_py/__init__.py
EXTRA_DIST += $(rustorch_py_py_DATA)

# Printed from the catalogs by scripts/dump_catalog.py.
EXTRA_DIST += scripts/dump_catalog.py \
	docs/errors.md \
	docs/reference/errors.md \
	docs/reference/layers.md \
	docs/reference/operations.md \
	docs/reference/optimizers.md

# What importlib.metadata, and through it Pygments, find.
distinfodir = $(pyexecdir)/rustorch-$(PACKAGE_VERSION).dist-info
distinfo_DATA = %D%/dist-info/METADATA %D%/dist-info/INSTALLER \
	%D%/dist-info/entry_points.txt
EXTRA_DIST += %D%/dist-info/INSTALLER %D%/dist-info/entry_points.txt
# An importable package inside the build tree: PYTHONPATH=build/python/path.
BUILT_PACKAGE = %D%/path
all-local: $(BUILT_PACKAGE)/stamp
$(BUILT_PACKAGE)/stamp: %D%/rustorch/_C.la %D%/dist-info/METADATA
	$(AM_V_GEN)$(MKDIR_P) $(BUILT_PACKAGE)/rustorch; \
	for f in '$(abs_top_srcdir)'/%D%/rustorch/*; do \
	  test -d "$$f" && test "$${f##*/}" = _C || \
	    ln -sfn "$$f" $(BUILT_PACKAGE)/rustorch/; done; \
	ln -sfn '$(abs_top_builddir)'/%D%/rustorch/.libs/_C.so \
	  $(BUILT_PACKAGE)/rustorch/_C.so; \
	ln -sfn '$(abs_top_srcdir)'/%D%/rustorch_py $(BUILT_PACKAGE)/; \
	ln -sfn '$(abs_top_srcdir)'/magic/rustorch_magic $(BUILT_PACKAGE)/; \
	$(MKDIR_P) $(BUILT_PACKAGE)/rustorch.dist-info; \
	for f in METADATA; do cp %D%/dist-info/$$f $(BUILT_PACKAGE)/rustorch.dist-info/; done; \
	cp '$(srcdir)'/%D%/dist-info/entry_points.txt $(BUILT_PACKAGE)/rustorch.dist-info/; \
	touch $@
clean-local: clean-built-package
clean-built-package:
	rm -rf $(BUILT_PACKAGE)
# libtool's own note about the module is of no use to Python.
install-exec-hook: remove-la
remove-la:
	rm -f '$(DESTDIR)$(rustorchexecdir)/_C.la'
uninstall-hook: remove-so
remove-so:
	rm -f '$(DESTDIR)$(rustorchexecdir)/_C.so'
endif
