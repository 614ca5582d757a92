/* SPDX-License-Identifier: MIT
 *
 * Kernels per instruction set. Files named *_kernels.c are compiled once for
 * each set, with RT_ISA_SUFFIX telling which, and export one table a family:
 * rt__elementwise_avx2 and so on. RT_ISA_TABLE(family) is the one in force.
 */
#ifndef RT_BASE_ISA_H
#define RT_BASE_ISA_H

#include "runtime/base/cpu.h"

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

#endif
