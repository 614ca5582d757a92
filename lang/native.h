/* SPDX-License-Identifier: MIT
 *
 * native.h - writing built-in functions: one NATIVE per row of builtins.def,
 * in the file of its subject; natives.c ties them to their rows.
 */
#ifndef LANG_NATIVE_H
#define LANG_NATIVE_H

#include "lang/vm.h"

#define NATIVE(id) rt_status lang__native_##id(lang__native_call *c)

#define BUILTIN(id, name, signature, check, effect, doc) NATIVE(id);
#include "lang/builtins.def"
#undef BUILTIN

/* The result is this text, which is taken over. */
static inline rt_status lang__return_text(lang__native_call *c, char *text)
{
    *c->out = LANG__STRING_VALUE(NULL);
    return lang__string_take(&c->out->s, text, c->err);
}

/* Argument i as a tensor that is there. */
rt_status lang__need_tensor(lang__native_call *c, int i);
rt_status lang__need_module(lang__native_call *c, int i);

#endif
