libruntime_la_SOURCES += \
	%D%/bind.c \
	%D%/call.c \
	%D%/catalog.c \
	%D%/iterator.c %D%/iterator.h \
	%D%/op.h \
	%D%/ops.def \
	%D%/schema.c \
	%D%/value.c
