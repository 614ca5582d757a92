/* SPDX-License-Identifier: MIT
 * Fuzz target: cells. Lexer, parser and checker on any bytes; is-complete,
 * completion and inspection at a position taken from them.
 */
#include "lang/checker.h"
#include "lang/lang.h"
#include "tests/fuzz/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a front asks while the user types. */
static void help(const char *text, size_t size, int cursor, bool inspect)
{
    lang_symbols *none = lang_symbols_new();
    lang_completion found = {0};
    lang_bundle shown = {0};
    if (!inspect) {
        lang_complete(none, text, size, cursor, &found);
        lang_completion_dispose(&found);
    } else if (lang_inspect(none, text, size, cursor, 1, &shown)) {
        lang_bundle_dispose(&shown);
    }
    lang_symbols_free(none);
}

static void execute(const char *text, size_t size)
{
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
}

/* All of it when replayed; the fuzzer, to be fast, does what the last byte
 * says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    int indent, cursor = size ? data[0] : 0, part = -1;
#ifdef FUZZER
    part = size ? data[size - 1] % 4 : 0;
#endif
    lang_is_complete(text, size, &indent);
    if (part < 0 || part == 1) {
        help(text, size, cursor, false);
    }
    if (part < 0 || part == 2) {
        help(text, size, cursor, true);
    }
    if (part < 1 || part == 3) {
        execute(text, size);
    }
    return 0;
}
