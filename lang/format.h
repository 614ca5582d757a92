/* SPDX-License-Identifier: MIT
 *
 * format.h - values as text: print, printf, println!, results.
 */
#ifndef LANG_FORMAT_H
#define LANG_FORMAT_H

#include "lang/format_spec.h"
#include "lang/value.h"
#include "lang/writer.h"

/* As print shows it; `quoted`: strings in quotes, as in results and lists. */
rt_status lang__write_value(lang__writer *w, lang__value v, bool quoted,
                            rt_error *err);
/* "[64, 784]" */
void lang__write_shape(lang__writer *w, const int64_t *shape, int ndim);
/* A parsed format with the arguments after it. */
rt_status lang__write_formatted(lang__writer *w, const lang__format *f,
                                const lang__value *args, int n, rt_error *err);

#endif
