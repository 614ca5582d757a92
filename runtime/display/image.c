/* SPDX-License-Identifier: MIT
 * Tensors as PNG pictures, base64, histograms.
 */
#include "runtime/core/tensor.h"
#include "runtime/display/base64.h"

#include <math.h>
#include <png.h>
#include <string.h>

/* Where the pixels lie: height, width, channels and their strides. */
typedef struct picture {
    const rt_tensor *t;
    int64_t height, width, channels;
    int64_t sh, sw, sc;       /* elements */
    double low, high;         /* mapped to 0..1 */
    bool coloured;            /* one channel, through the colour map */
} picture;

static double pixel(const picture *p, int64_t y, int64_t x, int64_t c)
{
    int64_t at = y * p->sh + x * p->sw + c * p->sc;
    rt_dtype d = (rt_dtype)p->t->dtype;
    return rt__load_float(d, p->t->data + at * (int64_t)rt_dtype_size(d));
}

static rt_status read_layout(picture *p, const rt_tensor *t, rt_error *err)
{
    const int64_t *n = t->shape, *s = t->strides;
    if (t->ndim == 2) {
        *p = (picture){t, n[0], n[1], 1, s[0], s[1], 0, 0, 1, false};
    } else if (t->ndim == 3 && (n[2] == 1 || n[2] == 3 || n[2] == 4)) {
        *p = (picture){t, n[0], n[1], n[2], s[0], s[1], s[2], 0, 1, false};
    } else if (t->ndim == 3 && (n[0] == 1 || n[0] == 3 || n[0] == 4)) {
        *p = (picture){t, n[1], n[2], n[0], s[1], s[2], s[0], 0, 1, false};
    } else {
        char text[96];
        rt_fail(err, RT_E_SHAPE,
                "imshow: shape %s is not a picture; expected [H, W], "
                "[H, W, 1|3|4] or [1|3|4, H, W]",
                rt__shape_format(text, sizeof text, t->ndim, t->shape));
        if (t->ndim == 1) {
            rt_error_help(err, "reshape it first: x.reshape(8, 8)");
        }
        return RT_E_SHAPE;
    }
    if (t->numel == 0 || p->height > 8192 || p->width > 8192) {
        return rt_fail(err, RT_E_SHAPE,
                       "imshow: a picture of %lld x %lld pixels; expected "
                       "1 x 1 to 8192 x 8192", (long long)p->height,
                       (long long)p->width);
    }
    return RT_OK;
}

/* uint8 means 0..255; floats in 0..1 are taken as they are; other values of one
 * channel are scaled to their own range and coloured. */
static void read_range(picture *p)
{
    double low = INFINITY, high = -INFINITY;
    for (int64_t y = 0; y < p->height; y++) {
        for (int64_t x = 0; x < p->width; x++) {
            for (int64_t c = 0; c < p->channels; c++) {
                double v = pixel(p, y, x, c);
                if (isfinite(v)) {
                    low = fmin(low, v);
                    high = fmax(high, v);
                }
            }
        }
    }
    bool bytes = p->t->dtype == RT_UINT8 && p->channels > 1;
    bool unit = low >= 0 && high <= 1 && p->t->dtype != RT_UINT8;
    p->coloured = p->channels == 1 && !unit;
    p->high = bytes ? 255 : unit ? 1 : high > low ? high : low + 1;
    p->low = bytes || unit || !isfinite(low) ? 0 : low;
}

/* Nine points of the viridis map (Smith and van der Walt, CC0), joined. */
static void viridis(double v, unsigned char *rgb)
{
    static const unsigned char map[9][3] = {
        {68, 1, 84},    {71, 44, 122},  {59, 81, 139},
        {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
        {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};
    double at = fmin(fmax(v, 0), 1) * 8;
    int i = at >= 8 ? 7 : (int)at;
    for (int c = 0; c < 3; c++) {
        double a = map[i][c], b = map[i + 1][c];
        rgb[c] = (unsigned char)lround(a + (b - a) * (at - i));
    }
}

static void write_row(const picture *p, int64_t y, int scale,
                      unsigned char *row)
{
    for (int64_t x = 0; x < p->width; x++) {
        unsigned char rgba[4] = {0, 0, 0, 255};
        for (int64_t c = 0; c < p->channels; c++) {
            double v = (pixel(p, y, x, c) - p->low) / (p->high - p->low);
            v = isfinite(v) ? fmin(fmax(v, 0), 1) : 0;
            rgba[c] = (unsigned char)lround(v * 255);
            if (p->coloured) {
                viridis(v, rgba);
            }
        }
        if (p->channels == 1 && !p->coloured) {
            rgba[1] = rgba[2] = rgba[0];
        }
        for (int k = 0; k < scale; k++, row += 4) {
            memcpy(row, rgba, 4);
        }
    }
}

rt_status rt_image_png(unsigned char **out, size_t *size, const rt_tensor *t,
                       int scale, rt_error *err)
{
    picture p;
    rt_status status = read_layout(&p, t, err);
    if (status) {
        return status;
    }
    read_range(&p);
    int64_t larger = p.height > p.width ? p.height : p.width;
    if (scale < 1) {
        scale = (int)(larger < 128 ? 192 / larger : 1);
    }
    if (scale > 16384 / larger) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "imshow: a picture of %lld x %lld pixels at scale %d; "
                       "expected at most 16384 pixels a side",
                       (long long)p.height, (long long)p.width, scale);
    }
    size_t width = (size_t)p.width * (size_t)scale;
    size_t height = (size_t)p.height * (size_t)scale;
    unsigned char *pixels = rt_alloc(width * height * 4), *png = NULL;
    png_alloc_size_t bytes = 0;
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGBA,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height};
    for (size_t y = 0; pixels && y < height; y++) {
        if (y % (size_t)scale == 0) {
            write_row(&p, (int64_t)y / scale, scale, pixels + y * width * 4);
        } else {
            memcpy(pixels + y * width * 4, pixels + (y - 1) * width * 4,
                   width * 4);
        }
    }
    if (pixels && png_image_write_get_memory_size(image, bytes, 0, pixels, 0,
                                                  NULL)) {
        png = rt_alloc(bytes);
    }
    if (!png || !png_image_write_to_memory(&image, png, &bytes, 0, pixels, 0,
                                           NULL)) {
        rt_free(png);
        png = NULL;
        status = rt_fail(err, RT_E_MEMORY,
                         "imshow: not enough memory for a picture of %zu x %zu "
                         "pixels", width, height);
    } else {
        *out = png;
        *size = bytes;
    }
    rt_free(pixels);
    return status;
}

/* --- base64 (RFC 4648) ------------------------------------------------------- */

void rt__base64(rt__text *out, const void *data, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        v |= i + 1 < size ? (unsigned)p[i + 1] << 8 : 0;
        v |= i + 2 < size ? p[i + 2] : 0;
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                        i + 1 < size ? digits[v >> 6 & 63] : '=',
                        i + 2 < size ? digits[v & 63] : '='};
        rt__text_add_n(out, four, 4);
    }
}

rt_status rt_svg_to_img(char **out, const char *svg, const char *alt,
                        rt_error *err)
{
    rt__text text = {0};
    rt__text_add(&text, "<img src=\"data:image/svg+xml;base64,");
    rt__base64(&text, svg, strlen(svg));
    rt__text_add(&text, "\" alt=\"");
    rt__text_html(&text, alt ? alt : "");
    rt__text_add(&text, "\"/>");
    return rt__text_take(&text, out, err);
}

/* --- histogram -------------------------------------------------------------------- */

/* Calls visit for each element as a double, in C order. */
static void each_value(const rt_tensor *t,
                       void (*visit)(void *ctx, double v), void *ctx)
{
    int64_t at[RT_MAX_DIMS] = {0};
    rt_dtype d = (rt_dtype)t->dtype;
    int64_t size = (int64_t)rt_dtype_size(d);
    for (int64_t i = 0; i < t->numel; i++) {
        int64_t offset = 0;
        for (int k = 0; k < t->ndim; k++) {
            offset += at[k] * t->strides[k];
        }
        visit(ctx, rt__load_float(d, t->data + offset * size));
        for (int k = t->ndim - 1; k >= 0 && ++at[k] == t->shape[k]; k--) {
            at[k] = 0;
        }
    }
}

typedef struct counting {
    double low, high;
    int64_t *counts;
    int bins;
} counting;

static void widen(void *ctx, double v)
{
    counting *c = ctx;
    if (isfinite(v)) {
        c->low = fmin(c->low, v);
        c->high = fmax(c->high, v);
    }
}

static void count(void *ctx, double v)
{
    counting *c = ctx;
    if (isfinite(v)) {
        int i = (int)((v - c->low) / (c->high - c->low) * c->bins);
        c->counts[i < c->bins ? i : c->bins - 1]++;
    }
}

rt_status rt_histogram(int64_t *counts, double *edges, int bins,
                       const rt_tensor *t, rt_error *err)
{
    if (bins < 1 || bins > 10000) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "hist: %d bins; expected 1 to 10000", bins);
    }
    counting c = {INFINITY, -INFINITY, counts, bins};
    each_value(t, widen, &c);
    if (c.low > c.high) {
        c.low = 0;
        c.high = 1;
    } else if (c.low == c.high) {
        c.low -= .5;
        c.high += .5;
    }
    memset(counts, 0, (size_t)bins * sizeof *counts);
    each_value(t, count, &c);
    for (int i = 0; i <= bins; i++) {
        edges[i] = c.low + (c.high - c.low) * i / bins;
    }
    return RT_OK;
}
