/* SPDX-License-Identifier: MIT
 * Built-in functions that show pictures, and the data shipped with us. */
#include "lang/native.h"

#include "lang/format.h"
#include "lang/show.h"

#include <stdlib.h>
#include <string.h>

#ifndef RT_DATADIR
#define RT_DATADIR "/usr/local/share/rustorch"
#endif

/* --- numbers out of tensors --------------------------------------------------- */

/* A float64, contiguous, detached copy: its data are the values. */
static rt_status doubles(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    rt_tensor *plain = NULL, *wide = NULL;
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = rt_detach(&plain, t, err);
    if (!status) {
        rt_value a[2] = {RT_V_TENSOR(plain), RT_V_DTYPE(RT_FLOAT64)};
        status = rt_call(rt_op_find("to"), a, 2, r, err);
        wide = status ? NULL : r[0].t;
    }
    if (!status) {
        rt_value a = RT_V_TENSOR(wide);
        memset(r, 0, sizeof r);
        status = rt_call(rt_op_find("contiguous"), &a, 1, r, err);
        if (!status)
            *out = r[0].t;
    }
    rt_release(wide);
    rt_release(plain);
    return status;
}

static const char *text_or_null(lang__value v)
{
    return v.kind == LANG_STRING && v.s && v.s->size ? v.s->text : NULL;
}

static rt_status show_chart(lang__native_call *c, const rt_series *series,
                            int n, const rt_chart_options *options)
{
    lang_bundle b = {0};
    rt_status status = lang__chart_bundle(&b, series, n, options, c->err);
    if (!status)
        lang__show(c->s, &b, NULL, false);
    lang_bundle_dispose(&b);
    return status;
}

/* --- charts ------------------------------------------------------------------- */

NATIVE(PLOT_HISTORY)
{
    rt_series series[8];
    rt_chart_options options = RT_CHART_OPTIONS_INIT;
    if (!c->a[0].p)
        return rt_fail(c->err, RT_E_ARGUMENT, "plot: the history is undefined");
    const rt_history *h = &c->a[0].record->history;
    int n = h->nseries < 8 ? h->nseries : 8;
    for (int i = 0; i < n; i++)
        series[i] = (rt_series){h->names[i], NULL, h->series[i], h->epochs};
    options.title = text_or_null(c->a[1]);
    options.xlabel = "epoch";
    return show_chart(c, series, n, &options);
}

/* Columns of a 2-d tensor are curves of their own. */
static rt_status curves(lang__native_call *c, rt_chart_kind kind, rt_tensor *x,
                        rt_tensor *y)
{
    rt_series series[8];
    rt_chart_options options = RT_CHART_OPTIONS_INIT;
    const double *data = rt_tensor_data(y);
    int64_t n = rt_tensor_numel(y);
    if (x && rt_tensor_numel(x) != n) {
        rt_fail(c->err, RT_E_SHAPE, "plot: %lld xs, but %lld ys",
                (long long)rt_tensor_numel(x), (long long)n);
        return RT_E_SHAPE;
    }
    series[0] = (rt_series){text_or_null(c->a[2]),
                            x ? rt_tensor_data(x) : NULL, data, n};
    options.kind = kind;
    options.title = text_or_null(c->a[3]);
    options.xlabel = text_or_null(c->a[4]);
    options.ylabel = text_or_null(c->a[5]);
    return show_chart(c, series, 1, &options);
}

/* plot(ys), plot(xs, ys), scatter(xs, ys) */
static rt_status plot(lang__native_call *c, rt_chart_kind kind)
{
    rt_tensor *first = NULL, *second = NULL;
    rt_status status = lang__need_tensor(c, 0);
    bool both = c->a[1].kind == LANG_TENSOR && c->a[1].t;
    if (!status)
        status = doubles(&first, c->a[0].t, c->err);
    if (!status && both)
        status = doubles(&second, c->a[1].t, c->err);
    if (!status)
        status = curves(c, kind, both ? first : NULL, both ? second : first);
    rt_release(first);
    rt_release(second);
    return status;
}

NATIVE(PLOT) { return plot(c, RT_CHART_LINE); }
NATIVE(SCATTER) { return plot(c, RT_CHART_SCATTER); }

NATIVE(HIST)
{
    int64_t *counts = NULL;
    double *room = NULL;
    int bins = (int)c->a[1].i;
    rt_chart_options options = RT_CHART_OPTIONS_INIT;
    rt_status status = lang__need_tensor(c, 0);
    if (!status && (c->a[1].i < 1 || c->a[1].i > 10000))
        status = rt_fail(c->err, RT_E_ARGUMENT,
                         "hist: 1 to 10000 bins are possible, not %lld",
                         (long long)c->a[1].i);
    if (status)
        return status;
    counts = rt_alloc((size_t)bins * sizeof *counts);
    room = rt_alloc((size_t)(3 * bins + 1) * sizeof *room);
    if (!counts || !room)
        status = rt_fail(c->err, RT_E_MEMORY, "hist: no memory");
    double *edges = room, *middle = room + bins + 1, *height = middle + bins;
    if (!status)
        status = rt_histogram(counts, edges, bins, c->a[0].t, c->err);
    for (int i = 0; i < bins && !status; i++) {
        middle[i] = (edges[i] + edges[i + 1]) / 2;
        height[i] = (double)counts[i];
    }
    rt_series series = {NULL, middle, height, bins};
    options.kind = RT_CHART_BAR;
    options.title = text_or_null(c->a[2]);
    if (!status)
        status = show_chart(c, &series, 1, &options);
    rt_free(counts);
    rt_free(room);
    return status;
}

/* --- pictures ------------------------------------------------------------------- */

/* An enlargement that makes small pictures visible. */
static int enlarge(const rt_tensor *t, int64_t wanted)
{
    int64_t largest = 1;
    if (wanted > 0)
        return wanted < 64 ? (int)wanted : 64;
    for (int i = 0; i < rt_tensor_ndim(t); i++) {
        if (rt_tensor_shape(t)[i] > largest)
            largest = rt_tensor_shape(t)[i];
    }
    return largest >= 128 ? 1 : (int)(200 / largest);
}

NATIVE(IMSHOW)
{
    unsigned char *png = NULL;
    size_t size = 0;
    lang_bundle b = {0};
    lang__writer w = {0};
    char *text = NULL;
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = rt_image_png(&png, &size, c->a[0].t,
                              enlarge(c->a[0].t, c->a[1].i), c->err);
    if (!status) {
        const char *title = text_or_null(c->a[2]);
        lang__write_format(&w, "%s%simage ", title ? title : "",
                           title ? ": " : "");
        lang__write_shape(&w, rt_tensor_shape(c->a[0].t),
                          rt_tensor_ndim(c->a[0].t));
        status = lang__writer_take(&w, &text, c->err);
    }
    if (!status)
        status = lang__bundle_text(&b, "text/plain", text, c->err);
    if (!status)
        status = lang_bundle_add(&b, "image/png", png, size, true, c->err);
    if (!status)
        lang__show(c->s, &b, NULL, false);
    rt_free(png);
    lang_bundle_dispose(&b);
    return status;
}

NATIVE(SHOW)
{
    lang_bundle b = {0};
    rt_status status = lang__render_value(&b, c->a[0], c->err);
    if (!status)
        lang__show(c->s, &b, NULL, false);
    lang_bundle_dispose(&b);
    return status;
}

NATIVE(GRAPH)
{
    char *svg = NULL, *img = NULL;
    lang_bundle b = {0};
    lang__writer w = {0};
    char *text = NULL;
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = rt_graph_svg(&svg, c->a[0].t, c->err);
    if (!status)
        status = rt_svg_to_img(&img, svg, "autograd graph", c->err);
    if (!status) {
        rt_node *n = rt_grad_fn(c->a[0].t);
        lang__write_format(&w, "autograd graph of %s",
                           n ? rt_node_name(n) : "a tensor without history");
        status = lang__writer_take(&w, &text, c->err);
    }
    if (!status)
        status = lang__bundle_text(&b, "text/plain", text, c->err);
    if (!status) {
        status = lang__bundle_text(&b, "text/html", img, c->err);
        img = NULL;
    }
    if (!status)
        lang__show(c->s, &b, NULL, false);
    rt_free(svg);
    rt_free(img);
    lang_bundle_dispose(&b);
    return status;
}

/* --- live plots ------------------------------------------------------------------ */

static rt_status add_series(lang__plot *p, const char *name, rt_error *err)
{
    size_t n = (size_t)p->nseries + 1;
    char **names = rt_realloc(p->names, n * sizeof *names);
    if (names)
        p->names = names;
    lang_list **series = rt_realloc(p->series, n * sizeof *series);
    if (series)
        p->series = series;
    char *copy = rt_strdup(name);
    lang_list *list = NULL;
    rt_status status = names && series && copy
        ? lang__list_new(&list, LANG__TYPE(LANG_FLOAT), 0, err)
        : rt_fail(err, RT_E_MEMORY, "live_plot: no memory");
    if (status) {
        rt_free(copy);
        return status;
    }
    p->names[p->nseries] = copy;
    p->series[p->nseries++] = list;
    return RT_OK;
}

NATIVE(LIVE_PLOT)
{
    lang__plot *p = rt_alloc(sizeof *p);
    if (!p)
        return rt_fail(c->err, RT_E_MEMORY, "live_plot: no memory");
    *p = (lang__plot){.head = {1, LANG_PLOT}};
    *c->out = (lang__value){.kind = LANG_PLOT, .plot = p};
    rt_status status = RT_OK;
    for (int i = 0; i < c->n && !status; i++)
        status = add_series(p, c->a[i].s->text, c->err);
    if (status)
        lang__release(c->out);
    return status;
}

NATIVE(LIVE_PUSH)
{
    if (!c->a[0].p)
        return rt_fail(c->err, RT_E_ARGUMENT, "push: the plot is undefined");
    lang__plot *p = c->a[0].plot;
    for (int i = 0; i < c->nnamed; i++) {
        int at = 0;
        while (at < p->nseries && strcmp(p->names[at], c->names[i]) != 0)
            at++;
        rt_status status = at == p->nseries
            ? add_series(p, c->names[i], c->err) : RT_OK;
        if (!status)
            status = lang__list_add(p->series[at], c->named[i], c->err);
        if (status)
            return status;
    }
    lang__remember_plot(c->s, p);
    return lang__plot_draw(c->s, p, false, c->err);
}

/* --- the data shipped with us ------------------------------------------------------ */

static rt_status call_op(rt_tensor **out, const char *name, const rt_value *a,
                         int n, rt_error *err)
{
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = rt_call(rt_op_find(name), a, n, r, err);
    if (!status)
        *out = r[0].t;
    return status;
}

static rt_tensor *named(const rt_tensor_file *f, const char *name)
{
    for (int64_t i = 0; i < f->count; i++) {
        if (strcmp(f->items[i].name, name) == 0)
            return f->items[i].tensor;
    }
    return NULL;
}

/* Where the file may be: RUSTORCH_DATA, the source tree of a test, the place
 * of the installation. */
static rt_status open_data(rt_tensor_file *f, const char *name, rt_error *err)
{
    const char *places[3][2] = {
        {getenv("RUSTORCH_DATA"), "/"},
        {getenv("RUSTORCH_SRCDIR"), "/notebooks/data/"},
        {RT_DATADIR, "/"},
    };
    rt_error last;
    rt_error_clear(&last);
    for (int i = 0; i < 3; i++) {
        lang__writer w = {0};
        if (!places[i][0])
            continue;
        rt_error_clear(&last);
        lang__write(&w, places[i][0]);
        lang__write(&w, places[i][1]);
        lang__write(&w, name);
        rt_status status = w.data && !w.failed
            ? rt_tensors_load(f, w.data, &last) : RT_E_MEMORY;
        lang__writer_dispose(&w);
        if (!status)
            return RT_OK;
    }
    rt_fail(err, last.code ? last.code : RT_E_FILE, "digits: %s",
            last.code ? last.message : "the data file is not installed");
    rt_error_help(err, "the file is looked for in %s; the environment variable "
                  "RUSTORCH_DATA names another folder", RT_DATADIR);
    return err->code;
}

/* Pixels from 0..16 to 0..1, labels as int64. */
NATIVE(DIGITS)
{
    rt_tensor_file f = {0};
    rt_tensor *x = NULL, *scaled = NULL, *y = NULL;
    rt_status status = open_data(&f, "digits.rustorch", c->err);
    if (status)
        return status;
    rt_tensor *images = named(&f, "images"), *labels = named(&f, "labels");
    if (!images || !labels)
        status = rt_fail(c->err, RT_E_FORMAT, "digits: the data file is not "
                         "the one that belongs to this version");
    if (!status) {
        rt_value a[2] = {RT_V_TENSOR(images), RT_V_DTYPE(RT_FLOAT32)};
        status = call_op(&x, "to", a, 2, c->err);
    }
    if (!status) {
        rt_value a[2] = {RT_V_TENSOR(x), RT_V_FLOAT(16.0)};
        status = call_op(&scaled, "div", a, 2, c->err);
    }
    if (!status) {
        rt_value a[2] = {RT_V_TENSOR(labels), RT_V_DTYPE(RT_INT64)};
        status = call_op(&y, "to", a, 2, c->err);
    }
    if (!status) {
        rt_tensor *both[2] = {scaled, y};
        *c->out = (lang__value){.kind = LANG_DATASET};
        status = rt_tensor_dataset(&c->out->dataset, both, 2, c->err);
    }
    rt_release(x);
    rt_release(scaled);
    rt_release(y);
    rt_tensor_file_dispose(&f);
    return status;
}
