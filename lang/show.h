/* SPDX-License-Identifier: MIT
 *
 * show.h - pictures, tables and progress bars for the host's front end.
 */
#ifndef LANG_SHOW_H
#define LANG_SHOW_H

#include "lang/vm.h"

/* A progress bar: shown at once, redrawn five times a second at most. */
typedef struct lang__bar lang__bar;
rt_status lang__bar_begin(lang__bar **out, lang_session *s, int64_t total,
                          const char *note, rt_error *err);
void lang__bar_at(lang__bar *b, int64_t done);   /* NULL is fine */
/* Draws the last state and frees the bar. */
void lang__bar_end(lang__bar *b, int64_t done);

/* Curves as <img> and text; takes nothing over. */
rt_status lang__chart_bundle(lang_bundle *out, const rt_series *series, int n,
                             const rt_chart_options *options, rt_error *err);
/* Draws a live plot now (first) or when it is time again. */
rt_status lang__plot_draw(lang_session *s, lang__plot *p, bool now,
                          rt_error *err);
/* Keeps a plot until the cell's end, where points not yet drawn are. */
void lang__remember_plot(lang_session *s, lang__plot *p);
void lang__finish_plots(lang_session *s);
/* text/plain from text: takes it over. */
rt_status lang__bundle_text(lang_bundle *out, const char *mime, char *text,
                            rt_error *err);
/* As a result is shown. */
rt_status lang__render_value(lang_bundle *out, lang__value v, rt_error *err);

#endif
