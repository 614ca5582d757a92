libruntime_la_SOURCES += \
	%D%/device.c \
	%D%/dtype.c \
	%D%/print.c \
	%D%/shape.c \
	%D%/tensor.c %D%/tensor.h
