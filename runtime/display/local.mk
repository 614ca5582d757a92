libruntime_la_SOURCES += \
	%D%/base64.h \
	%D%/chart.c \
	%D%/graph.c \
	%D%/html.c \
	%D%/image.c \
	%D%/progress.c \
	%D%/scale.c %D%/scale.h \
	%D%/summary.c
