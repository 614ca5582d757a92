/* SPDX-License-Identifier: MIT
 * Built-in functions on modules, optimizers, data sets, files. */
#include "lang/native.h"

#include "lang/show.h"
#include "lang/writer.h"

#include <stdlib.h>
#include <string.h>

/* --- modules ---------------------------------------------------------------- */

NATIVE(FORWARD)
{
    rt_status status = lang__need_module(c, 0);
    return status ? status : lang__call_module(c->a[0].m, c->a + 1, c->n - 1,
                                               c->out, c->err);
}

NATIVE(PARAMETERS)
{
    rt_status status = lang__need_module(c, 0);
    return status ? status : lang__converted(
        c->out, c->a[0], LANG__LIST_OF(LANG_TENSOR), c->err);
}

typedef struct gathered {
    lang_list *list;
    bool whole;
} gathered;

static bool add_name(void *ctx, const char *name, rt_tensor *t)
{
    gathered *n = ctx;
    lang__value v = LANG__STRING_VALUE(NULL);
    n->whole = !lang__string_new(&v.s, name, strlen(name), NULL) &&
               !lang__list_add(n->list, v, NULL);
    lang__release(&v);
    return n->whole;
}

NATIVE(NAMES)
{
    gathered n = {NULL, true};
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = lang__list_new(&n.list, LANG__TYPE(LANG_STRING), 0, c->err);
    if (status)
        return status;
    bool exact = rt_module_each_parameter(c->a[0].m, false, add_name, &n);
    if (!exact || !n.whole) {
        lang__list_release(n.list);
        return rt_fail(c->err, RT_E_MEMORY, "names: no memory");
    }
    *c->out = LANG__LIST_VALUE(n.list);
    return RT_OK;
}

NATIVE(COUNT_NET)
{
    rt_status status = lang__need_module(c, 0);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_module_parameter_count(c->a[0].m, true));
    return status;
}

NATIVE(LEN_MODULE)
{
    rt_status status = lang__need_module(c, 0);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_module_slot_count(c->a[0].m,
                                                       RT_SLOT_CHILD));
    return status;
}

static rt_status set_training(lang__native_call *c, bool on)
{
    rt_status status = lang__need_module(c, 0);
    if (status)
        return status;
    rt_module_train(c->a[0].m, on);
    *c->out = lang__retain(c->a[0]);
    return RT_OK;
}

NATIVE(TRAIN) { return set_training(c, c->a[1].i != 0); }
NATIVE(EVAL) { return set_training(c, false); }

NATIVE(ZERO_GRAD_NET)
{
    rt_status status = lang__need_module(c, 0);
    if (!status)
        rt_module_zero_grad(c->a[0].m, true);
    return status;
}

NATIVE(TO_MODULE)
{
    rt_device device;
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = rt_device_parse(&device, c->a[1].s->text, c->err);
    if (!status)
        status = rt_device_check(device, c->err);
    if (!status && device.kind != RT_CPU)
        status = rt_fail(c->err, RT_E_UNSUPPORTED,
                         "to: modules cannot be moved to %s",
                         c->a[1].s->text);
    if (!status)
        *c->out = lang__retain(c->a[0]);
    return status;
}

NATIVE(SUMMARY)
{
    char *text = NULL;
    lang_list *shape = c->a[1].kind == LANG_LIST ? c->a[1].l : NULL;
    int n = shape ? (int)shape->count : 0;
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = rt_module_summary(&text, c->a[0].m,
                                   n ? (const int64_t *)shape->items : NULL, n,
                                   c->err);
    if (status)
        return status;
    size_t size = strlen(text);
    lang__print(c->s, 1, text, size);
    if (!size || text[size - 1] != '\n')
        lang__print(c->s, 1, "\n", 1);
    rt_free(text);
    return RT_OK;
}

/* --- optimizers, schedulers --------------------------------------------------- */

static rt_status need_optimizer(lang__native_call *c, int i)
{
    if (c->a[i].optim && c->a[i].optim->made)
        return RT_OK;
    rt_fail(c->err, RT_E_ARGUMENT, "the optimizer has no parameters yet");
    rt_error_help(c->err, "give them when you make it: "
                          "Adam(net.parameters(), lr=1e-3)");
    return RT_E_ARGUMENT;
}

NATIVE(ZERO_GRAD)
{
    rt_status status = need_optimizer(c, 0);
    if (!status)
        rt_optimizer_zero_grad(c->a[0].optim->made, true);
    return status;
}

NATIVE(STEP)
{
    rt_status status = need_optimizer(c, 0);
    return status ? status : rt_optimizer_step(c->a[0].optim->made, c->err);
}

NATIVE(STEP_SCHEDULE)
{
    if (!c->a[0].p)
        return rt_fail(c->err, RT_E_ARGUMENT, "the scheduler is undefined");
    return rt_scheduler_step(c->a[0].scheduler, c->err);
}

/* --- files ---------------------------------------------------------------------- */

NATIVE(SAVE)
{
    rt_status status = lang__need_module(c, 0);
    return status ? status : rt_module_save(c->a[0].m, c->a[1].s->text, c->err);
}

NATIVE(SAVE_TENSOR)
{
    rt_status status = lang__need_tensor(c, 0);
    char name[] = "tensor";
    rt_named_tensor item = {name, c->a[0].t};
    return status ? status : rt_tensors_save(c->a[1].s->text, &item, 1, NULL, 0,
                                             c->err);
}

NATIVE(LOAD)
{
    *c->out = (lang__value){.kind = LANG_MODULE};
    return rt_module_load(&c->out->m, c->a[0].s->text, c->err);
}

NATIVE(LOAD_INTO)
{
    rt_tensor_file f = {0};
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = rt_tensors_load(&f, c->a[1].s->text, c->err);
    if (!status)
        status = rt_module_load_tensors(c->a[0].m, f.items, f.count, true,
                                        c->err);
    rt_tensor_file_dispose(&f);
    if (!status)
        *c->out = lang__retain(c->a[0]);
    return status;
}

NATIVE(LOAD_TENSOR)
{
    rt_tensor_file f = {0};
    const char *path = c->a[0].s->text, *name = c->a[1].s->text;
    rt_status status = rt_tensors_load(&f, path, c->err);
    for (int64_t i = 0; i < f.count && !status; i++) {
        if (*name && strcmp(f.items[i].name, name) != 0)
            continue;
        *c->out = LANG__TENSOR_VALUE(rt_retain(f.items[i].tensor));
        break;
    }
    if (!status && c->out->kind != LANG_TENSOR)
        status = rt_fail(c->err, RT_E_NAME, "load_tensor: %s holds no tensor "
                         "%s", path, name);
    rt_tensor_file_dispose(&f);
    return status;
}

/* --- data ----------------------------------------------------------------------- */

static rt_status need_dataset(lang__native_call *c, int i)
{
    return c->a[i].kind == LANG_DATASET && c->a[i].p
        ? RT_OK : rt_fail(c->err, RT_E_ARGUMENT, "the data set is undefined");
}

NATIVE(LEN_DATASET)
{
    rt_status status = need_dataset(c, 0);
    if (!status)
        *c->out = LANG__INT_VALUE(rt_dataset_length(c->a[0].dataset));
    return status;
}

NATIVE(LEN_LOADER)
{
    if (!c->a[0].p)
        return rt_fail(c->err, RT_E_ARGUMENT, "the loader is undefined");
    *c->out = LANG__INT_VALUE(rt_loader_length(c->a[0].loader));
    return RT_OK;
}

NATIVE(TENSOR_DATASET)
{
    rt_tensor *tensors[RT_MAX_RESULTS];
    if (c->n > RT_MAX_RESULTS)
        return rt_fail(c->err, RT_E_LIMIT,
                       "TensorDataset: %d tensors, but at most %d fit", c->n,
                       RT_MAX_RESULTS);
    for (int i = 0; i < c->n; i++) {
        rt_status status = lang__need_tensor(c, i);
        if (status)
            return status;
        tensors[i] = c->a[i].t;
    }
    *c->out = (lang__value){.kind = LANG_DATASET};
    return rt_tensor_dataset(&c->out->dataset, tensors, c->n, c->err);
}

static rt_status make_loader(lang__native_call *c, rt_dataset *d, int first)
{
    rt_loader_options options = RT_LOADER_OPTIONS_INIT;
    options.batch_size = c->a[first].i;
    options.shuffle = c->a[first + 1].i != 0;
    options.drop_last = c->a[first + 2].i != 0;
    options.num_workers = (int)c->a[first + 3].i;
    *c->out = (lang__value){.kind = LANG_LOADER};
    return rt_loader_new(&c->out->loader, d, &options, c->err);
}

NATIVE(DATALOADER)
{
    rt_status status = need_dataset(c, 0);
    return status ? status : make_loader(c, c->a[0].dataset, 1);
}

NATIVE(LOADER)
{
    rt_status status = need_dataset(c, 0);
    return status ? status : make_loader(c, c->a[0].dataset, 1);
}

NATIVE(LOADER_XY)
{
    rt_dataset *d = NULL;
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = lang__need_tensor(c, 1);
    if (status)
        return status;
    rt_tensor *tensors[2] = {c->a[0].t, c->a[1].t};
    status = rt_tensor_dataset(&d, tensors, 2, c->err);
    if (!status)
        status = make_loader(c, d, 2);
    rt_dataset_release(d);
    return status;
}

NATIVE(SPLIT_DATA)
{
    rt_dataset *parts[2] = {NULL, NULL};
    rt_generator *g = NULL;
    rt_status status = need_dataset(c, 0);
    double fraction = c->a[1].f;
    if (!status && !(fraction >= 0 && fraction <= 1))
        status = rt_fail(c->err, RT_E_ARGUMENT,
                         "split: the fraction must lie in 0..1, not %g",
                         fraction);
    if (!status)
        status = rt_generator_new(&g, (uint64_t)c->a[2].i, c->err);
    if (status)
        return status;
    int64_t n = rt_dataset_length(c->a[0].dataset);
    int64_t lengths[2] = {(int64_t)(fraction * (double)n + 0.5), 0};
    lengths[1] = n - lengths[0];
    status = rt_random_split(parts, c->a[0].dataset, lengths, 2, g, c->err);
    rt_generator_release(g);
    for (int i = 0; i < 2 && !status; i++)
        c->out[i] = (lang__value){.kind = LANG_DATASET, .dataset = parts[i]};
    return status;
}

/* --- training ------------------------------------------------------------------- */

/* What fit shows while it runs: one display, redrawn now and then. */
typedef struct watch {
    lang_session *s;
    char id[48];
    bool shown, plot;
    double last;
} watch;

static void series_of(rt_series *out, const rt_history *h)
{
    for (int i = 0; i < h->nseries; i++)
        out[i] = (rt_series){h->names[i], NULL, h->series[i], h->epochs};
}

static void status_line(lang__writer *w, const rt_fit_progress *p)
{
    const rt_history *h = p->history;
    bool within = p->batches && !p->epoch_end;
    lang__write_format(w, "epoch %d/%d", p->epoch + 1, p->epochs);
    if (within)   /* the loss so far stands for the last epoch's */
        lang__write_format(w, "  batch %lld/%lld  loss %.4f",
                           (long long)p->batch + 1, (long long)p->batches,
                           p->loss);
    for (int i = within; i < h->nseries && h->epochs; i++)
        lang__write_format(w, "  %s %.4f", h->names[i],
                           h->series[i][h->epochs - 1]);
}

/* Text of the last state, and the curves below it in HTML. */
static rt_status draw(watch *v, const rt_fit_progress *p, rt_error *err)
{
    lang__writer line = {0}, html = {0};
    lang_bundle b = {0}, chart = {0};
    char *text = NULL;
    rt_series series[8];
    const rt_history *h = p->history;
    rt_chart_options options = RT_CHART_OPTIONS_INIT;
    rt_status status = RT_OK;
    options.xlabel = "epoch";
    status_line(&line, p);
    if (h->epochs > 0 && h->nseries <= 8) {
        series_of(series, h);
        status = lang__chart_bundle(&chart, series, h->nseries, &options, err);
    }
    if (!status) {
        lang__write(&html, "<pre>");
        lang__write_html(&html, line.data ? line.data : "");
        lang__write(&html, "</pre>");
        for (int i = 0; i < chart.count; i++) {
            if (strcmp(chart.items[i].mime, "text/html") == 0)
                lang__write(&html, chart.items[i].data);
        }
        status = lang__writer_take(&line, &text, err);
    }
    if (!status)
        status = lang__bundle_text(&b, "text/plain", text, err);
    text = NULL;
    if (!status)
        status = lang__writer_take(&html, &text, err);
    if (!status)
        status = lang__bundle_text(&b, "text/html", text, err);
    if (!status)
        lang__show(v->s, &b, v->id, v->shown);
    v->shown = true;
    lang_bundle_dispose(&b);
    lang_bundle_dispose(&chart);
    lang__writer_dispose(&line);
    lang__writer_dispose(&html);
    return status;
}

/* Where nothing can be redrawn: a line for each epoch. */
static rt_status print_epoch(watch *v, const rt_fit_progress *p, rt_error *err)
{
    lang__writer w = {0};
    lang__write_format(&w, "epoch %d/%d  loss %.4f\n", p->epoch + 1, p->epochs,
                       p->loss);
    rt_status status = w.failed ? rt_fail(err, RT_E_MEMORY, "fit: no memory")
                                : RT_OK;
    if (!status)
        lang__print(v->s, 1, w.data, w.size);
    lang__writer_dispose(&w);
    return status;
}

static rt_status on_progress(void *ctx, const rt_fit_progress *p,
                             rt_error *err)
{
    watch *v = ctx;
    double now = lang__clock();
    bool end = p->epoch_end && p->epoch + 1 == p->epochs;
    if (rt_interrupted())
        return rt_fail(err, RT_E_INTERRUPT, "interrupted");
    if (!v->s->host.display)
        return v->plot && p->epoch_end ? print_epoch(v, p, err) : RT_OK;
    if (!v->plot || (v->shown && !end && now - v->last < 0.2))
        return RT_OK;
    v->last = now;
    return draw(v, p, err);
}

/* The optimizer of a run: the one given, bound to the net when it was not. */
static rt_status optimizer_for(rt_optimizer **out, lang__value given,
                               rt_module *net, rt_error *err)
{
    lang__optim *o = given.kind == LANG_OPTIMIZER ? given.optim : NULL;
    if (o && o->made) {
        *out = rt_optimizer_retain(o->made);
        return RT_OK;
    }
    lang__value list = LANG__VOID_VALUE;
    lang__value module = {.kind = LANG_MODULE, .m = net};
    rt_status status = lang__converted(&list, module, LANG__LIST_OF(LANG_TENSOR),
                                     err);
    if (status)
        return status;
    const rt_optim_kind *kind = o ? o->kind : rt_optim_find("Adam");
    const rt_signature *sig = rt_optim_signature(kind);
    const char *names[RT_MAX_ARGS];
    rt_value args[RT_MAX_ARGS];
    int n = 0;
    names[n] = sig->params[0].name;
    args[n++] = RT_V_TENSORS((rt_tensor *const *)list.l->items, list.l->count);
    for (int i = 1; o && i < o->nargs; i++) {
        if (o->args[i].kind == RT_K_UNSET)
            continue;
        names[n] = sig->params[i].name;
        args[n++] = o->args[i];
    }
    status = rt_optimizer_new(out, kind, NULL, 0, args, names, n, err);
    lang__release(&list);
    return status;
}

static rt_status metrics_of(bool *accuracy, lang__value list, rt_error *err)
{
    *accuracy = false;
    if (list.kind != LANG_LIST || !list.l)
        return RT_OK;
    for (int64_t i = 0; i < list.l->count; i++) {
        lang__value name = lang__list_at(list.l, i);
        if (strcmp(name.s->text, "accuracy") != 0)
            return rt_fail(err, RT_E_ARGUMENT,
                           "fit: unknown metric \"%s\"; there is \"accuracy\"",
                           name.s->text);
        *accuracy = true;
    }
    return RT_OK;
}

static rt_status new_record(lang__record **out, rt_error *err)
{
    *out = rt_alloc(sizeof **out);
    if (!*out)
        return rt_fail(err, RT_E_MEMORY, "fit: no memory");
    **out = (lang__record){.head = {1, LANG_HISTORY}};
    return RT_OK;
}

/* fit(net, train, validation, epochs, batch_size, optimizer, scheduler, loss,
 * metrics, shuffle, plot) */
NATIVE(FIT)
{
    rt_fit_options options = RT_FIT_OPTIONS_INIT;
    watch v = {.s = c->s, .plot = c->a[10].i != 0};
    lang__record *record = NULL;
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = need_dataset(c, 1);
    if (!status)
        status = metrics_of(&options.accuracy, c->a[8], c->err);
    if (!status)
        status = optimizer_for(&options.optimizer, c->a[5], c->a[0].m, c->err);
    if (!status)
        status = new_record(&record, c->err);
    if (status)
        goto done;
    lang__next_display_id(c->s, v.id);
    options.validation = c->a[2].kind == LANG_DATASET ? c->a[2].dataset : NULL;
    options.epochs = (int)c->a[3].i;
    options.batch_size = c->a[4].i;
    options.scheduler = c->a[6].kind == LANG_SCHEDULER ? c->a[6].scheduler
                                                       : NULL;
    options.loss = c->a[7].s->text;
    options.shuffle = c->a[9].i != 0;
    options.progress = on_progress;
    options.ctx = &v;
    status = rt_fit(&record->history, c->a[0].m, c->a[1].dataset, &options,
                    c->err);
    *c->out = (lang__value){.kind = LANG_HISTORY, .record = record};
    if (status) {
        lang__release(c->out);
    } else if (v.plot && c->s->host.display) {
        rt_fit_progress last = {
            .epoch = options.epochs - 1, .epochs = options.epochs,
            .history = &record->history, .epoch_end = true};
        if (record->history.nseries && record->history.epochs)
            last.loss = record->history.series[0][record->history.epochs - 1];
        status = draw(&v, &last, c->err);
    }
done:
    rt_optimizer_release(options.optimizer);
    return status;
}

static rt_status evaluate(lang__native_call *c, rt_evaluation *out,
                          const char *loss, int64_t batch_size)
{
    rt_status status = lang__need_module(c, 0);
    if (!status)
        status = need_dataset(c, 1);
    return status ? status : rt_evaluate(out, c->a[0].m, c->a[1].dataset, loss,
                                         batch_size, c->err);
}

NATIVE(EVALUATE)
{
    rt_evaluation e;
    rt_status status = evaluate(c, &e, c->a[2].s->text, c->a[3].i);
    if (!status)
        *c->out = LANG__FLOAT_VALUE(e.loss);
    return status;
}

NATIVE(ACCURACY)
{
    rt_evaluation e;
    rt_status status = evaluate(c, &e, "cross_entropy", c->a[2].i);
    if (!status)
        *c->out = LANG__FLOAT_VALUE(e.accuracy);
    return status;
}

static rt_status call_op(rt_tensor **out, const char *name, const rt_value *a,
                         int n, rt_error *err)
{
    rt_value r[RT_MAX_RESULTS] = {{0}};
    rt_status status = rt_call(rt_op_find(name), a, n, r, err);
    if (!status)
        *out = r[0].t;
    return status;
}

NATIVE(ACCURACY_OF)
{
    rt_tensor *guess = NULL, *same = NULL, *real = NULL, *mean = NULL;
    rt_status status = lang__need_tensor(c, 0);
    if (!status)
        status = lang__need_tensor(c, 1);
    if (status)
        return status;
    rt_value a[2] = {RT_V_TENSOR(c->a[0].t), RT_V_INT(-1)};
    status = call_op(&guess, "argmax", a, 2, c->err);
    rt_value b[2] = {RT_V_TENSOR(guess), RT_V_TENSOR(c->a[1].t)};
    if (!status)
        status = call_op(&same, "eq", b, 2, c->err);
    rt_value d[2] = {RT_V_TENSOR(same), RT_V_DTYPE(RT_FLOAT64)};
    if (!status)
        status = call_op(&real, "to", d, 2, c->err);
    rt_value e[1] = {RT_V_TENSOR(real)};
    if (!status)
        status = call_op(&mean, "mean", e, 1, c->err);
    if (!status)
        status = lang__converted(c->out, LANG__TENSOR_VALUE(mean),
                               LANG__TYPE(LANG_FLOAT), c->err);
    rt_release(guess);
    rt_release(same);
    rt_release(real);
    rt_release(mean);
    return status;
}
