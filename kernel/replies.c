/* SPDX-License-Identifier: MIT
 * Answers to questions. They use what the front knows (the last snapshot of
 * the session's symbols, history), so they come at once while a cell runs.
 */
#include "kernel/router.h"

#include "kernel/bundle.h"
#include "kernel/log.h"

#include <stdlib.h>
#include <string.h>

json_t *kernel_answer_info(kernel_router *r, kernel_request *q)
{
    const char *version = rt_version();
    json_t *language = json_pack(
        "{ss ss ss ss ss ss}", "name", "rustorch", "version", version,
        "mimetype", "text/x-rustorch", "file_extension", ".rt",
        "codemirror_mode", "text/x-c++src", "pygments_lexer", "rustorch");
    char *banner = kernel_format("RusTorch %s: tensors, autograd and neural "
                                 "networks in a C-like language", version);
    json_t *content = json_pack(
        "{ss ss ss ss so ss s[] s[]}", "status", "ok", "protocol_version",
        "5.6", "implementation", "rustorch", "implementation_version", version,
        "language_info", language, "banner", banner, "help_links",
        "supported_features");
    free(banner);
    return content;
}

/* --- code and cursor ------------------------------------------------------ */

typedef struct question {
    const char *code;
    size_t size;
    int cursor;          /* code points */
} question;

static int count_points(const char *s, size_t size)
{
    int n = 0;
    for (size_t i = 0; i < size; i++) {
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    }
    return n;
}

static question read_question(const kernel_request *q)
{
    const json_t *code = json_object_get(q->content, "code");
    const json_t *cursor = json_object_get(q->content, "cursor_pos");
    question a = {"", 0, 0};
    if (json_is_string(code)) {
        a.code = json_string_value(code);
        a.size = json_string_length(code);
    }
    int end = count_points(a.code, a.size);
    json_int_t at = json_is_integer(cursor) ? json_integer_value(cursor) : end;
    a.cursor = at < 0 ? 0 : at > end ? end : (int)at;
    return a;
}

json_t *kernel_answer_complete(kernel_router *r, kernel_request *q)
{
    question a = read_question(q);
    lang_completion c = {0};
    lang_complete(r->symbols, a.code, a.size, a.cursor, &c);
    json_t *matches = json_array(), *types = json_array();
    for (int i = 0; i < c.count; i++) {
        const lang_completion_item *item = &c.items[i];
        const char *signature = item->signature ? item->signature : "";
        json_array_append_new(matches, json_string(item->text));
        json_array_append_new(
            types, json_pack("{ss ss si si ss}", "text", item->text, "type",
                             item->type ? item->type : "", "start", c.start,
                             "end", c.end, "signature", signature));
    }
    json_t *content = json_pack("{ss so si si s{so}}", "status", "ok",
                                "matches", matches, "cursor_start", c.start,
                                "cursor_end", c.end, "metadata",
                                "_jupyter_types_experimental", types);
    lang_completion_dispose(&c);
    return content;
}

json_t *kernel_answer_inspect(kernel_router *r, kernel_request *q)
{
    question a = read_question(q);
    int detail = json_integer_value(json_object_get(q->content,
                                                    "detail_level")) > 0;
    lang_bundle bundle = {0};
    bool found = lang_inspect(r->symbols, a.code, a.size, a.cursor, detail,
                              &bundle);
    json_t *content = json_pack(
        "{ss sb so s{}}", "status", "ok", "found", found, "data",
        found ? kernel_bundle_data(&bundle) : json_object(), "metadata");
    lang_bundle_dispose(&bundle);
    return content;
}

json_t *kernel_answer_is_complete(kernel_router *r, kernel_request *q)
{
    static const char *const names[] = {[LANG_COMPLETE] = "complete",
                                        [LANG_INCOMPLETE] = "incomplete",
                                        [LANG_INVALID] = "invalid"};
    question a = read_question(q);
    int indent = 0;
    lang_completeness state = lang_is_complete(a.code, a.size, &indent);
    json_t *content = json_pack("{ss}", "status", names[state]);
    if (state == LANG_INCOMPLETE) {
        indent = indent < 0 ? 0 : indent > 80 ? 80 : indent;
        char spaces[81];
        memset(spaces, ' ', sizeof spaces);
        json_object_set_new(content, "indent",
                            json_stringn(spaces, (size_t)indent));
    }
    return content;
}

json_t *kernel_answer_history(kernel_router *r, kernel_request *q)
{
    return json_pack("{ss so}", "status", "ok", "history",
                     kernel_history_answer(r->history, q->content));
}

/* --- comms: this kernel has no targets ------------------------------------ */

json_t *kernel_answer_comm_info(kernel_router *r, kernel_request *q)
{
    return json_pack("{ss s{}}", "status", "ok", "comms");
}

json_t *kernel_answer_comm_open(kernel_router *r, kernel_request *q)
{
    const json_t *id = json_object_get(q->content, "comm_id");
    if (json_is_string(id)) {
        kernel_publish(r, q, "comm_close",
                       json_pack("{sO s{}}", "comm_id", id, "data"));
    }
    return NULL;
}

json_t *kernel_answer_comm_other(kernel_router *r, kernel_request *q)
{
    return NULL;   /* of a comm that was never open */
}

/* --- the kernel itself ---------------------------------------------------- */

json_t *kernel_answer_connect(kernel_router *r, kernel_request *q)
{
    const int *port = r->connection->port;
    return json_pack("{ss si si si si si}", "status", "ok", "shell_port",
                     port[JP_SHELL], "control_port", port[JP_CONTROL],
                     "stdin_port", port[JP_STDIN], "iopub_port",
                     port[JP_IOPUB], "hb_port", port[JP_HEARTBEAT]);
}

json_t *kernel_answer_interrupt(kernel_router *r, kernel_request *q)
{
    kernel_interrupt(r);
    return json_pack("{ss}", "status", "ok");
}

json_t *kernel_answer_shutdown(kernel_router *r, kernel_request *q)
{
    bool restart = json_is_true(json_object_get(q->content, "restart"));
    json_t *content = json_pack("{ss sb}", "status", "ok", "restart", restart);
    kernel_publish(r, q, "shutdown_reply", json_copy(content));
    r->stopping = true;
    return content;
}
