/* SPDX-License-Identifier: MIT
 * MIME bundles, charts, live plots and progress bars. */
#include "lang/show.h"

#include "lang/format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const double REDRAW = 0.2;    /* seconds between two pictures */
/* A longer view of a value keeps so much of its beginning and of its end. */
enum { VIEW_MOST = 256 * 1024, VIEW_KEPT = 4000 };

/* --- bundles ------------------------------------------------------------------ */

rt_status lang_bundle_add(lang_bundle *b, const char *mime, const void *data,
                          size_t size, bool binary, rt_error *err)
{
    lang_mime *items = rt_realloc(b->items,
                                  (size_t)(b->count + 1) * sizeof *items);
    if (items)
        b->items = items;
    char *name = rt_strdup(mime), *copy = rt_alloc(size + 1);
    if (!items || !name || !copy) {
        rt_free(name);
        rt_free(copy);
        return rt_fail(err, RT_E_MEMORY, "no memory for a result of %zu bytes",
                       size);
    }
    memcpy(copy, data, size);
    copy[size] = 0;
    b->items[b->count++] = (lang_mime){name, copy, size, binary};
    return RT_OK;
}

void lang_bundle_dispose(lang_bundle *b)
{
    for (int i = 0; i < b->count; i++) {
        rt_free(b->items[i].mime);
        rt_free(b->items[i].data);
    }
    rt_free(b->items);
    *b = (lang_bundle){0};
}

rt_status lang__bundle_text(lang_bundle *out, const char *mime, char *text,
                            rt_error *err)
{
    rt_status status = lang_bundle_add(out, mime, text, strlen(text), false,
                                       err);
    rt_free(text);
    return status;
}

double lang__clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void lang__print(lang_session *s, int fd, const char *text, size_t size)
{
    if (size && s->host.stream)
        s->host.stream(s->host.ctx, fd, text, size);
}

void lang__next_display_id(lang_session *s, char out[48])
{
    snprintf(out, 48, "rustorch-%d", ++s->displays);
}

/* A host without displays gets the text, once it is final or at once. */
void lang__show(lang_session *s, const lang_bundle *b, const char *id,
                bool update)
{
    if (s->host.display) {
        s->host.display(s->host.ctx, b, id, update);
        return;
    }
    for (int i = 0; i < b->count && !update; i++) {
        if (strcmp(b->items[i].mime, "text/plain") != 0)
            continue;
        lang__print(s, 1, b->items[i].data, b->items[i].size);
        lang__print(s, 1, "\n", 1);
        return;
    }
}

/* --- charts ------------------------------------------------------------------- */

rt_status lang__chart_bundle(lang_bundle *out, const rt_series *series, int n,
                             const rt_chart_options *options, rt_error *err)
{
    char *text = NULL, *svg = NULL, *img = NULL;
    lang_bundle b = {0};
    rt_status status = rt_chart_text(&text, series, n, options, err);
    if (!status)
        status = lang__bundle_text(&b, "text/plain", text, err);
    if (!status)
        status = rt_chart_svg(&svg, series, n, options, err);
    if (!status)
        status = rt_svg_to_img(&img, svg, options->title ? options->title
                                                         : "chart", err);
    rt_free(svg);
    if (!status)
        status = lang__bundle_text(&b, "text/html", img, err);
    if (status)
        lang_bundle_dispose(&b);
    else
        *out = b;
    return status;
}

rt_status lang__plot_draw(lang_session *s, lang__plot *p, bool now,
                          rt_error *err)
{
    rt_series series[16];
    rt_chart_options options = RT_CHART_OPTIONS_INIT;
    lang_bundle b = {0};
    double time_ = lang__clock();
    bool first = !p->id[0];
    p->stale = true;
    /* Where nothing can be redrawn, the last picture is the one. */
    if (!now && (!s->host.display || (!first && time_ - p->shown < REDRAW)))
        return RT_OK;
    int n = p->nseries < 16 ? p->nseries : 16;
    for (int i = 0; i < n; i++)
        series[i] = (rt_series){p->names[i], NULL,
                                (const double *)p->series[i]->items,
                                p->series[i]->count};
    rt_status status = lang__chart_bundle(&b, series, n, &options, err);
    if (status)
        return status;
    if (first)
        lang__next_display_id(s, p->id);
    lang__show(s, &b, p->id, !first);
    lang_bundle_dispose(&b);
    p->shown = time_;
    p->stale = false;
    return RT_OK;
}

void lang__remember_plot(lang_session *s, lang__plot *p)
{
    if (s->plot == p)
        return;
    lang__finish_plots(s);
    p->head.count++;
    s->plot = p;
}

void lang__finish_plots(lang_session *s)
{
    lang__value v = {.kind = LANG_PLOT, .plot = s->plot};
    s->plot = NULL;
    if (!v.p)
        return;
    if (v.plot->stale)
        lang__plot_draw(s, v.plot, true, NULL);
    lang__release(&v);
}

/* --- progress bars -------------------------------------------------------------- */

struct lang__bar {
    lang_session *s;
    char id[48];
    char note[80];
    int64_t total;
    double begun, shown;
};

static void draw_bar(lang__bar *b, int64_t done, bool update)
{
    char *text = NULL, *html = NULL;
    lang_bundle bundle = {0};
    double now = lang__clock();
    if (!rt_progress_text(&text, done, b->total, now - b->begun, b->note,
                          NULL) &&
        !lang__bundle_text(&bundle, "text/plain", text, NULL) &&
        !rt_progress_html(&html, done, b->total, now - b->begun, b->note,
                          NULL) &&
        !lang__bundle_text(&bundle, "text/html", html, NULL))
        lang__show(b->s, &bundle, b->id, update);
    lang_bundle_dispose(&bundle);
    b->shown = now;
}

rt_status lang__bar_begin(lang__bar **out, lang_session *s, int64_t total,
                          const char *note, rt_error *err)
{
    lang__bar *b = rt_alloc(sizeof *b);
    if (!b)
        return rt_fail(err, RT_E_MEMORY, "progress: no memory");
    *b = (lang__bar){.s = s, .total = total, .begun = lang__clock()};
    snprintf(b->note, sizeof b->note, "%s", note);
    lang__next_display_id(s, b->id);
    if (s->host.display)
        draw_bar(b, 0, false);
    *out = b;
    return RT_OK;
}

void lang__bar_at(lang__bar *b, int64_t done)
{
    if (b && b->s->host.display && lang__clock() - b->shown >= REDRAW)
        draw_bar(b, done, true);
}

void lang__bar_end(lang__bar *b, int64_t done)
{
    if (!b)
        return;
    draw_bar(b, done, b->s->host.display != NULL);
    rt_free(b);
}

/* --- results ---------------------------------------------------------------------- */

enum { SHOWN_WHOLE = 20 };

static rt_status tensor_text(lang__writer *w, rt_tensor *t, rt_error *err)
{
    char *summary = NULL;
    if (t && rt_tensor_numel(t) > SHOWN_WHOLE) {
        rt_status status = rt_tensor_summary(&summary, t, err);
        if (status)
            return status;
        lang__write(w, summary);
        lang__write_char(w, '\n');
        rt_free(summary);
    }
    return lang__write_value(w, LANG__TENSOR_VALUE(t), true, err);
}

static rt_status module_text(lang__writer *w, rt_module *m, rt_error *err)
{
    char *text = NULL;
    rt_status status = rt_module_summary(&text, m, NULL, 0, err);
    if (!status)
        lang__write(w, text);
    rt_free(text);
    return status;
}

/* Series of a history as a table, the last epochs. */
static void history_text(lang__writer *w, const rt_history *h)
{
    int first = h->epochs > 10 ? h->epochs - 10 : 0;
    lang__write(w, "epoch");
    for (int i = 0; i < h->nseries; i++)
        lang__write_format(w, "  %12.12s", h->names[i]);
    for (int e = first; e < h->epochs; e++) {
        lang__write_format(w, "\n%5d", e + 1);
        for (int i = 0; i < h->nseries; i++)
            lang__write_format(w, "  %12.4f", h->series[i][e]);
    }
}

static rt_status html_of(char **out, lang__value v, rt_error *err)
{
    *out = NULL;
    if (v.kind == LANG_MODULE && v.m)
        return rt_module_html(out, v.m, err);
    if (v.kind == LANG_TENSOR && v.t && rt_tensor_numel(v.t) > SHOWN_WHOLE)
        return rt_tensor_html(out, v.t, err);
    return RT_OK;
}

/* Where a character begins, at `at` or before it. */
static size_t character_start(const char *text, size_t at)
{
    while (at && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    return at;
}

/* Takes the middle out of a text too long to look at. */
static void shorten(lang__writer *w)
{
    if (w->failed || w->size <= VIEW_MOST)
        return;
    size_t size = w->size;
    size_t from = character_start(w->data, VIEW_KEPT);
    size_t tail = character_start(w->data, size - VIEW_KEPT);
    lang__writer whole = *w;
    *w = (lang__writer){0};
    lang__write_n(w, whole.data, from);
    lang__write_format(w, "\n[... %zu bytes are left out of this view, print() "
                       "writes all of them ...]\n", tail - from);
    lang__write_n(w, whole.data + tail, size - tail);
    lang__writer_dispose(&whole);
}

rt_status lang__render_value(lang_bundle *out, lang__value v, rt_error *err)
{
    lang__writer w = {0};
    lang_bundle b = {0};
    char *text = NULL, *html = NULL;
    rt_status status = RT_OK;
    if (v.kind == LANG_TENSOR)
        status = tensor_text(&w, v.t, err);
    else if (v.kind == LANG_MODULE && v.m)
        status = module_text(&w, v.m, err);
    else if (v.kind == LANG_HISTORY && v.record)
        history_text(&w, &v.record->history);
    else
        status = lang__write_value(&w, v, true, err);
    shorten(&w);
    if (!status)
        status = lang__writer_take(&w, &text, err);
    lang__writer_dispose(&w);
    if (!status)
        status = lang__bundle_text(&b, "text/plain", text, err);
    if (!status)
        status = html_of(&html, v, err);
    if (!status && html)
        status = lang__bundle_text(&b, "text/html", html, err);
    if (status)
        lang_bundle_dispose(&b);
    else
        *out = b;
    return status;
}

rt_status lang_render(lang_bundle *out, const lang_value *v, rt_error *err)
{
    lang__value own = LANG__VOID_VALUE;
    rt_status status = lang__value_import(&own, v, NULL, err);
    if (!status)
        status = lang__render_value(out, own, err);
    lang__release(&own);
    return status;
}
