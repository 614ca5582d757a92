/* SPDX-License-Identifier: MIT
 *
 * Words to compilers about loops.
 */
#ifndef RT_BASE_LOOPS_H
#define RT_BASE_LOOPS_H

/* In front of a loop whose iterations are independent: the output is another
 * array or exactly an input. Clang has no such word; it compares at run time. */
#ifdef __clang__
#define RT_VECTORISE
#else
#define RT_VECTORISE _Pragma("GCC ivdep")
#endif

#endif
