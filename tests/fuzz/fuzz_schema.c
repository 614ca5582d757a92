/* SPDX-License-Identifier: MIT
 * Fuzz target: the parser of op signatures.
 */
#include "runtime/ops/op.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rt_signature *s = calloc(1, sizeof *s);
    char *text = malloc(size + 1);
    rt_error err;
    memcpy(text, data, size);
    text[size] = '\0';
    rt_error_clear(&err);
    if (rt__schema_parse(s, text, &err) == RT_OK) {
        rt__schema_dispose(s);
    }
    free(text);
    free(s);
    return 0;
}
