/* SPDX-License-Identifier: MIT
 *
 * A strict reader of the little JSON that files hold: the caller asks for what
 * it expects, and anything else is RT_E_FORMAT with the byte where it stands.
 * After a failure every further call fails too. Input need not be terminated
 * and is never trusted; nesting ends at 200.
 */
#ifndef RT_NN_JSON_H
#define RT_NN_JSON_H

#include "runtime/base/text.h"

typedef struct rt__json {
    const char *what;         /* for messages: "model.rustorch" */
    const char *start, *at, *end;
    rt_error *err;
    rt_status status;
    int depth;
    bool first;               /* just behind an opening bracket */
} rt__json;

void rt__json_init(rt__json *j, const char *what, const char *text, size_t size,
                   rt_error *err);
/* RT_E_FORMAT with "what: <message> at byte n". */
rt_status rt__json_fail(rt__json *j, const char *message);
/* The next character that is not white space, 0 at the end. */
char rt__json_peek(rt__json *j);
/* '{', '[' and their entries: true while there is another one; the closing
 * bracket is taken. For an object the key comes as *key (rt_free it). */
bool rt__json_open(rt__json *j, char bracket);
bool rt__json_key(rt__json *j, char **key);
bool rt__json_item(rt__json *j);
/* NULL after a failure; UTF-8, escapes resolved, no NUL inside; rt_free it. */
char *rt__json_string(rt__json *j);
int64_t rt__json_natural(rt__json *j);      /* 0 .. 2^63-1 */
/* A number: RT_K_INT or RT_K_FLOAT. */
rt_value rt__json_number(rt__json *j);
/* true, false or null. */
rt_value rt__json_word(rt__json *j);
/* Nothing but white space may follow. */
rt_status rt__json_end(rt__json *j);

/* Adds s in quotes, escaped. */
void rt__json_quote(rt__text *t, const char *s);

#endif
