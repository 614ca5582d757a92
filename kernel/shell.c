/* SPDX-License-Identifier: MIT
 * `rustorch run` and `rustorch repl`.
 */
#include "kernel/shell.h"

#include "kernel/bundle.h"
#include "kernel/log.h"
#include "kernel/text.h"
#include "lang/lang.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_ERROR = 1, STATUS_INTERRUPTED = 130 };

/* What is redrawn in place. */
typedef struct terminal {
    bool live;       /* stdout is a terminal */
    bool redrawing;  /* its last line is a display that may be redrawn */
    char *latest;    /* no terminal: the display's last state */
    bool leaving;    /* the program called exit() */
} terminal;

/* --- the host's callbacks ------------------------------------------------- */

/* Leaves the redrawn line, or writes its last state where nothing is redrawn:
 * a log gets one line of a progress bar, not a thousand. */
static void settle(terminal *t)
{
    if (t->redrawing) {
        fputc('\n', stdout);
        t->redrawing = false;
    }
    if (t->latest) {
        printf("%s\n", t->latest);
        free(t->latest);
        t->latest = NULL;
    }
}

static void on_stream(void *ctx, int fd, const char *text, size_t size)
{
    settle(ctx);
    if (fd == 2) {
        fflush(stdout);
    }
    fwrite(text, 1, size, fd == 2 ? stderr : stdout);
}

static void on_display(void *ctx, const lang_bundle *bundle,
                       const char *display_id, bool update)
{
    terminal *t = ctx;
    const lang_mime *plain = kernel_bundle_plain(bundle);
    if (!plain) {
        return;
    }
    bool line = !memchr(plain->data, '\n', plain->size);
    if (!update) {
        settle(t);
    }
    if (display_id && !t->live) {
        free(t->latest);
        t->latest = kernel_copy(plain->data, plain->size);
    } else if (display_id && line) {
        printf("\r\x1b[K%.*s", (int)plain->size, plain->data);
        fflush(stdout);
        t->redrawing = true;
    } else if (!update) {
        printf("%.*s\n", (int)plain->size, plain->data);
    }
}

static void on_clear(void *ctx, bool wait)
{
    terminal *t = ctx;
    if (t->redrawing) {
        fputs("\r\x1b[K", stdout);
        t->redrawing = false;
    }
}

static void on_page(void *ctx, const lang_bundle *bundle)
{
    on_display(ctx, bundle, NULL, false);
}

/* One line of stdin without its newline, malloc'ed; NULL at its end. */
static char *read_line(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n = getline(&line, &room, stdin);
    if (n < 0) {
        free(line);
        clearerr(stdin);
        return NULL;
    }
    if (n && line[n - 1] == '\n') {
        line[n - 1] = '\0';
    }
    return line;
}

static rt_status on_input(void *ctx, const char *prompt, bool password,
                          char **out, rt_error *err)
{
    settle(ctx);
    fputs(prompt, stdout);
    fflush(stdout);
    char *line = read_line();
    if (!line && rt_interrupted()) {
        return rt_fail(err, RT_E_INTERRUPT, "input: interrupted");
    }
    if (!line) {
        return rt_fail(err, RT_E_UNSUPPORTED,
                       "input: standard input has ended");
    }
    *out = rt_strdup(line);
    free(line);
    return *out ? RT_OK : rt_fail(err, RT_E_MEMORY, "input: out of memory");
}

/* --- cells ---------------------------------------------------------------- */

static void on_interrupt(int number)
{
    rt_interrupt();
}

/* Ctrl-C stops the cell; a second one, before that worked, the program. */
static void catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = (int)SA_RESETHAND};
    rt_interrupt_clear();
    sigaction(SIGINT, &action, NULL);
}

static void print_failure(const lang_failure *f)
{
    bool colours = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
    const char *text = colours && f->ansi ? f->ansi
                       : f->text          ? f->text
                                          : f->evalue;
    size_t n = strlen(text);
    fflush(stdout);
    fprintf(stderr, "%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
}

/* Runs one cell; its exit status. */
static int run_cell(lang_session *s, terminal *t, const char *source,
                    size_t size, int cell, const char *name, bool show_value)
{
    lang_outcome o = {0};
    int status = 0;
    catch_interrupt();
    lang_execute(s, source, size, cell, name, &o);
    settle(t);
    if (!o.ok) {
        print_failure(&o.failure);
        status = o.failure.code == RT_E_INTERRUPT ? STATUS_INTERRUPTED
                                                  : STATUS_ERROR;
    } else if (o.exit_asked) {
        t->leaving = true;
        status = o.exit_status & 0xFF;
    } else if (o.has_value && show_value) {
        on_display(t, &o.bundle, NULL, false);
    }
    lang_outcome_dispose(&o);
    fflush(stdout);
    return status;
}

static lang_session *open_session(terminal *t)
{
    lang_session *s = NULL;
    rt_error err;
    const lang_host host = {.ctx = t,
                            .stream = on_stream,
                            .display = on_display,
                            .clear_output = on_clear,
                            .input = on_input,
                            .page = on_page};
    rt_error_clear(&err);
    t->live = isatty(STDOUT_FILENO);
    if (lang_session_new(&s, &host, &err) != RT_OK) {
        fprintf(stderr, "rustorch: %s\n", err.message);
        return NULL;
    }
    return s;
}

/* The whole of a file; malloc'ed, NULL with errno on failure. */
static char *read_all(const char *path, size_t *size)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = NULL, block[16384];
    size_t n;
    *size = 0;
    if (!f) {
        return NULL;
    }
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        text = kernel_grow(text, *size + n + 1);
        memcpy(text + *size, block, n);
        *size += n;
    }
    int failure = ferror(f) ? errno : 0;
    if (f != stdin) {
        fclose(f);
    }
    if (failure) {
        free(text);
        errno = failure;
        return NULL;
    }
    text = kernel_grow(text, *size + 1);
    text[*size] = '\0';
    return text;
}

int kernel_shell_run(const char *path)
{
    terminal t = {0};
    size_t size;
    char *source = read_all(path, &size);
    if (!source) {
        fprintf(stderr, "rustorch: %s: %s\n", path, strerror(errno));
        return STATUS_ERROR;
    }
    int status = STATUS_ERROR;
    lang_session *s = open_session(&t);
    if (s) {
        const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
        status = run_cell(s, &t, source, size, 1, name, false);
        lang_session_free(s);
    }
    free(source);
    return status;
}

/* Reads lines until they make a whole cell; an empty line ends one that does
 * not. False at the end of the input. */
static bool read_cell(kernel_text *cell, bool prompt)
{
    kernel_carry carry = {{0}, 0};
    int indent = 0;
    kernel_text_clear(cell);
    for (;;) {
        if (prompt) {
            fputs(cell->size ? "... " : "rt> ", stdout);
            fflush(stdout);
        }
        char *line = read_line();
        if (!line) {
            return cell->size > 0;
        }
        bool empty = !*line;
        kernel_text_add(cell, &carry, line, strlen(line));
        kernel_text_add(cell, &carry, "\n", 1);
        free(line);
        if ((empty && prompt) ||
            lang_is_complete(cell->data, cell->size, &indent) !=
                LANG_INCOMPLETE) {
            return true;
        }
    }
}

static bool is_farewell(const kernel_text *cell)
{
    return strcmp(cell->data, "exit\n") == 0 ||
           strcmp(cell->data, "quit\n") == 0;
}

int kernel_shell_repl(void)
{
    terminal t = {0};
    kernel_text cell = {0};
    bool prompt = isatty(STDIN_FILENO);
    lang_session *s = open_session(&t);
    if (!s) {
        return STATUS_ERROR;
    }
    if (prompt) {
        printf("RusTorch %s. An empty line ends an unfinished cell; `exit` or "
               "Ctrl-D leaves.\n",
               rt_version());
    }
    int status = 0;
    for (int number = 1;
         !t.leaving && read_cell(&cell, prompt) && !is_farewell(&cell);
         number++) {
        status = run_cell(s, &t, cell.data, cell.size, number, NULL, true);
    }
    if (prompt && !t.leaving) {
        fputc('\n', stdout);
    }
    kernel_text_dispose(&cell);
    lang_session_free(s);
    return t.leaving ? status : 0;
}
