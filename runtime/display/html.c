/* SPDX-License-Identifier: MIT
 * Tensors and modules as HTML that survives untrusted notebooks: tables and
 * <details>, inline styles, no scripts.
 */
#include "runtime/base/text.h"
#include "runtime/core/tensor.h"

#include <math.h>

enum { WHOLE = 100, EDGE_ROWS = 5, EDGE_COLUMNS = 10 };

static void element(rt__text *out, const rt_tensor *t, int64_t offset)
{
    rt_dtype d = (rt_dtype)t->dtype;
    const char *p = t->data + offset * (int64_t)rt_dtype_size(d);
    if (d == RT_BOOL) {
        rt__text_add(out, *p ? "true" : "false");
    } else if (rt_dtype_is_floating(d)) {
        rt__text_format(out, "%.4g", rt__load_float(d, p));
    } else {
        rt__text_format(out, "%lld", (long long)rt__load_int(d, p));
    }
}

static void row(rt__text *out, const rt_tensor *t, int64_t r, int64_t columns,
                bool cut)
{
    int64_t n = t->ndim ? t->shape[t->ndim - 1] : 1;
    int64_t step = t->ndim ? t->strides[t->ndim - 1] : 0;
    int64_t start = t->ndim > 1 ? r * t->strides[t->ndim - 2] : 0;
    rt__text_add(out, "<tr>");
    for (int64_t c = 0; c < columns; c++) {
        rt__text_add(out, "<td style=\"text-align:right\">");
        element(out, t, start + c * step);
        rt__text_add(out, "</td>");
    }
    if (cut || columns < n) {
        rt__text_add(out, "<td>\xe2\x80\xa6</td>");
    }
    rt__text_add(out, "</tr>");
}

/* The first matrix of t: whole when small, else its corner. */
static void table(rt__text *out, const rt_tensor *t)
{
    int64_t columns = t->ndim ? t->shape[t->ndim - 1] : 1;
    int64_t rows = t->ndim > 1 ? t->shape[t->ndim - 2] : 1;
    bool whole = rows * columns <= WHOLE;
    int64_t shown_rows = whole || rows < EDGE_ROWS ? rows : EDGE_ROWS;
    int64_t shown = whole || columns < EDGE_COLUMNS ? columns : EDGE_COLUMNS;
    rt__text_add(out, "<table style=\"font-family:monospace\">");
    for (int64_t r = 0; r < shown_rows; r++) {
        row(out, t, r, shown, false);
    }
    if (shown_rows < rows) {
        rt__text_add(out, "<tr><td>\xe2\x8b\xae</td></tr>");
    }
    rt__text_add(out, "</table>");
}

rt_status rt_tensor_html(char **out, const rt_tensor *t, rt_error *err)
{
    rt__text text = {0};
    char *line = NULL;
    rt_status status = rt_tensor_summary(&line, t, err);
    if (status) {
        return status;
    }
    rt__text_add(&text, "<div><code>");
    rt__text_html(&text, line);
    rt__text_add(&text, "</code>");
    if (t->numel) {
        if (t->ndim > 2) {
            rt__text_format(&text, "<div>first of %lld matrices:</div>",
                            (long long)(t->numel / (t->shape[t->ndim - 1] *
                                                    t->shape[t->ndim - 2])));
        }
        table(&text, t);
    }
    rt__text_add(&text, "</div>");
    rt_free(line);
    return rt__text_take(&text, out, err);
}

/* --- modules -------------------------------------------------------------------- */

static void module_tree(rt__text *out, rt_module *m, const char *name,
                        int depth)
{
    int children = rt_module_slot_count(m, RT_SLOT_CHILD);
    rt__text_add(out, children ? "<details open><summary>" : "<div>");
    if (name[0]) {
        rt__text_add(out, "<b>");
        rt__text_html(out, name);
        rt__text_add(out, "</b> ");
    }
    rt__text_html(out, rt_module_name(m));
    rt__text_format(out, " <span style=\"color:#888\">%lld parameters</span>",
                    (long long)rt_module_parameter_count(m, false));
    for (int i = 0; i < rt_module_slot_count(m, RT_SLOT_PARAMETER); i++) {
        rt_tensor *t = rt_module_slot_tensor(m, RT_SLOT_PARAMETER, i);
        char shape[96];
        if (t) {
            rt__text_add(out, " <code>");
            rt__text_html(out, rt_module_slot_name(m, RT_SLOT_PARAMETER, i));
            rt__text_format(out, " %s</code>",
                            rt__shape_format(shape, sizeof shape, t->ndim,
                                             t->shape));
        }
    }
    rt__text_add(out, children ? "</summary><div style=\"margin-left:1.5em\">"
                               : "</div>");
    for (int i = 0; i < children && depth < 64; i++) {
        module_tree(out, rt_module_slot_child(m, i),
                    rt_module_slot_name(m, RT_SLOT_CHILD, i), depth + 1);
    }
    if (children) {
        rt__text_add(out, "</div></details>");
    }
}

rt_status rt_module_html(char **out, rt_module *m, rt_error *err)
{
    rt__text text = {0};
    module_tree(&text, m, "", 0);
    return rt__text_take(&text, out, err);
}
