/* SPDX-License-Identifier: MIT
 *
 * The axes of a chart: the range of its data, nice tick values (Heckbert 1990,
 * "Nice numbers for graph labels"), tick labels, and thinning of long curves.
 */
#ifndef RT_DISPLAY_SCALE_H
#define RT_DISPLAY_SCALE_H

#include "runtime/base/text.h"

typedef struct rt__scale {
    double low, high;     /* of the axis, on tick values */
    double step;
} rt__scale;

/* Covers all finite x (dimension 0) or y (1) of the series; [0, 1] when there
 * are none. `zero` makes the axis include 0. */
void rt__scale_fit(rt__scale *s, const rt_series *series, int n, int dimension,
                   int ticks, bool zero);
/* A tick's label with the digits its step needs. */
void rt__scale_label(rt__text *out, const rt__scale *s, double value);
static inline double rt__scale_at(const rt__scale *s, double v)
{
    return (v - s->low) / (s->high - s->low);
}
static inline double rt__series_x(const rt_series *s, int64_t i)
{
    return s->x ? s->x[i] : (double)i;
}
/* Keeps at most `limit` points of a curve: of each run of neighbours the
 * lowest and the highest, so that peaks survive. Fills index (room for limit)
 * and returns how many. */
int rt__thin(const rt_series *s, int limit, int64_t *index);

#endif
