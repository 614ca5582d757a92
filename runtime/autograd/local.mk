libruntime_la_SOURCES += \
	%D%/apply.c \
	%D%/backward.c \
	%D%/custom.c \
	%D%/engine.h \
	%D%/formula.c %D%/formula.h \
	%D%/gradients.c \
	%D%/gradients_nn.c \
	%D%/gradients_reduce.c \
	%D%/gradients_shape.c \
	%D%/gradcheck.c \
	%D%/graph.c %D%/graph.h \
	%D%/hooks.c \
	%D%/mode.c \
	%D%/plain.c \
	%D%/record.c \
	%D%/rules.c
