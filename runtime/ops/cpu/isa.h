/* SPDX-License-Identifier: MIT
 *
 * The ops' families of kernels per instruction set (runtime/base/isa.h).
 */
#ifndef RT_OPS_CPU_ISA_H
#define RT_OPS_CPU_ISA_H

#include "runtime/base/isa.h"
#include "runtime/rustorch.h"

/* --- elementwise --------------------------------------------------------- */

/* Parameters of a call: f for floating kernels, i for integer ones. */
typedef struct rt__params {
    double f[4];
    int64_t i[4];
} rt__params;

/* d[0]: output, d[1..]: inputs, all dense; d[0] may be one of the inputs. */
typedef void (*rt__elementwise_fn)(void *const *d, int64_t n,
                                   const rt__params *p);
/* Converts n elements; strides in bytes, 0 repeats the source. */
typedef void (*rt__convert_fn)(char *out, int64_t out_stride, const char *in,
                               int64_t in_stride, int64_t n);

typedef enum rt__ew {
#define EW1(name, i, f, d) RT_EW_##name,
#define EW1F(name, f, d) RT_EW_##name,
#define EW1W(name, f, d) RT_EW_##name,
#define EW1B(name, i, f) RT_EW_##name,
#define EW2(name, i, f, d) RT_EW_##name,
#define EW2F(name, f, d) RT_EW_##name,
#define EW2X(name, i, d) RT_EW_##name,
#define EW2I(name, i) RT_EW_##name,
#define EW2B(name, i, f) RT_EW_##name,
#include "runtime/ops/cpu/elementwise.def"
#undef EW1
#undef EW1F
#undef EW1W
#undef EW1B
#undef EW2
#undef EW2F
#undef EW2X
#undef EW2I
#undef EW2B
    RT_EW_sin, RT_EW_cos, RT_EW_tan,
    RT_EW_isclose,            /* bool; f[0] rtol, f[1] atol, i[0] equal_nan */
    RT_EW_where,              /* condition (bool), a, b */
    RT_EW_whole_quotient,     /* floor_divide and remainder of integers; no */
    RT_EW_whole_modulo,       /* divisor is 0 */
    RT_EW_float_pow,          /* pow of float32 */
    RT_EW_add_product,        /* a + b * c, the product rounded; floating */
    RT_EW_addcmul,            /* a + P0 * (b * c), likewise */
    RT_EW_addcdiv,            /* a + P0 * (b / c); floating */
    RT_EW_lerp_by,            /* a + c * (b - a); floating */
    RT_EW_COUNT
} rt__ew;

/* What comes first in the loops that take their operand from registers. */
typedef enum rt__ew_first {
    RT_FIRST_ADD,             /* d[1] + d[2] */
    RT_FIRST_MUL,             /* d[1] * d[2] */
    RT_FIRST_MUL_ADD,         /* d[1] * d[2], rounded, + d[3] */
    RT_FIRST_COUNT
} rt__ew_first;

typedef struct rt__elementwise_table {
    rt__elementwise_fn fn[RT_EW_COUNT][RT_DTYPE_COUNT];   /* NULL: none */
    /* float32 where d[1] or d[2] is a single element; NULL: none */
    rt__elementwise_fn single[2][RT_EW_COUNT];
    /* float32 of one operand after something else; NULL: none */
    rt__elementwise_fn after[RT_FIRST_COUNT][RT_EW_COUNT];
    /* float16 and bfloat16 where nothing has to be converted; NULL: none */
    rt__elementwise_fn halves[2][RT_EW_COUNT];
} rt__elementwise_table;
RT_ISA_FAMILY(rt__elementwise_table, elementwise);

typedef struct rt__convert_table {
    rt__convert_fn fn[RT_DTYPE_COUNT][RT_DTYPE_COUNT];    /* [from][to] */
    /* out[j][i] = in[i][j] for blocks of 1, 2, 4 or 8 byte elements; row
     * strides in bytes. */
    void (*transpose)(char *out, int64_t out_stride, const char *in,
                      int64_t in_stride, int rows, int columns, int size);
    /* Copies past the caches, to memory that nobody reads soon. A fence has to
     * follow before anybody else does: rt__stream_end. */
    void (*stream)(char *out, const char *in, int64_t bytes);
    /* out[i] = start + (first + i) * step; n is at most 2^31 - 1. */
    void (*count_floats)(double *out, double start, double step, int64_t first,
                         int n);
    /* out[i] = start + i * step, modulo 2^64. */
    void (*count_ints)(int64_t *out, int64_t start, int64_t step, int64_t n);
} rt__convert_table;
RT_ISA_FAMILY(rt__convert_table, convert);

/* Copies n1 rows of n0 elements; strides in bytes, along a row and from row to
 * row, of any sign. What is written overlaps nothing that is read. */
typedef void (*rt__plane_copy_fn)(char *out, const int64_t *out_strides,
                                  const char *in, const int64_t *in_strides,
                                  int64_t n0, int64_t n1);
typedef struct rt__copy_table {
    rt__plane_copy_fn plane[4];     /* elements of 1, 2, 4 and 8 bytes */
} rt__copy_table;
RT_ISA_FAMILY(rt__copy_table, copy);

static inline rt__plane_copy_fn rt__plane_copy_of(size_t element)
{
    return RT_ISA_TABLE(copy)->plane[__builtin_ctzll(element)];
}

static inline void rt__stream_end(void)
{
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

#endif
