libruntime_la_SOURCES += \
	%D%/alloc.c %D%/blocks.h \
	%D%/cpu.c %D%/cpu.h \
	%D%/error.c \
	%D%/isa.h %D%/loops.h \
	%D%/log.h \
	%D%/pages.c %D%/pages.h \
	%D%/pool.c %D%/pool.h \
	%D%/random.c %D%/random.h \
	%D%/settings.c \
	%D%/share.c \
	%D%/slab.c %D%/slab.h \
	%D%/text.c %D%/text.h \
	%D%/thread.h
