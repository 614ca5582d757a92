/* SPDX-License-Identifier: MIT
 *
 * Tensors as text, as PyTorch prints them: one column width for all elements,
 * decided by the elements that are shown; large tensors lose their middle.
 */
#include "runtime/base/text.h"
#include "runtime/core/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How all elements of one tensor are written. */
typedef struct style {
    const rt_print_options *options;
    rt_dtype dtype;
    bool floating, whole, sci, summarise;
    int width;
    bool any;                /* a finite element other than 0 was seen */
    double smallest, largest;/* of their absolute values */
} style;

#define CELL 352             /* "%.0f" of the largest double, and some */

static const char *data_at(const rt_tensor *t, int64_t offset)
{
    return t->data + offset * (int64_t)rt_dtype_size(t->dtype);
}

/* --- one element ---------------------------------------------------------- */

static void format_float(char *out, const style *s, double v)
{
    if (isnan(v)) {
        snprintf(out, CELL, "nan");
    } else if (isinf(v)) {
        snprintf(out, CELL, v < 0 ? "-inf" : "inf");
    } else if (s->sci) {
        snprintf(out, CELL, "%.*e", s->options->precision, v);
    } else if (s->whole) {
        snprintf(out, CELL, "%.0f.", v);
    } else {
        snprintf(out, CELL, "%.*f", s->options->precision, v);
    }
}

static void format_element(char *out, const style *s, const char *p)
{
    if (s->floating) {
        format_float(out, s, rt__load_float(s->dtype, p));
    } else if (s->dtype == RT_BOOL) {
        snprintf(out, CELL, rt__load_int(s->dtype, p) ? "True" : "False");
    } else {
        snprintf(out, CELL, "%lld", (long long)rt__load_int(s->dtype, p));
    }
}

static void add_element(rt__text *text, const style *s, const char *p)
{
    char cell[CELL];
    format_element(cell, s, p);
    for (int n = (int)strlen(cell); n < s->width; n++) {
        rt__text_char(text, ' ');
    }
    rt__text_add(text, cell);
}

/* --- measuring ------------------------------------------------------------ */

static void widen(style *s, const char *p)
{
    char cell[CELL];
    if (s->floating) {
        double v = rt__load_float(s->dtype, p);
        if (!isfinite(v) || v == 0) {
            return;
        }
    }
    format_element(cell, s, p);
    int n = (int)strlen(cell);
    s->width = n > s->width ? n : s->width;
}

static void look(style *s, const char *p)
{
    double v = s->floating ? rt__load_float(s->dtype, p) : 0;
    if (!s->floating || !isfinite(v) || v == 0) {
        return;
    }
    double a = fabs(v);
    s->smallest = !s->any || a < s->smallest ? a : s->smallest;
    s->largest = !s->any || a > s->largest ? a : s->largest;
    s->any = true;
    s->whole = s->whole && v == ceil(v);
}

/* Visits the elements that will be shown. */
static void visit(style *s, const rt_tensor *t, int dim, int64_t offset,
                  void (*fn)(style *, const char *))
{
    int64_t edge = s->options->edgeitems;
    if (dim == t->ndim) {
        fn(s, data_at(t, offset));
        return;
    }
    int64_t n = t->shape[dim];
    bool cut = s->summarise && n > 2 * edge;
    for (int64_t i = 0; i < n; i++) {
        if (cut && i == edge) {
            i = n - edge;
            if (edge == 0) {
                break;
            }
        }
        visit(s, t, dim + 1, offset + i * t->strides[dim], fn);
    }
}

static void measure(style *s, const rt_tensor *t)
{
    s->width = 1;
    s->whole = true;
    s->floating = rt_dtype_is_floating(s->dtype);
    visit(s, t, 0, 0, look);
    if (s->any) {
        s->sci = s->options->sci_mode >= 0
                     ? s->options->sci_mode != 0
                     : s->largest / s->smallest > 1000.0 ||
                           s->largest > 1.0e8 || s->smallest < 1.0e-4;
    }
    visit(s, t, 0, 0, widen);
}

/* --- rows and blocks ------------------------------------------------------ */

static void add_break(rt__text *text, int newlines, int spaces)
{
    for (int i = 0; i < newlines; i++) {
        rt__text_char(text, '\n');
    }
    for (int i = 0; i < spaces; i++) {
        rt__text_char(text, ' ');
    }
}

/* A vector: as many elements a line as fit. */
static void add_vector(rt__text *text, const style *s, const rt_tensor *t,
                       int64_t offset, int indent)
{
    int dim = t->ndim - 1;
    int64_t n = t->shape[dim], edge = s->options->edgeitems, cells = 0;
    int64_t per_line = (s->options->linewidth - indent) / (s->width + 2);
    bool cut = s->summarise && (edge == 0 || n > 2 * edge);
    per_line = per_line < 1 ? 1 : per_line;
    rt__text_char(text, '[');
    for (int64_t i = 0; i < n; i++, cells++) {
        if (cells > 0) {
            rt__text_add(text, cells % per_line == 0 ? "," : ", ");
        }
        if (cells > 0 && cells % per_line == 0) {
            add_break(text, 1, indent + 1);
        }
        if (cut && i == edge) {
            rt__text_add(text, edge == 0 ? "..." : " ...");
            i = n - edge - 1;
            continue;
        }
        add_element(text, s, data_at(t, offset + i * t->strides[dim]));
    }
    rt__text_char(text, ']');
}

static void add_block(rt__text *text, const style *s, const rt_tensor *t,
                      int dim, int64_t offset, int indent)
{
    int64_t edge = s->options->edgeitems;
    if (t->ndim == 0) {
        add_element(text, s, t->data);
        return;
    }
    if (dim == t->ndim - 1) {
        add_vector(text, s, t, offset, indent);
        return;
    }
    int64_t n = t->shape[dim];
    bool cut = s->summarise && n > 2 * edge;
    rt__text_char(text, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i > 0) {
            rt__text_char(text, ',');
            add_break(text, t->ndim - dim - 1, indent + 1);
        }
        if (cut && i == edge) {
            rt__text_add(text, "...");
            i = n - edge - 1;
            continue;
        }
        add_block(text, s, t, dim + 1, offset + i * t->strides[dim],
                  indent + 1);
    }
    rt__text_char(text, ']');
}

/* --- suffixes ------------------------------------------------------------- */

#define PREFIX "tensor("
#define INDENT ((int)sizeof PREFIX - 1)

/* ", x" on this line, or on the next where it would be too long. */
static void add_suffix(rt__text *text, const rt_print_options *o, int *line,
                       const char *suffix)
{
    int n = (int)strlen(suffix);
    if (*line + n + 2 > o->linewidth) {
        rt__text_char(text, ',');
        add_break(text, 1, INDENT);
        *line = INDENT + n;
    } else {
        rt__text_add(text, ", ");
        *line += n + 2;
    }
    rt__text_add(text, suffix);
}

static void add_size(rt__text *text, const rt_print_options *o, int *line,
                     const rt_tensor *t)
{
    rt__text size = {0};
    char *s = NULL;
    rt__text_add(&size, "size=(");
    for (int d = 0; d < t->ndim; d++) {
        rt__text_format(&size, d > 0 ? ", %lld" : "%lld",
                        (long long)t->shape[d]);
    }
    rt__text_add(&size, t->ndim == 1 ? ",)" : ")");
    if (rt__text_take(&size, &s, NULL) == RT_OK) {
        add_suffix(text, o, line, s);
        rt_free(s);
    } else {
        text->failed = true;
    }
}

static void add_history(rt__text *text, const rt_print_options *o, int *line,
                        const rt_tensor *t)
{
    char suffix[96];
    if (!(t->flags & RT_F_REQUIRES_GRAD)) {
        return;
    }
    rt_node *node = rt_grad_fn(t);
    if (node) {
        snprintf(suffix, sizeof suffix, "grad_fn=<%s>", rt_node_name(node));
    } else {
        snprintf(suffix, sizeof suffix, "requires_grad=True");
    }
    add_suffix(text, o, line, suffix);
}

static bool names_its_dtype(const rt_tensor *t)
{
    bool plain = t->dtype == RT_INT64 || t->dtype == RT_BOOL;
    return t->dtype != rt_default_dtype() && (t->numel == 0 || !plain);
}

static void add_suffixes(rt__text *text, const rt_print_options *o,
                         const rt_tensor *t)
{
    char suffix[64], device[16];
    const char *last = text->data ? strrchr(text->data, '\n') : NULL;
    /* PyTorch counts one more than the characters of the last line. */
    int line = (int)(text->size - (last ? (size_t)(last - text->data) : 0)) +
               (last ? 1 : 2);
    if (t->storage->device.kind != RT_CPU) {
        rt_device_format(device, t->storage->device);
        snprintf(suffix, sizeof suffix, "device='%s'", device);
        add_suffix(text, o, &line, suffix);
    }
    if (t->numel == 0 ? t->ndim != 1 : o->edgeitems == 0) {
        add_size(text, o, &line, t);
    }
    if (names_its_dtype(t)) {
        snprintf(suffix, sizeof suffix, "dtype=torch.%s",
                 rt_dtype_name(t->dtype));
        add_suffix(text, o, &line, suffix);
    }
    add_history(text, o, &line, t);
}

rt_status rt_tensor_repr(char **out, const rt_tensor *t,
                         const rt_print_options *options, rt_error *err)
{
    static const rt_print_options usual = RT_PRINT_OPTIONS_INIT;
    const rt_print_options *o = options ? options : &usual;
    rt__text text = {0};
    style s = {.options = o, .dtype = t->dtype,
               .summarise = t->numel > o->threshold};
    rt__text_add(&text, PREFIX);
    if (t->numel == 0) {
        rt__text_add(&text, "[]");
    } else {
        measure(&s, t);
        add_block(&text, &s, t, 0, 0, INDENT);
    }
    add_suffixes(&text, o, t);
    rt__text_char(&text, ')');
    return rt__text_take(&text, out, err);
}

/* --- summary -------------------------------------------------------------- */

typedef struct statistics {
    int64_t finite, nans, infs;
    double least, most, mean, m2;
} statistics;

/* Welford's update: one pass, no cancellation. */
static void count_value(statistics *st, double v)
{
    if (isnan(v)) {
        st->nans++;
        return;
    }
    if (isinf(v)) {
        st->infs++;
        return;
    }
    st->least = st->finite == 0 || v < st->least ? v : st->least;
    st->most = st->finite == 0 || v > st->most ? v : st->most;
    st->finite++;
    double step = v - st->mean;
    st->mean += step / (double)st->finite;
    st->m2 += step * (v - st->mean);
}

static void gather_statistics(statistics *st, const rt_tensor *t, int dim,
                              int64_t offset)
{
    if (dim == t->ndim) {
        const char *p = data_at(t, offset);
        count_value(st, rt_dtype_is_floating(t->dtype)
                            ? rt__load_float(t->dtype, p)
                            : (double)rt__load_int(t->dtype, p));
        return;
    }
    for (int64_t i = 0; i < t->shape[dim]; i++) {
        gather_statistics(st, t, dim + 1, offset + i * t->strides[dim]);
    }
}

static void add_range(rt__text *text, const rt_tensor *t)
{
    statistics st = {0};
    gather_statistics(&st, t, 0, 0);
    if (st.finite > 0) {
        bool whole = !rt_dtype_is_floating(t->dtype);
        rt__text_format(text,
                        whole ? " x in [%.0f, %.0f]" : " x in [%.4g, %.4g]",
                        st.least, st.most);
        rt__text_format(text, " mean=%.4g", st.mean);
    }
    if (st.finite > 1) {
        rt__text_format(text, " std=%.4g",
                        sqrt(st.m2 / (double)(st.finite - 1)));
    }
    if (st.nans > 0) {
        rt__text_format(text, " NaN! (%lld)", (long long)st.nans);
    }
    if (st.infs > 0) {
        rt__text_format(text, " Inf! (%lld)", (long long)st.infs);
    }
}

#define SUMMARY_LIMIT 10000000   /* elements: more would make a cell wait */

rt_status rt_tensor_summary(char **out, const rt_tensor *t, rt_error *err)
{
    rt__text text = {0};
    rt__text_add(&text, "tensor[");
    for (int d = 0; d < t->ndim; d++) {
        rt__text_format(&text, d > 0 ? ", %lld" : "%lld",
                        (long long)t->shape[d]);
    }
    rt__text_char(&text, ']');
    if (t->dtype != RT_FLOAT32) {
        rt__text_format(&text, " %s", rt_dtype_name(t->dtype));
    }
    rt__text_format(&text, " n=%lld", (long long)t->numel);
    if (t->numel > 0 && t->numel <= SUMMARY_LIMIT) {
        add_range(&text, t);
    }
    if (t->flags & RT_F_REQUIRES_GRAD) {
        rt__text_add(&text, " grad");
    }
    return rt__text_take(&text, out, err);
}
