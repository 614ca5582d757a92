# The Jupyter wire: libzmq, Jansson and libcrypto live here. It knows neither
# the runtime nor the language, and no other folder opens a socket.
noinst_LTLIBRARIES += libprotocol.la
libprotocol_la_SOURCES = \
	%reldir%/base.c %reldir%/base.h \
	%reldir%/channel.c %reldir%/channel.h \
	%reldir%/connection.c %reldir%/connection.h \
	%reldir%/heartbeat.c %reldir%/heartbeat.h \
	%reldir%/ipc.c %reldir%/ipc.h \
	%reldir%/listen.c %reldir%/listen.h \
	%reldir%/memory.c %reldir%/memory.h \
	%reldir%/packet.c \
	%reldir%/replay.c %reldir%/replay.h \
	%reldir%/sign.c %reldir%/sign.h \
	%reldir%/wire.c %reldir%/wire.h %reldir%/wire_priv.h
libprotocol_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
libprotocol_la_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS) $(JANSSON_CFLAGS) \
	$(CRYPTO_CFLAGS)
libprotocol_la_LIBADD = $(ZMQ_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS)
