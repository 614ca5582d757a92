/* SPDX-License-Identifier: MIT
 *
 * compiler.h - from the typed tree to register code.
 *
 * The tree is complete (ast.h): every operand has the type its parent wants.
 * Numbers live in registers of their own class, without tags; everything else
 * is counted. Constants are registers with negative numbers, so that each
 * instruction has one form. Temporaries are marked at their last use, and the
 * machine lets go of them there.
 */
#ifndef LANG_COMPILER_H
#define LANG_COMPILER_H

#include "lang/code.h"

/* Where names of the session are found: the entry is made when absent (state
 * ABSENT); NULL without memory. */
typedef struct lang__names {
    void *ctx;
    lang__global *(*entry)(void *ctx, const char *name);
} lang__names;

/* All retain the unit, whose arena holds the tree. Function and module
 * statements of a program make no code: they are defined before it runs. */
rt_status lang__compile_program(lang__routine **out, lang__unit *unit,
                                const lang__program *program,
                                const lang__names *names, rt_error *err);
rt_status lang__compile_function(lang__routine **out, lang__unit *unit,
                                 const lang__function *function,
                                 const lang__names *names, rt_error *err);
rt_status lang__compile_module(lang__klass **out, lang__unit *unit,
                               const lang__module *module,
                               lang__anchor *anchor, const lang__names *names,
                               rt_error *err);

#endif
