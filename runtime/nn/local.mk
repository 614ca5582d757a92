libruntime_la_SOURCES += \
	%D%/forward.c \
	%D%/init.c \
	%D%/init.def \
	%D%/layers.c \
	%D%/layers.def \
	%D%/module.c \
	%D%/module.h \
	%D%/recurrent.c \
	%D%/repr.c \
	%D%/values.c
