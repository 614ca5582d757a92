/* SPDX-License-Identifier: MIT
 * Slices and error texts.
 */
#include "kernel/protocol/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

jp_slice jp_text(const char *text)
{
    return (jp_slice){text, strlen(text)};
}

bool jp_fail(jp_error *err, const char *format, ...)
{
    if (err && !err->text[0]) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(err->text, sizeof err->text, format, ap);
        va_end(ap);
    }
    return false;
}
