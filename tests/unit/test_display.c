/* SPDX-License-Identifier: MIT
 * Charts, pictures, progress bars, histograms.
 */
#include "runtime/display/base64.h"
#include "runtime/display/scale.h"
#include "tests/unit/unit.h"

static rt_error err;

CASE(ticks_fall_on_nice_numbers)
{
    double y[] = {0.13, 0.97, 0.5};
    rt_series s = {NULL, NULL, y, 3};
    rt__scale axis;
    rt__scale_fit(&axis, &s, 1, 1, 5, false);
    CHECK_NEAR(axis.low, 0, 1e-12);
    CHECK_NEAR(axis.high, 1, 1e-12);
    CHECK_NEAR(axis.step, 0.2, 1e-12);
}

CASE(a_constant_or_empty_series_still_has_an_axis)
{
    double y[] = {3, 3}, none[] = {NAN, INFINITY};
    rt_series s = {NULL, NULL, y, 2}, e = {NULL, NULL, none, 2};
    rt__scale axis;
    rt__scale_fit(&axis, &s, 1, 1, 5, false);
    CHECK(axis.low < 3 && axis.high > 3);
    rt__scale_fit(&axis, &e, 1, 1, 5, false);
    CHECK(axis.low < axis.high);
}

CASE(thinning_keeps_the_peaks)
{
    static double y[100000];
    y[77777] = 9;
    y[12345] = -4;
    rt_series s = {NULL, NULL, y, 100000};
    int64_t index[200];
    int n = rt__thin(&s, 200, index);
    bool high = false, low = false;
    CHECK(n <= 200);
    for (int i = 0; i < n; i++) {
        high |= index[i] == 77777;
        low |= index[i] == 12345;
        CHECK(i == 0 || index[i] > index[i - 1]);
    }
    CHECK(high && low);
}

CASE(a_chart_of_any_length_stays_under_8_kib)
{
    static double y[50000];
    for (int i = 0; i < 50000; i++) {
        y[i] = exp(-i / 9000.0) + 0.05 * sin(i);
    }
    rt_series s[] = {{"loss <train>", NULL, y, 50000},
                     {"loss", NULL, y, 30000}};
    rt_chart_options o = RT_CHART_OPTIONS_INIT;
    o.title = "a & b";
    char *svg = NULL;
    for (int kind = RT_CHART_LINE; kind <= RT_CHART_BAR; kind++) {
        o.kind = (rt_chart_kind)kind;
        CHECK_OK(rt_chart_svg(&svg, s, 2, &o, &err), err);
        CHECK(strlen(svg) < 40000);
        CHECK(kind != RT_CHART_LINE || strlen(svg) < 8192);
        CHECK_HAS(svg, "loss &lt;train&gt;");
        CHECK_HAS(svg, "a &amp; b");
        CHECK_HAS(svg, "</svg>");
        rt_free(svg);
    }
    o.width = 5;
    CHECK_FAILS(rt_chart_svg(&svg, s, 1, &o, &err), err, RT_E_ARGUMENT);
}

CASE(a_curve_stands_where_its_values_are)
{
    double y[] = {0, 1};
    rt_series s = {NULL, NULL, y, 2};
    char *svg = NULL;
    CHECK_OK(rt_chart_svg(&svg, &s, 1, NULL, &err), err);
    /* left 52, width 412, top 14, height 258 of the usual 480 x 300 */
    CHECK_HAS(svg, "d=\"M52.0 272.0L464.0 14.0\"");
    rt_free(svg);
}

CASE(text_charts_put_marks_at_the_extremes)
{
    double y[] = {0, 1, 4, 9};
    rt_series s = {"squares", NULL, y, 4};
    char *text = NULL;
    CHECK_OK(rt_chart_text(&text, &s, 1, NULL, &err), err);
    CHECK_HAS(text, "* squares");
    CHECK_HAS(text, "        10 |");
    rt_free(text);
}

CASE(svg_in_an_img_is_base64)
{
    char *img = NULL;
    CHECK_OK(rt_svg_to_img(&img, "<svg/>", "a \"b\"", &err), err);
    CHECK_TEXT(img, "<img src=\"data:image/svg+xml;base64,PHN2Zy8+\" "
                    "alt=\"a &quot;b&quot;\"/>");
    rt_free(img);
}

CASE(histograms_count_finite_values_into_equal_bins)
{
    float v[] = {0, 0.1f, 0.5f, 1, NAN, INFINITY};
    int64_t n = 6, counts[4];
    double edges[5];
    rt_tensor *t;
    CHECK_OK(rt_tensor_from_data(&t, RT_FLOAT32, 1, &n, v, &err), err);
    CHECK_OK(rt_histogram(counts, edges, 4, t, &err), err);
    CHECK_INT(counts[0], 2);
    CHECK_INT(counts[2], 1);
    CHECK_INT(counts[3], 1);
    CHECK_NEAR(edges[4], 1, 0);
    CHECK_FAILS(rt_histogram(counts, edges, 0, t, &err), err, RT_E_ARGUMENT);
    rt_release(t);
}

CASE(pictures_are_png_and_other_shapes_are_refused)
{
    int64_t grey[] = {8, 8}, odd[] = {2, 8, 8};
    rt_tensor *t;
    unsigned char *png = NULL;
    size_t size = 0;
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 2, grey, &err), err);
    for (int i = 0; i < 64; i++) {
        ((float *)rt_tensor_data(t))[i] = (float)i;
    }
    CHECK_OK(rt_image_png(&png, &size, t, 4, &err), err);
    CHECK(size > 60 && memcmp(png, "\x89PNG\r\n", 6) == 0);
    CHECK_INT(png[19], 32);   /* width in IHDR */
    rt_free(png);
    rt_release(t);
    CHECK_OK(rt_tensor_new(&t, RT_FLOAT32, 3, odd, &err), err);
    CHECK_FAILS(rt_image_png(&png, &size, t, 1, &err), err, RT_E_SHAPE);
    CHECK_HAS(err.message, "[2, 8, 8]");
    rt_release(t);
}

CASE(a_picture_of_more_pixels_than_a_size_can_count_is_refused)
{
    int64_t one[] = {1, 1};
    unsigned char *png = NULL;
    size_t size = 0;
    rt_tensor *dot;
    CHECK_OK(rt_tensor_new(&dot, RT_FLOAT32, 2, one, &err), err);
    *(float *)rt_tensor_data(dot) = 1;
    CHECK_FAILS(rt_image_png(&png, &size, dot, 1 << 30, &err), err,
                RT_E_ARGUMENT);
    CHECK_HAS(err.message, "at most 16384 pixels a side");
    rt_release(dot);
}

CASE(progress_reads_as_tqdm_does)
{
    char *text = NULL;
    CHECK_OK(rt_progress_text(&text, 42, 100, 3.5, "loss 0.1", &err), err);
    CHECK_HAS(text, " 42%|");
    CHECK_HAS(text, "| 42/100 [00:03<00:04, 12.0 it/s]  loss 0.1");
    rt_free(text);
    CHECK_OK(rt_progress_html(&text, 7, 0, 3700, "a<b", &err), err);
    CHECK_HAS(text, "7 [1:01:40, ");
    CHECK_HAS(text, "a&lt;b");
    rt_free(text);
}

UNIT_MAIN
