# The runtime: one convenience library (libruntime.la), linked by every host and
# test, and librustorch.la, which exports only rt_ and lang_ names.
# Sources are one a line, so that a row is one line in a change.
noinst_LTLIBRARIES += libruntime.la
libruntime_la_CFLAGS = $(AM_CFLAGS) $(PNG_CFLAGS) $(ZLIB_CFLAGS)
libruntime_la_LIBADD = $(PNG_LIBS) $(ZLIB_LIBS) $(LIBM) -lpthread -ldl
libruntime_la_SOURCES = \
	runtime/rustorch.h \
	runtime/dtypes.def \
	runtime/errors.def

include runtime/base/local.mk
include runtime/core/local.mk
include runtime/ops/local.mk
include runtime/autograd/local.mk
include runtime/nn/local.mk
include runtime/display/local.mk
