/* SPDX-License-Identifier: MIT
 *
 * Kernels per instruction set. Files named *_kernels.c are compiled once for
 * each set, with RT_ISA_SUFFIX telling which, and export one table a family:
 * rt__elementwise_avx2 and so on. RT_ISA_TABLE(family) is the one in force.
 */
#ifndef RT_OPS_CPU_ISA_H
#define RT_OPS_CPU_ISA_H

#include "runtime/base/cpu.h"
#include "runtime/rustorch.h"

#define RT_JOIN_(a, b) a##_##b
#define RT_JOIN(a, b) RT_JOIN_(a, b)
/* The name of a table inside a *_kernels.c file. */
#define RT_ISA_NAME(family) RT_JOIN(rt__##family, RT_ISA_SUFFIX)

/* Declares the tables of a family, and its array by instruction set. */
#if defined(__x86_64__)
#define RT_ISA_FAMILY(type, family)                                            \
    extern const type rt__##family##_baseline, rt__##family##_avx2,            \
        rt__##family##_avx512;                                                 \
    static const type *const rt__##family##_tables[RT_ISA_COUNT]               \
        __attribute__((unused)) = {                                            \
            &rt__##family##_baseline, &rt__##family##_avx2,                    \
            &rt__##family##_avx512}
#else
#define RT_ISA_FAMILY(type, family)                                            \
    extern const type rt__##family##_baseline;                                 \
    static const type *const rt__##family##_tables[RT_ISA_COUNT]               \
        __attribute__((unused)) = {                                            \
            &rt__##family##_baseline, &rt__##family##_baseline,                \
            &rt__##family##_baseline}
#endif
#define RT_ISA_TABLE(family) (rt__##family##_tables[rt__isa_now()])

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
#define EW2I(name, i) RT_EW_##name,
#define EW2B(name, i, f) RT_EW_##name,
#include "runtime/ops/cpu/elementwise.def"
#undef EW1
#undef EW1F
#undef EW1W
#undef EW1B
#undef EW2
#undef EW2F
#undef EW2I
#undef EW2B
    RT_EW_sin, RT_EW_cos,
    RT_EW_isclose,            /* bool; f[0] rtol, f[1] atol, i[0] equal_nan */
    RT_EW_where,              /* condition (bool), a, b */
    RT_EW_COUNT
} rt__ew;

typedef struct rt__elementwise_table {
    rt__elementwise_fn fn[RT_EW_COUNT][RT_DTYPE_COUNT];   /* NULL: none */
} rt__elementwise_table;
RT_ISA_FAMILY(rt__elementwise_table, elementwise);

typedef struct rt__convert_table {
    rt__convert_fn fn[RT_DTYPE_COUNT][RT_DTYPE_COUNT];    /* [from][to] */
    /* out[j][i] = in[i][j] for blocks of 1, 2, 4 or 8 byte elements; row
     * strides in bytes. */
    void (*transpose)(char *out, int64_t out_stride, const char *in,
                      int64_t in_stride, int rows, int columns, int size);
} rt__convert_table;
RT_ISA_FAMILY(rt__convert_table, convert);

#endif
