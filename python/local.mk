# The extension rustorch._C and the Python package around it.
if PYTHON_EXTENSION
rustorch_cdir = $(pyexecdir)/rustorch
rustorch_c_LTLIBRARIES = %reldir%/rustorch/_C.la

%canon_reldir%_rustorch__C_la_SOURCES = \
	%reldir%/rustorch/_C/binding.h \
	%reldir%/rustorch/_C/module.h \
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
	%reldir%/rustorch/_C/layers.c \
	%reldir%/rustorch/_C/optim.c \
	%reldir%/rustorch/_C/data.c \
	%reldir%/rustorch/_C/files.c \
	%reldir%/rustorch/_C/cells.c
%canon_reldir%_rustorch__C_la_CPPFLAGS = $(AM_CPPFLAGS) $(PYTHON_CPPFLAGS)
%canon_reldir%_rustorch__C_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-shared -export-symbols-regex '^PyInit__C$$'
%canon_reldir%_rustorch__C_la_LIBADD = liblang.la libruntime.la -lpthread
endif
