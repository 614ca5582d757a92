/* SPDX-License-Identifier: MIT
 * Axes: ranges, ticks, labels, thinning.
 */
#include "runtime/display/scale.h"

#include <math.h>

/* The largest of 1, 2, 5 times a power of ten that gives about `ticks` steps. */
static double nice_step(double span, int ticks)
{
    double raw = span / ticks, power = pow(10, floor(log10(raw)));
    double f = raw / power;
    return (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * power;
}

void rt__scale_fit(rt__scale *s, const rt_series *series, int n, int dimension,
                   int ticks, bool zero)
{
    double low = INFINITY, high = -INFINITY;
    for (int k = 0; k < n; k++) {
        for (int64_t i = 0; i < series[k].n; i++) {
            double v = dimension ? series[k].y[i] : rt__series_x(&series[k], i);
            if (isfinite(v)) {
                low = fmin(low, v);
                high = fmax(high, v);
            }
        }
    }
    if (zero) {
        low = fmin(low, 0);
        high = fmax(high, 0);
    }
    if (low > high) {
        low = 0;
        high = 1;
    }
    if (low == high) {
        double margin = low == 0 ? 1 : fabs(low) * 0.1;
        low -= margin;
        high += margin;
    }
    s->step = nice_step(high - low, ticks);
    s->low = floor(low / s->step + 1e-9) * s->step;
    s->high = ceil(high / s->step - 1e-9) * s->step;
}

void rt__scale_label(rt__text *out, const rt__scale *s, double value)
{
    if (fabs(value) < s->step * 1e-6) {
        value = 0;
    }
    double largest = fmax(fabs(s->low), fabs(s->high));
    if (largest >= 1e6 || largest < 1e-3) {
        rt__text_format(out, "%.3g", value);
        return;
    }
    int decimals = (int)-floor(log10(s->step) + 1e-9);
    rt__text_format(out, "%.*f", decimals > 0 ? decimals : 0, value);
}

int rt__thin(const rt_series *s, int limit, int64_t *index)
{
    if (s->n <= limit) {
        for (int64_t i = 0; i < s->n; i++) {
            index[i] = i;
        }
        return (int)s->n;
    }
    int runs = limit / 2, kept = 0;
    for (int r = 0; r < runs; r++) {
        int64_t begin = s->n * r / runs, end = s->n * (r + 1) / runs;
        int64_t low = begin, high = begin;
        for (int64_t i = begin + 1; i < end; i++) {
            low = s->y[i] < s->y[low] ? i : low;
            high = s->y[i] > s->y[high] ? i : high;
        }
        index[kept++] = low < high ? low : high;
        if (low != high) {
            index[kept++] = low < high ? high : low;
        }
    }
    return kept;
}
