/* SPDX-License-Identifier: MIT
 * Errors: the catalog's rows, and setting one (the first wins).
 */
#include "runtime/rustorch.h"

#include <stdarg.h>
#include <stdio.h>

static const rt_error_info infos[RT_STATUS_COUNT] = {
#define RT_ERROR(code, shown, cls, builtin, doc)                               \
    [RT_E_##code] = {shown, cls, builtin, doc},
#include "runtime/errors.def"
#undef RT_ERROR
};

const rt_error_info *rt_error_describe(rt_status code)
{
    if (code <= RT_OK || code >= RT_STATUS_COUNT) {
        return NULL;
    }
    return &infos[code];
}

/* "matmul: ..." -> op "matmul": messages begin with the operation. */
static void take_op(rt_error *err)
{
    size_t n = 0;
    while (n + 1 < sizeof err->op) {
        char c = err->message[n];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9') || c == '_' || c == '.';
        if (!word) {
            break;
        }
        err->op[n++] = c;
    }
    err->op[err->message[n] == ':' ? n : 0] = '\0';
}

rt_status rt_fail(rt_error *err, rt_status code, const char *format, ...)
{
    if (!err || err->code != RT_OK) {
        return code;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->code = code;
    err->nshapes = 0;
    err->help[0] = '\0';
    take_op(err);
    return code;
}

void rt_error_help(rt_error *err, const char *format, ...)
{
    if (!err || err->code == RT_OK || err->help[0]) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(err->help, sizeof err->help, format, args);
    va_end(args);
}
