/* SPDX-License-Identifier: MIT
 * Progress bars: one line of text in tqdm's form, and its HTML twin, which
 * needs neither styles nor scripts (untrusted notebooks keep <progress>).
 */
#include "runtime/base/text.h"

#include <math.h>

enum { WIDTH = 20 };

static void duration(rt__text *t, double seconds)
{
    if (!isfinite(seconds) || seconds < 0) {
        rt__text_add(t, "?");
        return;
    }
    int64_t s = (int64_t)seconds;
    if (s >= 3600) {
        rt__text_format(t, "%lld:%02lld:%02lld", (long long)(s / 3600),
                        (long long)(s / 60 % 60), (long long)(s % 60));
    } else {
        rt__text_format(t, "%02lld:%02lld", (long long)(s / 60),
                        (long long)(s % 60));
    }
}

/* "42/100 [00:03<00:04, 12.1 it/s] note" */
static void counts(rt__text *t, int64_t done, int64_t total, double seconds,
                   const char *note, void (*add)(rt__text *, const char *))
{
    double rate = seconds > 0 ? (double)done / seconds : 0;
    if (total > 0) {
        rt__text_format(t, "%lld/%lld [", (long long)done, (long long)total);
    } else {
        rt__text_format(t, "%lld [", (long long)done);
    }
    duration(t, seconds);
    if (total > 0 && done < total) {
        rt__text_add(t, add == rt__text_html ? "&lt;" : "<");
        duration(t, rate > 0 ? (double)(total - done) / rate : NAN);
    }
    if (rate > 0 && rate < 1) {
        rt__text_format(t, ", %.2f s/it]", 1 / rate);
    } else {
        rt__text_format(t, ", %.*f it/s]", rate < 100 ? 1 : 0, rate);
    }
    if (note && note[0]) {
        rt__text_add(t, "  ");
        add(t, note);
    }
}

static double share(int64_t done, int64_t total)
{
    return total > 0 ? fmin(fmax((double)done / (double)total, 0), 1) : 0;
}

rt_status rt_progress_text(char **out, int64_t done, int64_t total,
                           double seconds, const char *note, rt_error *err)
{
    rt__text t = {0};
    if (total > 0) {
        double part = share(done, total);
        int full = (int)(part * WIDTH);
        rt__text_format(&t, "%3d%%|", (int)(part * 100));
        for (int i = 0; i < WIDTH; i++) {
            rt__text_add(&t, i < full ? "\xe2\x96\x88" : " ");
        }
        rt__text_add(&t, "| ");
    }
    counts(&t, done, total, seconds, note, rt__text_add);
    return rt__text_take(&t, out, err);
}

rt_status rt_progress_html(char **out, int64_t done, int64_t total,
                           double seconds, const char *note, rt_error *err)
{
    rt__text t = {0};
    rt__text_add(&t, "<div style=\"font-family:monospace;white-space:pre\">");
    if (total > 0) {
        rt__text_format(&t, "%3d%% <progress value=\"%lld\" max=\"%lld\" "
                            "style=\"width:200px;vertical-align:middle\">"
                            "</progress> ",
                        (int)(share(done, total) * 100), (long long)done,
                        (long long)total);
    }
    counts(&t, done, total, seconds, note, rt__text_html);
    rt__text_add(&t, "</div>");
    return rt__text_take(&t, out, err);
}
