libruntime_la_SOURCES += \
	%D%/bind.c \
	%D%/call.c \
	%D%/catalog.c \
	%D%/iterator.c %D%/iterator.h \
	%D%/op.h \
	%D%/ops.def \
	%D%/schema.c \
	%D%/value.c
libruntime_la_SOURCES += \
	%D%/creation.c \
	%D%/families.c \
	%D%/indexing.c \
	%D%/shapes.c \
	%D%/views.c \
	%D%/cpu/gather.c \
	%D%/cpu/index.c \
	%D%/cpu/join.c \
	%D%/cpu/move.c %D%/cpu/move.h
libruntime_la_SOURCES += %D%/cpu/backward.c
