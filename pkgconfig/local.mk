# For programs in C: librustorch (the runtime and the cell language; only
# rt_ and lang_ names are visible), its headers and its pkg-config file.
lib_LTLIBRARIES += librustorch.la
librustorch_la_SOURCES =
librustorch_la_LIBADD = liblang.la libruntime.la
librustorch_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-export-symbols-regex '^(rt_[a-z0-9]|lang_[a-z0-9])'

publicdir = $(includedir)/rustorch
nobase_public_HEADERS = runtime/rustorch.h runtime/dtypes.def \
	runtime/errors.def lang/lang.h
pkgconfig_DATA += %reldir%/rustorch.pc
