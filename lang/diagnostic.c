/* SPDX-License-Identifier: MIT
 * Collecting diagnostics and drawing them under their source line. */
#include "lang/diagnostic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of a source line so many bytes are shown, and so many before the mark. */
enum { KEPT = 20, SHOWN = 200, SHOWN_BEFORE = 80, MAX_COLUMNS = 2000 };

static const lang__diagnostic_info infos[LANG__D_COUNT] = {
    {"", RT_OK, "", "", ""},
#define DIAGNOSTIC(id, code, cls, doc, example, fixed)                         \
    {code, RT_E_##cls, doc, example, fixed},
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
};

const lang__diagnostic_info *lang__diagnostic_describe(lang__diagnostic_id id)
{
    return id > LANG__D_RUNTIME && id < LANG__D_COUNT ? &infos[id] : NULL;
}

const char *lang__diagnostic_code(const lang__diagnostic *item)
{
    if (item->id != LANG__D_RUNTIME)
        return infos[item->id].code;
    const rt_error_info *info = rt_error_describe(item->status);
    return info ? info->code : "internal";
}

/* --- collecting ------------------------------------------------------------- */

static const char *format_text(lang__arena *arena, const char *format,
                               va_list args)
{
    char buffer[1024];
    int n = vsnprintf(buffer, sizeof buffer, format, args);
    size_t size = n < 0 ? 0 : n < (int)sizeof buffer ? (size_t)n
                                                     : sizeof buffer - 1;
    /* messages are one line, and never end within a character */
    while (size && ((unsigned char)buffer[size] & 0xC0) == 0x80 &&
           n >= (int)sizeof buffer)
        size--;
    for (size_t i = 0; i < size; i++) {
        if (buffer[i] == '\n' || buffer[i] == '\r' || buffer[i] == '\t')
            buffer[i] = ' ';
    }
    return lang__arena_text(arena, buffer, size);
}

lang__diagnostic *lang__report(lang__diagnostics *d, lang__diagnostic_id id,
                               lang__span span, const char *format, ...)
{
    lang__diagnostic *item = NULL;
    d->total++;
    if (d->count < KEPT)
        item = LANG__PUSH(d->arena, d->items, d->count);
    if (!item)
        item = LANG__NEW(d->arena, lang__diagnostic);
    va_list args;
    va_start(args, format);
    item->message = format_text(d->arena, format, args);
    va_end(args);
    item->id = id;
    item->status = infos[id].status;
    item->span = span;
    return item;
}

void lang__report_help(lang__diagnostics *d, lang__diagnostic *item,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    item->help = format_text(d->arena, format, args);
    va_end(args);
}

void lang__report_label(lang__diagnostics *d, lang__diagnostic *item,
                        lang__span span, const char *format, ...)
{
    if (item->nlabels == LANG__MAX_LABELS)
        return;
    va_list args;
    va_start(args, format);
    item->labels[item->nlabels++] =
        (lang__label){span, format_text(d->arena, format, args)};
    va_end(args);
}

/* --- drawing ----------------------------------------------------------------- */

typedef struct canvas {
    char *at;
    size_t size, room;
    bool ansi, failed;
} canvas;

static void put_bytes(canvas *c, const char *text, size_t size)
{
    if (c->failed)
        return;
    if (c->size + size + 1 > c->room) {
        size_t room = (c->size + size + 1) * 2;
        char *grown = rt_realloc(c->at, room);
        if (!grown) {
            c->failed = true;
            return;
        }
        c->at = grown;
        c->room = room;
    }
    memcpy(c->at + c->size, text, size);
    c->size += size;
    c->at[c->size] = 0;
}

static void put(canvas *c, const char *format, ...)
{
    char piece[1200];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    if (n > 0)
        put_bytes(c, piece, n < (int)sizeof piece ? (size_t)n
                                                  : sizeof piece - 1);
}

static void colour(canvas *c, const char *code)
{
    if (c->ansi)
        put(c, "\033[%sm", code);
}

static void spaces(canvas *c, int n)
{
    for (int i = 0; i < n; i++)
        put_bytes(c, " ", 1);
}

/* The gutter: as wide as a line number and what stands around it. */
static void gutter(canvas *c, int digits)
{
    colour(c, "34");
    spaces(c, digits + 4);
    put(c, "|");
    colour(c, "0");
}

/* Terminal cells of the first `bytes` bytes. */
static int cells(const char *text, size_t bytes)
{
    const char *p = text, *end = text + bytes;
    int n = 0;
    while (p < end)
        n += lang__utf8_width(lang__utf8_next(&p, end));
    return n;
}

/* One marked stretch of the shown line, in terminal cells. */
typedef struct mark {
    int from, to;
    const char *text;     /* NULL: the main one */
} mark;

typedef struct line_view {
    const char *text;
    uint32_t start, size;
    bool cut_before, cut_after;
    int number;
} line_view;

static mark mark_of(const line_view *v, lang__span span, const char *text)
{
    uint32_t from = span.start > v->start ? span.start - v->start : 0;
    uint32_t to = span.end > span.start && span.end > v->start
                      ? span.end - v->start : from;
    if (from > v->size)
        from = v->size;
    if (to > v->size)
        to = v->size;
    mark m = {v->cut_before + cells(v->text, from),
              v->cut_before + cells(v->text, to), text};
    if (m.to <= m.from)
        m.to = m.from + 1;
    return m;
}

static void draw_source_line(canvas *c, const line_view *v, int digits)
{
    colour(c, "34");
    put(c, "   %*d |", digits, v->number);
    colour(c, "0");
    put(c, v->cut_before ? " \u2026" : " ");
    for (uint32_t i = 0; i < v->size; i++)
        put_bytes(c, v->text[i] == '\t' ? " " : v->text + i, 1);
    put(c, v->cut_after ? "\u2026\n" : "\n");
}

/* "~ ^ ~": later marks in the array are drawn first, the main one last. */
static void draw_marks(canvas *c, const mark *marks, int n, int digits)
{
    char row[MAX_COLUMNS + 1];
    int width = 0;
    for (int i = 0; i < n; i++)
        width = marks[i].to > width ? marks[i].to : width;
    width = width < MAX_COLUMNS ? width : MAX_COLUMNS;
    memset(row, ' ', (size_t)width);
    for (int i = n - 1; i >= 0; i--) {
        for (int x = marks[i].from; x < marks[i].to && x < width; x++)
            row[x] = marks[i].text ? '~' : '^';
    }
    row[width] = 0;
    gutter(c, digits);
    put(c, " ");
    colour(c, "1;31");
    put_bytes(c, row, (size_t)width);
    colour(c, "0");
    put(c, "\n");
}

/* The labels, the rightmost first, each with bars for those still to come. */
static void draw_labels(canvas *c, const mark *marks, int n, int digits)
{
    const mark *order[LANG__MAX_LABELS];
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!marks[i].text)
            continue;
        int at = count++;
        for (; at > 0 && order[at - 1]->from < marks[i].from; at--)
            order[at] = order[at - 1];
        order[at] = &marks[i];
    }
    for (int i = 0; i < count; i++) {
        gutter(c, digits);
        put(c, " ");
        int x = 0;
        colour(c, "31");
        for (int j = count - 1; j > i; j--) {
            if (order[j]->from < x || order[j]->from >= order[i]->from)
                continue;
            spaces(c, order[j]->from - x);
            put(c, "|");
            x = order[j]->from + 1;
        }
        spaces(c, order[i]->from - x);
        put(c, "%s", order[i]->text);
        colour(c, "0");
        put(c, "\n");
    }
}

static bool within_character(const line_view *v, uint32_t at)
{
    return at < v->size && ((unsigned char)v->text[at] & 0xC0) == 0x80;
}

/* Leaves of a long line what is around byte `at`. */
static void narrow(line_view *v, uint32_t at)
{
    uint32_t from = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0, size = SHOWN;
    if (v->size <= SHOWN)
        return;
    if (from + SHOWN > v->size)
        from = v->size - SHOWN;
    while (within_character(v, from))
        from++;
    size = v->size - from < SHOWN ? v->size - from : SHOWN;
    while (within_character(v, from + size))
        size--;
    v->cut_before = from > 0;
    v->cut_after = from + size < v->size;
    v->text += from;
    v->start += from;
    v->size = size;
}

static void draw_place(canvas *c, const lang__source *source,
                       const lang__diagnostic *item)
{
    uint32_t at = item->span.start < source->size ? item->span.start
                                                  : source->size;
    line_view v = {.number = lang__source_line(source, at)};
    v.text = lang__source_line_text(source, v.number, &v.size);
    v.start = source->lines[v.number - 1];
    narrow(&v, at - v.start);
    int digits = snprintf(NULL, 0, "%d", v.number);
    mark marks[LANG__MAX_LABELS + 1] = {mark_of(&v, item->span, NULL)};
    int n = 1;
    put(c, "  %s, line %d\n", source->name, v.number);
    draw_source_line(c, &v, digits);
    for (int i = 0; i < item->nlabels; i++) {
        lang__span s = item->labels[i].span;
        if (lang__source_line(source, s.start) == v.number)
            marks[n++] = mark_of(&v, s, item->labels[i].text);
    }
    draw_marks(c, marks, n, digits);
    draw_labels(c, marks, n, digits);
    for (int i = 0; i < item->nlabels; i++) {
        int line = lang__source_line(source, item->labels[i].span.start);
        if (line != v.number)
            put(c, "  line %d: %s\n", line, item->labels[i].text);
    }
}

static void draw(canvas *c, const lang__source *source,
                 const lang__diagnostic *item)
{
    colour(c, "1;31");
    put(c, "error[%s]", lang__diagnostic_code(item));
    colour(c, "0");
    colour(c, "1");
    put(c, ": %s", item->message);
    colour(c, "0");
    put(c, "\n");
    if (source)
        draw_place(c, source, item);
    if (item->help && item->help[0]) {
        colour(c, "36");
        put(c, "  help:");
        colour(c, "0");
        put(c, " %s\n", item->help);
    }
}

char *lang__diagnostic_render(const lang__source *source,
                              const lang__diagnostic *item, bool ansi)
{
    canvas c = {.ansi = ansi};
    draw(&c, source, item);
    if (c.failed) {
        rt_free(c.at);
        return NULL;
    }
    if (c.size && c.at[c.size - 1] == '\n')
        c.at[--c.size] = 0;
    return c.at;
}

/* --- as a failure ---------------------------------------------------------------- */

static char *render_all(const lang__source *source,
                        const lang__diagnostic *items, int count, int total,
                        bool ansi)
{
    canvas c = {.ansi = ansi};
    for (int i = 0; i < count; i++) {
        if (i)
            put(&c, "\n");
        draw(&c, source, &items[i]);
    }
    if (total > count)
        put(&c, "\nand %d more\n", total - count);
    if (c.failed) {
        rt_free(c.at);
        return NULL;
    }
    if (c.size && c.at[c.size - 1] == '\n')
        c.at[--c.size] = 0;
    return c.at;
}

void lang__failure_fill(lang_failure *out, const lang__source *source,
                        const lang__diagnostic *items, int count, int total)
{
    memset(out, 0, sizeof *out);
    if (count == 0)
        return;
    const lang__diagnostic *first = &items[0];
    const rt_error_info *info = rt_error_describe(first->status);
    out->code = first->status;
    out->ename = rt_strdup(first->status == RT_E_INTERRUPT ? "KeyboardInterrupt"
                           : info ? info->exception : "InternalError");
    out->evalue = rt_strdup(first->message);
    out->text = render_all(source, items, count, total, false);
    out->ansi = render_all(source, items, count, total, true);
    if (!source)
        return;
    out->line = lang__source_line(source, first->span.start);
    out->column = lang__source_column(source, first->span.start);
    int last = lang__source_line(source, first->span.end);
    out->end_column = last == out->line
                          ? lang__source_column(source, first->span.end)
                          : out->column + 1;
}

void lang__failure_dispose(lang_failure *f)
{
    rt_free(f->ename);
    rt_free(f->evalue);
    rt_free(f->text);
    rt_free(f->ansi);
    rt_free(f->trace);
    memset(f, 0, sizeof *f);
}
