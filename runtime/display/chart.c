/* SPDX-License-Identifier: MIT
 * Charts as SVG (lines, points, bars) and as text for terminals.
 */
#include "runtime/display/scale.h"

#include <math.h>
#include <string.h>

enum { POINTS = 360, DOTS = 2000, BARS = 120, MAX_SERIES = 8, TICKS = 5 };

/* Okabe and Ito's colours, which colour-blind readers can tell apart. */
static const char *const colours[MAX_SERIES] = {
    "#0072b2", "#d55e00", "#009e73", "#cc79a7",
    "#e69f00", "#56b4e9", "#999999", "#000000"};

typedef struct frame {
    rt__text *out;
    const rt_chart_options *o;
    rt__scale x, y;
    double left, top, width, height;   /* of the plotting area */
    int points;                        /* allowed for each series */
} frame;

static double px(const frame *f, double v)
{
    return f->left + rt__scale_at(&f->x, v) * f->width;
}

static double py(const frame *f, double v)
{
    return f->top + (1 - rt__scale_at(&f->y, v)) * f->height;
}

static void label(frame *f, double x, double y, const char *anchor,
                  const char *text, const char *more)
{
    rt__text_format(f->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>",
                    x, y, anchor, more);
    rt__text_html(f->out, text);
    rt__text_add(f->out, "</text>");
}

static void tick(frame *f, const rt__scale *s, double v, bool vertical)
{
    rt__text name = {0};
    rt__scale_label(&name, s, v);
    if (vertical) {
        double y = py(f, v);
        rt__text_format(f->out, "<path d=\"M%.1f %.1fh%.1f\" class=\"g\"/>",
                        f->left, y, f->width);
        label(f, f->left - 6, y + 4, "end", name.data ? name.data : "", "");
    } else {
        double x = px(f, v);
        rt__text_format(f->out, "<path d=\"M%.1f %.1fv4\" class=\"a\"/>", x,
                        f->top + f->height);
        label(f, x, f->top + f->height + 17, "middle",
              name.data ? name.data : "", "");
    }
    f->out->failed |= name.failed;
    rt__text_dispose(&name);
}

static void ticks(frame *f, const rt__scale *s, bool vertical)
{
    double first = ceil(s->low / s->step - 1e-9);
    for (double k = first; k * s->step <= s->high + s->step * 1e-6; k++) {
        tick(f, s, k * s->step, vertical);
    }
}

static void axes(frame *f)
{
    ticks(f, &f->y, true);
    ticks(f, &f->x, false);
    rt__text_format(f->out, "<path d=\"M%.1f %.1fv%.1fh%.1f\" class=\"a\"/>",
                    f->left, f->top, f->height, f->width);
    if (f->o->title) {
        label(f, f->left + f->width / 2, f->top - 10, "middle", f->o->title,
              " font-weight=\"bold\"");
    }
    if (f->o->xlabel) {
        label(f, f->left + f->width / 2, f->top + f->height + 34, "middle",
              f->o->xlabel, "");
    }
    if (f->o->ylabel) {
        rt__text turn = {0};
        double y = f->top + f->height / 2;
        rt__text_format(&turn, " transform=\"rotate(-90 12 %.1f)\"", y);
        label(f, 12, y, "middle", f->o->ylabel, turn.data ? turn.data : "");
        f->out->failed |= turn.failed;
        rt__text_dispose(&turn);
    }
}

static void curve(frame *f, const rt_series *s, const char *colour)
{
    int64_t index[POINTS];
    int n = rt__thin(s, f->points, index);
    bool open = false;
    rt__text_add(f->out, "<path d=\"");
    for (int i = 0; i < n; i++) {
        double x = rt__series_x(s, index[i]), y = s->y[index[i]];
        if (!isfinite(x) || !isfinite(y)) {
            open = false;   /* a gap */
            continue;
        }
        rt__text_format(f->out, "%s%.1f %.1f", open ? "L" : "M", px(f, x),
                        py(f, y));
        open = true;
    }
    rt__text_format(f->out, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\""
                            " stroke-linejoin=\"round\"/>", colour);
    if (n == 1 && open) {
        rt__text_format(f->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
                                "fill=\"%s\"/>",
                        px(f, rt__series_x(s, 0)), py(f, s->y[0]), colour);
    }
}

/* One path of dots: zero-length strokes with round ends. */
static void points(frame *f, const rt_series *s, const char *colour)
{
    int64_t step = s->n / f->points + 1;
    rt__text_format(f->out, "<path stroke=\"%s\" stroke-opacity=\".75\" "
                            "stroke-width=\"5\" stroke-linecap=\"round\" "
                            "d=\"", colour);
    for (int64_t i = 0; i < s->n; i += step) {
        double x = rt__series_x(s, i), y = s->y[i];
        if (isfinite(x) && isfinite(y)) {
            rt__text_format(f->out, "M%.1f %.1fh0", px(f, x), py(f, y));
        }
    }
    rt__text_add(f->out, "\"/>");
}

static void bars(frame *f, const rt_series *s, const char *colour)
{
    double room = s->n > 1 ? fabs(px(f, rt__series_x(s, 1)) -
                                  px(f, rt__series_x(s, 0)))
                           : f->width / 4;
    double zero = py(f, 0);
    int64_t step = s->n / f->points + 1;
    rt__text_format(f->out, "<g fill=\"%s\">", colour);
    for (int64_t i = 0; i < s->n; i += step) {
        double y = py(f, s->y[i]);
        if (isfinite(y)) {
            rt__text_format(f->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\""
                                    " height=\"%.1f\"/>",
                            px(f, rt__series_x(s, i)) - room * .45,
                            fmin(y, zero), room * .9, fabs(y - zero));
        }
    }
    rt__text_add(f->out, "</g>");
}

static void legend(frame *f, const rt_series *series, int n)
{
    double y = f->top + 12;
    for (int i = 0; i < n; i++) {
        if (!series[i].label || !series[i].label[0]) {
            continue;
        }
        double x = f->left + f->width - 8;
        rt__text_format(f->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" "
                                "height=\"10\" rx=\"2\" fill=\"%s\"/>",
                        x - 10, y - 8, colours[i % MAX_SERIES]);
        label(f, x - 16, y + 1, "end", series[i].label, "");
        y += 17;
    }
}

/* Bars need half a bar's room at both ends. */
static void widen_for_bars(rt__scale *x, const rt_series *s)
{
    double room = s->n > 1 ? fabs(rt__series_x(s, 1) - rt__series_x(s, 0)) : 1;
    x->low = fmin(x->low, rt__series_x(s, 0) - room / 2);
    x->high = fmax(x->high, rt__series_x(s, s->n ? s->n - 1 : 0) + room / 2);
}

static void lay_out(frame *f, const rt_series *series, int n)
{
    static const int limits[] = {[RT_CHART_LINE] = POINTS,
                                 [RT_CHART_SCATTER] = DOTS,
                                 [RT_CHART_BAR] = BARS};
    const rt_chart_options *o = f->o;
    rt__scale_fit(&f->x, series, n, 0, TICKS + 1, false);
    rt__scale_fit(&f->y, series, n, 1, TICKS, o->kind == RT_CHART_BAR);
    if (o->kind == RT_CHART_BAR && n && series[0].n) {
        widen_for_bars(&f->x, &series[0]);
    }
    f->left = o->ylabel ? 66 : 52;
    f->top = o->title ? 30 : 14;
    f->width = o->width - f->left - 16;
    f->height = o->height - f->top - (o->xlabel ? 44 : 28);
    f->points = limits[o->kind] / (n < 1 ? 1 : n);
}

static rt_status check_options(const rt_chart_options *o, int n, rt_error *err)
{
    if (o->width < 120 || o->height < 80 || o->width > 4000 ||
        o->height > 4000) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "plot: a picture of %d x %d pixels; expected 120 x 80 "
                       "to 4000 x 4000", o->width, o->height);
    }
    if (n < 0 || n > 64) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "plot: %d curves in one picture; expected at most 64",
                       n);
    }
    return RT_OK;
}

rt_status rt_chart_svg(char **out, const rt_series *series, int n,
                       const rt_chart_options *options, rt_error *err)
{
    static const rt_chart_options usual = RT_CHART_OPTIONS_INIT;
    rt__text text = {0};
    frame f = {.out = &text, .o = options ? options : &usual};
    rt_status status = check_options(f.o, n, err);
    if (status) {
        return status;
    }
    lay_out(&f, series, n);
    rt__text_format(&text,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                    "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\""
                    "system-ui,sans-serif\" font-size=\"11\" fill=\"#333\">"
                    "<style>.g{stroke:#e5e5e5}.a{stroke:#888;fill:none}"
                    "</style><rect width=\"100%%\" height=\"100%%\" "
                    "fill=\"#fff\"/>",
                    f.o->width, f.o->height, f.o->width, f.o->height);
    axes(&f);
    for (int i = 0; i < n; i++) {
        const char *colour = colours[i % MAX_SERIES];
        switch (f.o->kind) {
        case RT_CHART_LINE: curve(&f, &series[i], colour); break;
        case RT_CHART_SCATTER: points(&f, &series[i], colour); break;
        case RT_CHART_BAR: bars(&f, &series[i], colour); break;
        }
    }
    legend(&f, series, n);
    rt__text_add(&text, "</svg>");
    return rt__text_take(&text, out, err);
}

/* --- text ------------------------------------------------------------------- */

enum { COLUMNS = 60, ROWS = 12 };

static void plot_cells(char grid[ROWS][COLUMNS], const rt_series *s, char mark,
                       const rt__scale *x, const rt__scale *y)
{
    for (int64_t i = 0; i < s->n; i++) {
        double u = rt__scale_at(x, rt__series_x(s, i));
        double v = rt__scale_at(y, s->y[i]);
        if (u >= 0 && u <= 1 && v >= 0 && v <= 1) {
            grid[(int)lround((1 - v) * (ROWS - 1))]
                [(int)lround(u * (COLUMNS - 1))] = mark;
        }
    }
}

/* The round number whose line is this one, if there is one. */
static void row_label(rt__text *name, const rt__scale *y, int row)
{
    double first = ceil(y->low / y->step - 1e-9);
    for (double k = first; k * y->step <= y->high + y->step * 1e-6; k++) {
        double at = (1 - rt__scale_at(y, k * y->step)) * (ROWS - 1);
        if (lround(at) == row) {
            rt__scale_label(name, y, k * y->step);
            return;
        }
    }
}

static void text_rows(rt__text *text, char grid[ROWS][COLUMNS],
                      const rt__scale *y)
{
    for (int r = 0; r < ROWS; r++) {
        rt__text name = {0};
        row_label(&name, y, r);
        rt__text_format(text, "%10s |%.*s\n", name.data ? name.data : "",
                        COLUMNS, grid[r]);
        text->failed |= name.failed;
        rt__text_dispose(&name);
    }
}

rt_status rt_chart_text(char **out, const rt_series *series, int n,
                        const rt_chart_options *options, rt_error *err)
{
    static const char marks[] = "*o+x#@%&";
    char grid[ROWS][COLUMNS];
    rt__scale x, y;
    rt__text text = {0};
    memset(grid, ' ', sizeof grid);
    rt__scale_fit(&x, series, n, 0, TICKS, false);
    rt__scale_fit(&y, series, n, 1, TICKS, false);
    for (int i = 0; i < n; i++) {
        plot_cells(grid, &series[i], marks[i % 8], &x, &y);
    }
    if (options && options->title) {
        rt__text_format(&text, "%*s%s\n", 12, "", options->title);
    }
    text_rows(&text, grid, &y);
    rt__text_format(&text, "%10s +------------------------------------------"
                           "------------------\n%12s%-30.4g%30.4g\n", "", "",
                    x.low, x.high);
    for (int i = 0; i < n; i++) {
        if (series[i].label && series[i].label[0]) {
            rt__text_format(&text, "%12s%c %s\n", "", marks[i % 8],
                            series[i].label);
        }
    }
    if (text.size && text.data[text.size - 1] == '\n') {
        text.data[--text.size] = '\0';
    }
    return rt__text_take(&text, out, err);
}
