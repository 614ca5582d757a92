/* SPDX-License-Identifier: MIT
 *
 * lang.h - the cell language as a host sees it.
 *
 * A host (the kernel's compute process, the Python extension, the `rustorch`
 * command) opens a session, gives it callbacks, and runs cells. The language
 * knows nothing of Jupyter or Python; it writes streams, shows MIME bundles
 * and asks for input through the callbacks, on the thread that called.
 *
 * Questions (completion, inspection, is-complete) need no session: they work
 * on a lang_symbols table, an immutable snapshot that may live in another
 * process, so that they are answered while a cell runs.
 *
 * Ownership follows rustorch.h; results have a `_dispose`.
 */
#ifndef RUSTORCH_LANG_H
#define RUSTORCH_LANG_H

#include "runtime/rustorch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- MIME bundles --------------------------------------------------------- */

typedef struct lang_mime {
    char *mime;          /* "text/plain" */
    char *data;          /* UTF-8, or raw bytes when `binary` */
    size_t size;
    bool binary;         /* the host encodes it (base64 in Jupyter) */
} lang_mime;

/* Rich form of one value; always has text/plain. */
typedef struct lang_bundle {
    lang_mime *items;
    int count;
    int width, height;   /* of an image in CSS pixels, 0: not said */
} lang_bundle;
rt_status lang_bundle_add(lang_bundle *b, const char *mime, const void *data,
                          size_t size, bool binary, rt_error *err);
void lang_bundle_dispose(lang_bundle *b);

/* --- values ----------------------------------------------------------------- */

typedef enum lang_type_kind {
    LANG_VOID, LANG_BOOL, LANG_INT, LANG_FLOAT, LANG_STRING, LANG_TENSOR,
    LANG_LIST, LANG_FUNCTION, LANG_MODULE, LANG_OPTIMIZER, LANG_SCHEDULER,
    LANG_DATASET, LANG_LOADER, LANG_GENERATOR, LANG_DTYPE, LANG_HISTORY,
    LANG_PLOT, LANG_HOST,   /* LANG_HOST: an opaque callable of the host */
    LANG_TYPE_COUNT
} lang_type_kind;

typedef struct lang_list lang_list;     /* counted, mutable, one element type */

/* A value that crosses the border. Objects are counted; lang_value_release
 * gives the reference back. */
typedef struct lang_value {
    lang_type_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        char *s;               /* heap text, NUL-terminated UTF-8 */
        rt_tensor *tensor;
        lang_list *list;
        rt_module *module;
        rt_optimizer *optimizer;
        rt_scheduler *scheduler;
        rt_dataset *dataset;
        rt_loader *loader;
        void *object;          /* LANG_HOST: the host's; others: the language's */
    };
} lang_value;
void lang_value_release(lang_value *v);
/* Lists as the host sees them. */
rt_status lang_list_new(lang_list **out, lang_type_kind element, rt_error *err);
rt_status lang_list_push(lang_list *l, lang_value v, rt_error *err); /* copies */
int64_t lang_list_length(const lang_list *l);
lang_value lang_list_get(const lang_list *l, int64_t i);  /* borrowed parts */
lang_type_kind lang_list_element(const lang_list *l);

/* --- the host ---------------------------------------------------------------- */

typedef struct lang_host {
    void *ctx;
    /* Text for stdout (1) or stderr (2), in program order. */
    void (*stream)(void *ctx, int fd, const char *text, size_t size);
    /* Shows or (update) redraws a display; display_id may be NULL. */
    void (*display)(void *ctx, const lang_bundle *bundle,
                    const char *display_id, bool update);
    void (*clear_output)(void *ctx, bool wait);
    /* One line without newline in *line (rt_alloc'ed); RT_E_UNSUPPORTED when
     * the front end takes no input, RT_E_INTERRUPT when interrupted. */
    rt_status (*input)(void *ctx, const char *prompt, bool password,
                       char **line, rt_error *err);
    /* A free name the session does not know. Fills *out (a new reference) and
     * returns true, or returns false. NULL: no outside names. */
    bool (*lookup)(void *ctx, const char *name, lang_value *out);
    /* Calls a LANG_HOST object. */
    rt_status (*call)(void *ctx, void *object, const lang_value *args, int n,
                      lang_value *out, rt_error *err);
    void (*release)(void *ctx, void *object);   /* of a LANG_HOST value */
    /* A page of help (`name?`): NULL falls back to the stdout stream. */
    void (*page)(void *ctx, const lang_bundle *bundle);
    /* %history, %load: the host may rewrite the next cell. NULL: unsupported. */
    void (*set_next_input)(void *ctx, const char *text, bool replace);
    /* Text of earlier cells, for %history: n-th, NULL past the end. */
    const char *(*history)(void *ctx, int n);
} lang_host;

/* --- sessions ------------------------------------------------------------------ */

typedef struct lang_session lang_session;
/* The callbacks are copied. */
rt_status lang_session_new(lang_session **out, const lang_host *host,
                           rt_error *err);
void lang_session_free(lang_session *s);
/* From now on *place says where the machine is, for those who find the process
 * dead: 0 while none runs, else the cell's number in the upper 32 bits and,
 * one more than, the byte in its text (line ends being one byte) in the lower.
 * It is written before everything that may take long or go wrong. */
void lang_watch(lang_session *s, volatile uint64_t *place);

/* A frame of a run-time error's call stack, innermost first. */
typedef struct lang_trace {
    char function[64];    /* "" at top level */
    int cell, line;
    int times;           /* calls one after another at this line */
} lang_trace;

typedef struct lang_failure {
    rt_status code;
    char *ename;          /* "ShapeMismatchError", "KeyboardInterrupt" */
    char *evalue;         /* one line */
    char *text;           /* whole diagnostic, plain, newline separated */
    char *ansi;           /* the same with terminal colours */
    int line, column, end_column;   /* 1-based, columns in code points; 0: none */
    lang_trace *trace;
    int ntrace;
} lang_failure;

typedef struct lang_outcome {
    bool ok;
    bool has_value;       /* the last expression stood without `;` */
    lang_value value;
    lang_bundle bundle;   /* its rendering */
    lang_failure failure; /* when !ok */
    bool untouched;       /* the session is as it was: nothing ran, or what
                             ran only read it, computed, printed */
    bool exit_asked;      /* the cell called exit(status); ok then */
    int exit_status;
} lang_outcome;
void lang_outcome_dispose(lang_outcome *o);

/* Runs one cell. A static error runs nothing; a run-time error keeps what ran
 * before it. `cell` is the number shown in diagnostics (execution count);
 * `name` is "cell 7" or a file name (NULL: from the number). */
void lang_execute(lang_session *s, const char *source, size_t size, int cell,
                  const char *name, lang_outcome *out);
/* One expression, for user_expressions and `%rustorch expr`. */
void lang_evaluate(lang_session *s, const char *source, size_t size,
                   lang_outcome *out);

/* Variables by name: a new reference; false when absent. */
bool lang_get(lang_session *s, const char *name, lang_value *out);
/* Copies the value (a new reference); declares or redeclares. */
rt_status lang_set(lang_session *s, const char *name, const lang_value *value,
                   rt_error *err);
bool lang_unset(lang_session *s, const char *name);
/* Names declared at top level by the last lang_execute, for sharing. */
int lang_declared_count(const lang_session *s);
const char *lang_declared_at(const lang_session *s, int i);
/* Renders any value as a result is shown. */
rt_status lang_render(lang_bundle *out, const lang_value *v, rt_error *err);

/* --- questions --------------------------------------------------------------------- */

/* What a name is: `type` "Tensor", `signature` "f(float t) -> float", `doc`,
 * `value` a one-line preview; "" where there is none. */
typedef struct lang_symbol {
    const char *name, *kind, *type, *signature, *doc, *value;
} lang_symbol;
typedef struct lang_symbols lang_symbols;
/* An empty table; built-ins are always known and need not be added. */
lang_symbols *lang_symbols_new(void);
void lang_symbols_free(lang_symbols *t);
rt_status lang_symbols_add(lang_symbols *t, const lang_symbol *symbol,
                           rt_error *err);              /* copies */
/* Makes row i what `symbol` says; i at most the number of rows: then it is
 * added. What was there stays on failure. */
rt_status lang_symbols_set(lang_symbols *t, int i, const lang_symbol *symbol,
                           rt_error *err);
/* Forgets the rows from n on. */
void lang_symbols_cut(lang_symbols *t, int n);
int lang_symbols_count(const lang_symbols *t);
lang_symbol lang_symbols_at(const lang_symbols *t, int i);   /* borrowed */
/* Snapshot of a session's variables and functions (a new table). */
lang_symbols *lang_session_symbols(lang_session *s);

typedef struct lang_completion_item {
    char *text;           /* what is inserted */
    char *type;           /* "function", "module", "instance", "keyword", ... */
    char *signature;      /* "" when none */
} lang_completion_item;
typedef struct lang_completion {
    lang_completion_item *items;
    int count;
    int start, end;       /* code points replaced */
} lang_completion;
/* cursor in code points. Never fails: no matches at worst. */
void lang_complete(const lang_symbols *t, const char *source, size_t size,
                   int cursor, lang_completion *out);
void lang_completion_dispose(lang_completion *c);

/* Help for the name at the cursor (or the call around it): text/plain with
 * signature, type, value, doc; text/markdown too. False: nothing known.
 * detail 1 adds the source of a function and a longer doc. */
bool lang_inspect(const lang_symbols *t, const char *source, size_t size,
                  int cursor, int detail, lang_bundle *out);

typedef enum lang_completeness {
    LANG_COMPLETE, LANG_INCOMPLETE, LANG_INVALID
} lang_completeness;
/* indent: spaces for the next line when incomplete. */
lang_completeness lang_is_complete(const char *source, size_t size,
                                   int *indent);

#ifdef __cplusplus
}
#endif
#endif
