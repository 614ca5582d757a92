# Kernels, compiled once per instruction set. -ftree-vectorize and the cost
# model are given by name so that they hold under any -O level.
ops_kernels = \
	runtime/base/mt19937_kernels.c runtime/base/mt19937.h \
	%D%/backward_kernels.c %D%/backward.h \
	%D%/columns_kernels.c %D%/columns.h \
	%D%/convert_kernels.c \
	%D%/copy_kernels.c \
	%D%/elementwise_kernels.c \
	%D%/dgemm_kernels.c %D%/dgemm_kernels.h \
	%D%/gather_kernels.c \
	%D%/igemm_kernels.c %D%/igemm_kernels.h \
	%D%/lanes_kernels.c %D%/lanes.h \
	%D%/sgemm_kernels.c %D%/sgemm_kernels.h \
	%D%/norm_kernels.c %D%/norm.h \
	%D%/patches_kernels.c %D%/patches.h %D%/square.h \
	%D%/pooling_kernels.c %D%/pooling.h \
	%D%/random_kernels.c %D%/random_kernels.h \
	%D%/recurrent_kernels.c \
	%D%/reduce_kernels.c \
	%D%/rows_kernels.c \
	%D%/softmax_kernels.c %D%/softmax.h \
	%D%/winograd_kernels.c %D%/winograd.h %D%/step.h
ops_kernel_cflags = $(AM_CFLAGS) $(VECTOR_CFLAGS) \
	 -fwrapv -Wno-type-limits

noinst_LTLIBRARIES += libops_baseline.la
libops_baseline_la_SOURCES = $(ops_kernels)
libops_baseline_la_CPPFLAGS = $(AM_CPPFLAGS) -DRT_ISA_SUFFIX=baseline
libops_baseline_la_CFLAGS = $(ops_kernel_cflags)
libruntime_la_LIBADD += libops_baseline.la

if X86
noinst_LTLIBRARIES += libops_avx2.la libops_avx512.la
libops_avx2_la_SOURCES = $(ops_kernels)
libops_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DRT_ISA_SUFFIX=avx2
libops_avx2_la_CFLAGS = $(ops_kernel_cflags) -mavx2 -mfma -mbmi2 -mf16c
libops_avx512_la_SOURCES = $(ops_kernels)
libops_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DRT_ISA_SUFFIX=avx512
libops_avx512_la_CFLAGS = $(ops_kernel_cflags) -mavx2 -mfma -mbmi2 -mf16c \
	-mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
libruntime_la_LIBADD += libops_avx2.la libops_avx512.la
endif

libruntime_la_SOURCES += \
	%D%/arithmetic.c \
	%D%/elementwise.c %D%/elementwise.h \
	%D%/elementwise.def \
	%D%/isa.h %D%/vec.h %D%/vec_half.h %D%/vec64.h %D%/vec_trig.h \
	%D%/wide.h %D%/wide_math.h %D%/wide_normal.h %D%/wide_rows.h \
	%D%/median.c \
	%D%/reduce.c %D%/reduce.h \
	%D%/softmax.c
libruntime_la_SOURCES += %D%/attention.c %D%/attention.h
libruntime_la_SOURCES += %D%/columns.c
libruntime_la_SOURCES += %D%/fused.c
libruntime_la_SOURCES += %D%/lanes.c
libruntime_la_SOURCES += %D%/index.h %D%/index_put.c
libruntime_la_SOURCES += %D%/nonzero.c
libruntime_la_SOURCES += %D%/conv.h %D%/conv_patches.c %D%/patches.c
libruntime_la_SOURCES += %D%/recurrent.c %D%/recurrent.h
libruntime_la_SOURCES += %D%/rows.h
libruntime_la_SOURCES += %D%/sgemm.c
libruntime_la_SOURCES += %D%/winograd.c
