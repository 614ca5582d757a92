/* SPDX-License-Identifier: MIT
 * Fuzz target: cells. Lexer, parser and checker on any bytes; is-complete,
 * completion and inspection at a position taken from them.
 */
#include "lang/checker.h"
#include "lang/lang.h"
#include "tests/fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    lang_symbols *none = lang_symbols_new();
    lang_completion found = {0};
    lang_bundle help = {0};
    int indent, cursor = size ? data[0] : 0;
    lang_is_complete(text, size, &indent);
    lang_complete(none, text, size, cursor, &found);
    lang_completion_dispose(&found);
    if (lang_inspect(none, text, size, cursor, 1, &help)) {
        lang_bundle_dispose(&help);
    }
    lang_symbols_free(none);

    lang_host host = {0};
    lang_session *session = NULL;
    lang_outcome out;
    rt_error err;
    rt_error_clear(&err);
    if (lang_session_new(&session, &host, &err) == RT_OK) {
        rt_interrupt();   /* what parses starts, and stops at its first poll */
        set_files(0);
        lang_execute(session, text, size, 1, NULL, &out);
        lang_outcome_dispose(&out);
        rt_interrupt_clear();
        set_files(1024);
        lang_session_free(session);
    }
    return 0;
}
