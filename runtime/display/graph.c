/* SPDX-License-Identifier: MIT
 * The autograd graph behind a tensor, drawn: nodes ranked by their longest path
 * from the root, ordered inside a rank by the mean place of their neighbours
 * (the barycentre heuristic of Sugiyama, Tagawa and Toda 1981), edges as curves.
 */
#include "runtime/base/text.h"
#include "runtime/core/tensor.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NODES = 200, MAX_EDGES = 600, BOX = 150, ROW = 62, BOX_HEIGHT = 34 };

typedef struct drawing {
    rt_node *node[MAX_NODES];
    int rank[MAX_NODES], place[MAX_NODES];
    int nodes;
    int from[MAX_EDGES], to[MAX_EDGES];
    int edges;
    int ranks, widest;
    int in_rank[MAX_NODES];
    bool cut;
} drawing;

static int find_or_add(drawing *d, rt_node *n, bool *added)
{
    for (int i = 0; i < d->nodes; i++) {
        if (d->node[i] == n) {
            return i;
        }
    }
    if (d->nodes == MAX_NODES) {
        d->cut = true;
        return -1;
    }
    *added = true;
    d->node[d->nodes] = n;
    return d->nodes++;
}

/* Breadth first; a node of which there is no room for is left out. */
static void collect(drawing *d, rt_node *root)
{
    bool added;
    find_or_add(d, root, &added);
    for (int i = 0; i < d->nodes; i++) {
        for (int k = 0; k < rt_node_ninputs(d->node[i]); k++) {
            rt_node *input = rt_node_input(d->node[i], k);
            int j = input ? find_or_add(d, input, &added) : -1;
            if (j >= 0 && d->edges < MAX_EDGES) {
                d->from[d->edges] = i;
                d->to[d->edges++] = j;
            }
        }
    }
}

static void rank_nodes(drawing *d)
{
    bool moved = true;
    for (int round = 0; moved && round < d->nodes; round++) {
        moved = false;
        for (int e = 0; e < d->edges; e++) {
            if (d->rank[d->to[e]] <= d->rank[d->from[e]]) {
                d->rank[d->to[e]] = d->rank[d->from[e]] + 1;
                moved = true;
            }
        }
    }
    for (int i = 0; i < d->nodes; i++) {
        d->place[i] = d->in_rank[d->rank[i]]++;
        d->ranks = d->rank[i] >= d->ranks ? d->rank[i] + 1 : d->ranks;
        if (d->in_rank[d->rank[i]] > d->widest) {
            d->widest = d->in_rank[d->rank[i]];
        }
    }
}

/* Where i would like to stand: the mean place of the nodes above it. */
static double wish(const drawing *d, int i)
{
    double sum = 0;
    int n = 0;
    for (int e = 0; e < d->edges; e++) {
        if (d->to[e] == i) {
            sum += d->place[d->from[e]];
            n++;
        }
    }
    return n ? sum / n : d->place[i];
}

static void order_rank(drawing *d, int rank)
{
    int members[MAX_NODES], n = 0;
    double wishes[MAX_NODES];
    for (int i = 0; i < d->nodes; i++) {
        if (d->rank[i] == rank) {
            double w = wish(d, i);
            int at = n++;
            while (at > 0 && wishes[at - 1] > w) {
                wishes[at] = wishes[at - 1];
                members[at] = members[at - 1];
                at--;
            }
            wishes[at] = w;
            members[at] = i;
        }
    }
    for (int k = 0; k < n; k++) {
        d->place[members[k]] = k;
    }
}

static double centre_x(const drawing *d, int i)
{
    double shift = (d->widest - d->in_rank[d->rank[i]]) / 2.0;
    return (d->place[i] + shift + 0.5) * (BOX + 16);
}

static double top_y(const drawing *d, int i)
{
    return 8 + d->rank[i] * ROW;
}

static void draw_edge(rt__text *out, const drawing *d, int e)
{
    double x1 = centre_x(d, d->to[e]), y1 = top_y(d, d->to[e]);
    double x2 = centre_x(d, d->from[e]), y2 = top_y(d, d->from[e]) + BOX_HEIGHT;
    rt__text_format(out, "<path d=\"M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f\" "
                         "fill=\"none\" stroke=\"#999\" "
                         "marker-end=\"url(#a)\"/>",
                    x1, y1, x1, (y1 + y2) / 2, x2, (y1 + y2) / 2, x2, y2 + 3);
}

static void caption(rt__text *out, double x, double y, const char *text,
                    const char *more)
{
    rt__text_format(out, "<text x=\"%.0f\" y=\"%.0f\"%s>", x, y, more);
    rt__text_html(out, text);
    rt__text_add(out, "</text>");
}

/* "data 2.0000 | grad 4.0000" for scalars, the shape otherwise. */
static void leaf_text(char *out, size_t size, rt_tensor *t)
{
    rt_tensor *grad = rt_grad(t);
    if (t->numel == 1) {
        double v = rt__load_float((rt_dtype)t->dtype, t->data);
        int n = snprintf(out, size, "data %.4g", v);
        if (grad && grad->numel == 1) {
            snprintf(out + n, size - (size_t)n, " | grad %.4g",
                     rt__load_float((rt_dtype)grad->dtype, grad->data));
        }
    } else {
        rt__shape_format(out, size, t->ndim, t->shape);
    }
}

static void draw_node(rt__text *out, const drawing *d, int i)
{
    rt_tensor *leaf = rt_node_variable(d->node[i]);
    double x = centre_x(d, i), y = top_y(d, i);
    rt__text_format(out, "<rect x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\""
                         " rx=\"6\" fill=\"%s\" stroke=\"#666\"/>",
                    x - BOX / 2.0, y, BOX, BOX_HEIGHT,
                    leaf ? "#cfe5f7" : i == 0 ? "#cdeccd" : "#f2f2f2");
    if (leaf) {
        char text[96];
        leaf_text(text, sizeof text, leaf);
        caption(out, x, y + 14, "leaf", " fill=\"#555\" font-size=\"10\"");
        caption(out, x, y + 27, text, "");
    } else {
        caption(out, x, y + 21, rt_node_name(d->node[i]), "");
    }
}

rt_status rt_graph_svg(char **out, rt_tensor *t, rt_error *err)
{
    rt_node *root = rt_grad_fn(t);
    if (!root) {
        rt_fail(err, RT_E_AUTOGRAD, "graph: the tensor has no history");
        rt_error_help(err, "compute it from a tensor made with "
                           "requires_grad=true, outside no_grad");
        return RT_E_AUTOGRAD;
    }
    drawing *d = rt_alloc(sizeof *d);
    if (!d) {
        return rt_fail(err, RT_E_MEMORY, "graph: not enough memory");
    }
    memset(d, 0, sizeof *d);
    collect(d, root);
    rank_nodes(d);
    for (int r = 1; r < d->ranks; r++) {
        order_rank(d, r);
    }
    int width = d->widest * (BOX + 16), height = d->ranks * ROW + 8;
    rt__text text = {0};
    rt__text_format(&text, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d"
                           "\" height=\"%d\" font-family=\"system-ui,sans-serif"
                           "\" font-size=\"12\" text-anchor=\"middle\"><defs>"
                           "<marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"6\" "
                           "refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
                           "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
                           "fill=\"#999\"/></marker></defs>",
                    width, height + (d->cut ? 20 : 0));
    for (int e = 0; e < d->edges; e++) {
        draw_edge(&text, d, e);
    }
    for (int i = 0; i < d->nodes; i++) {
        draw_node(&text, d, i);
    }
    if (d->cut) {
        caption(&text, width / 2.0, height + 12,
                "only the 200 nodes nearest to the result are shown", "");
    }
    rt__text_add(&text, "</svg>");
    rt_free(d);
    return rt__text_take(&text, out, err);
}
