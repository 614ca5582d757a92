libruntime_la_SOURCES += \
	%D%/bind.c \
	%D%/call.c \
	%D%/catalog.c \
	%D%/composites.c \
	%D%/creation.c \
	%D%/einsum.c \
	%D%/fused.c \
	%D%/indexing.c \
	%D%/infer.c %D%/infer.h \
	%D%/infer_elementwise.c \
	%D%/infer_reduce.c \
	%D%/iterator.c %D%/iterator.h \
	%D%/op.h \
	%D%/ops.def \
	%D%/plain.c %D%/plain.h \
	%D%/schema.c \
	%D%/steps.c %D%/steps.h \
	%D%/losses.c \
	%D%/shapes.c \
	%D%/value.c \
	%D%/views.c \
	%D%/cpu/conv.c \
	%D%/cpu/gather.c %D%/cpu/gather.h %D%/cpu/gather_rows.c \
	%D%/cpu/index.c \
	%D%/cpu/join.c \
	%D%/cpu/loss.c %D%/cpu/loss.h \
	%D%/cpu/move.c %D%/cpu/move.h \
	%D%/cpu/norm.c \
	%D%/cpu/pooling.c \
	%D%/cpu/search.c \
	%D%/cpu/sort.c %D%/cpu/sort.h %D%/cpu/sort_row.h \
	%D%/cpu/window.c %D%/cpu/window.h
libruntime_la_SOURCES += %D%/cpu/backward.c

include %D%/cpu/local.mk
libruntime_la_SOURCES += \
	%D%/matmul.c \
	%D%/random.c \
	%D%/cpu/blas.c %D%/cpu/blas.h \
	%D%/cpu/gemm.c %D%/cpu/gemm.h \
	%D%/cpu/random_fill.c %D%/cpu/random_fill.h
