/* SPDX-License-Identifier: MIT
 * The training loop: epochs of batches, a history, validation; an interrupt
 * keeps the epochs that were completed.
 */
#include "runtime/nn/module.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* --- losses by name ------------------------------------------------------------------ */

typedef enum answer { NUMBERS, CLASSES, LOGIT, PROBABILITY } answer;

typedef struct loss {
    const char *name;
    rt_op_id op;
    answer answer;           /* what the model's output means */
} loss;

static const loss losses[] = {
    {"cross_entropy", RT_OP_cross_entropy, CLASSES},
    {"nll", RT_OP_nll_loss, CLASSES},
    {"nll_loss", RT_OP_nll_loss, CLASSES},
    {"mse", RT_OP_mse_loss, NUMBERS},
    {"mse_loss", RT_OP_mse_loss, NUMBERS},
    {"l1", RT_OP_l1_loss, NUMBERS},
    {"l1_loss", RT_OP_l1_loss, NUMBERS},
    {"mae", RT_OP_l1_loss, NUMBERS},
    {"smooth_l1", RT_OP_smooth_l1_loss, NUMBERS},
    {"smooth_l1_loss", RT_OP_smooth_l1_loss, NUMBERS},
    {"huber", RT_OP_smooth_l1_loss, NUMBERS},
    {"bce", RT_OP_binary_cross_entropy, PROBABILITY},
    {"binary_cross_entropy", RT_OP_binary_cross_entropy, PROBABILITY},
    {"binary_crossentropy", RT_OP_binary_cross_entropy, PROBABILITY},
    {"bce_with_logits", RT_OP_binary_cross_entropy_with_logits, LOGIT},
    {"binary_cross_entropy_with_logits",
     RT_OP_binary_cross_entropy_with_logits, LOGIT},
    {"kl_div", RT_OP_kl_div, NUMBERS},
};

static const loss *find_loss(const char *name, rt_error *err)
{
    for (size_t i = 0; name && i < sizeof losses / sizeof *losses; i++) {
        if (strcmp(losses[i].name, name) == 0) {
            return &losses[i];
        }
    }
    rt_fail(err, RT_E_ARGUMENT, "fit: there is no loss '%s'",
            name ? name : "");
    rt_error_help(err, "losses are cross_entropy, mse, l1, smooth_l1, nll, "
                  "bce, bce_with_logits, kl_div");
    return NULL;
}

/* --- one batch ----------------------------------------------------------------------------- */

/* [N] targets for [N, 1] outputs (and the reverse) take the output's shape; a
 * broadcast between them is never meant. Numbers take its dtype. */
static rt_status fit_target(rt_tensor **out, const loss *l, rt_tensor *y,
                            rt_tensor *target, rt_error *err)
{
    bool classes = l->answer == CLASSES
                   && rt_dtype_is_integral(rt_tensor_dtype(target), false);
    rt_tensor *shaped;
    rt_status st = RT_OK;
    if (classes && rt_tensor_ndim(target) == 2 && rt_tensor_ndim(y) == 2
        && rt_tensor_shape(target)[1] == 1) {
        int64_t dim = 1;
        return rt__op1(RT_OP_squeeze, out, err, 2, RT_V_TENSOR(target),
                       RT_V_INTS(&dim, 1));
    }
    if (classes) {
        *out = rt_retain(target);
        return RT_OK;
    }
    if (rt_tensor_numel(y) == rt_tensor_numel(target)
        && !rt__same_shape(y, target)) {
        st = rt__op1(RT_OP_reshape, &shaped, err, 2, RT_V_TENSOR(target),
                     RT_V_INTS(rt_tensor_shape(y), rt_tensor_ndim(y)));
    } else {
        shaped = rt_retain(target);
    }
    if (!st) {
        st = rt__op1(RT_OP_to, out, err, 2, RT_V_TENSOR(shaped),
                     RT_V_DTYPE(rt_tensor_dtype(y)));
        rt_release(shaped);
    }
    return st;
}

static double item(const rt_tensor *t)
{
    return rt__load_float(rt_tensor_dtype(t), rt_tensor_data(t));
}

/* How many of `guess` and `truth`, two tensors of one shape, are equal. */
static rt_status count_equal(double *out, rt_tensor *guess, rt_tensor *truth,
                             rt_error *err)
{
    rt_tensor *same, *sum;
    rt_status st = rt__op1(RT_OP_eq, &same, err, 2, RT_V_TENSOR(guess),
                           RT_V_TENSOR(truth));
    if (st) {
        return st;
    }
    st = rt__op1(RT_OP_sum, &sum, err, 1, RT_V_TENSOR(same));
    rt_release(same);
    if (!st) {
        rt_value v;
        st = rt_tensor_item(&v, sum, err);
        *out = v.kind == RT_K_FLOAT ? v.f : (double)v.i;
        rt_release(sum);
    }
    return st;
}

static rt_status arg_max(rt_tensor **out, rt_tensor *t, rt_error *err)
{
    return rt__op1(RT_OP_argmax, out, err, 2, RT_V_TENSOR(t),
                   RT_V_INT(rt_tensor_ndim(t) > 1 ? 1 : 0));
}

/* The share of right answers in a batch: of classes, or of yes and no. NaN for
 * numbers, which have none. */
static rt_status accuracy(double *out, const loss *l, rt_tensor *y,
                          rt_tensor *target, rt_error *err)
{
    rt_tensor *guess = NULL, *truth = NULL;
    rt_status st;
    *out = NAN;
    if (l->answer == NUMBERS || rt_tensor_numel(target) == 0) {
        return RT_OK;
    }
    if (l->answer == CLASSES) {
        bool indices = rt_dtype_is_integral(rt_tensor_dtype(target), false);
        st = arg_max(&guess, y, err);
        st = st     ? st
             : indices ? (truth = rt_retain(target), RT_OK)
                       : arg_max(&truth, target, err);
    } else {
        double edge = l->answer == LOGIT ? 0 : 0.5;
        (void)((st = rt__op1(RT_OP_gt, &guess, err, 2, RT_V_TENSOR(y),
                             RT_V_FLOAT(edge)))
               || (st = rt__op1(RT_OP_gt, &truth, err, 2, RT_V_TENSOR(target),
                                RT_V_FLOAT(0.5))));
    }
    double right = 0;
    st = st ? st : count_equal(&right, guess, truth, err);
    if (!st) {
        *out = right / (double)rt_tensor_numel(truth);
    }
    rt_release(guess);
    rt_release(truth);
    return st;
}

/* Sums over the samples of an epoch. */
typedef struct totals {
    double loss, accuracy;
    int64_t count;
    bool measure;            /* accuracy is wanted */
} totals;

/* Forward pass and loss; *out is kept for backward. */
static rt_status run_batch(rt_tensor **out, totals *t, rt_module *m,
                           const loss *l, rt_tensor *const *fields, int n,
                           rt_error *err)
{
    rt_value arg, result = RT_UNSET;
    rt_tensor *target = NULL;
    if (n != 2) {
        return rt_fail(err, RT_E_ARGUMENT, "fit: the data must give an input "
                       "and a target, it gives %d tensors", n);
    }
    arg = RT_V_TENSOR(fields[0]);
    rt_status st = rt_module_forward(m, &arg, 1, &result, err);
    if (st) {
        return st;
    }
    double right = NAN;
    if (result.kind != RT_K_TENSOR) {
        st = rt_fail(err, RT_E_TYPE, "fit: the model must give one tensor");
    } else if (!(st = fit_target(&target, l, result.t, fields[1], err))
               && !(st = rt__op1(l->op, out, err, 2, result,
                                 RT_V_TENSOR(target)))) {
        st = t->measure ? accuracy(&right, l, result.t, target, err) : RT_OK;
        int64_t size = rt_tensor_ndim(fields[0]) ? rt_tensor_shape(fields[0])[0]
                                                 : 1;
        t->loss += item(*out) * (double)size;
        t->accuracy += right * (double)size;
        t->count += size;
        if (st) {
            rt_release(*out);
        }
    }
    rt_release(target);
    rt_value_release(&result);
    return st;
}

static rt_status learn(rt_optimizer *o, rt_tensor *value, rt_error *err)
{
    rt_optimizer_zero_grad(o, true);
    rt_status st = rt_backward(&value, NULL, 1, false, false, err);
    return st ? st : rt_optimizer_step(o, err);
}

/* --- history ------------------------------------------------------------------------------- */

void rt_history_dispose(rt_history *h)
{
    for (int i = 0; i < h->nseries; i++) {
        rt_free(h->names[i]);
        rt_free(h->series[i]);
    }
    rt_free(h->names);
    rt_free(h->series);
    *h = (rt_history){0};
}

static rt_status history_init(rt_history *h, const rt_fit_options *o,
                              rt_error *err)
{
    const char *names[4] = {"loss"};
    int n = 1;
    if (o->accuracy) {
        names[n++] = "accuracy";
    }
    if (o->validation) {
        names[n++] = "val_loss";
    }
    if (o->validation && o->accuracy) {
        names[n++] = "val_accuracy";
    }
    size_t room = (size_t)(o->epochs > 0 ? o->epochs : 1) * sizeof(double);
    *h = (rt_history){0};
    h->names = rt_alloc(sizeof *h->names * 4);
    h->series = rt_alloc(sizeof *h->series * 4);
    bool ok = h->names && h->series;
    for (int i = 0; i < n && ok; i++) {
        h->names[i] = rt_strdup(names[i]);
        h->series[i] = rt_alloc(room);
        ok = h->names[i] && h->series[i];
        h->nseries += 1;
    }
    if (!ok) {
        rt_history_dispose(h);
        return rt_fail(err, RT_E_MEMORY, "fit: no memory for the history");
    }
    return RT_OK;
}

static void history_add(rt_history *h, const totals *t,
                        const rt_evaluation *v, const rt_fit_options *o)
{
    int i = 0, e = h->epochs++;
    h->series[i++][e] = t->loss / (double)t->count;
    if (o->accuracy) {
        h->series[i++][e] = t->accuracy / (double)t->count;
    }
    if (o->validation) {
        h->series[i++][e] = v->loss;
    }
    if (o->validation && o->accuracy) {
        h->series[i++][e] = v->accuracy;
    }
}

/* --- training --------------------------------------------------------------------------------- */

typedef struct fitting {
    rt_module *m;
    const rt_fit_options *o;
    const loss *loss;
    rt_loader *loader;
    rt_history *history;
} fitting;

static rt_status tell(const fitting *f, int epoch, int64_t batch,
                      const totals *t, bool end, rt_error *err)
{
    if (!f->o->progress) {
        return RT_OK;
    }
    rt_fit_progress p = {epoch, f->o->epochs, batch,
                         rt_loader_length(f->loader),
                         t->count ? t->loss / (double)t->count : NAN,
                         f->history, end};
    return f->o->progress(f->o->ctx, &p, err);
}

static rt_status train_epoch(const fitting *f, int epoch, totals *t,
                             rt_error *err)
{
    rt_loader_iter *it = NULL;
    rt_status st = rt_loader_begin(&it, f->loader, err);
    for (int64_t batch = 0; !st; batch++) {
        rt_tensor *fields[RT_MAX_RESULTS], *value;
        int n;
        if ((st = rt_loader_next(it, fields, &n, err)) || n == 0) {
            break;
        }
        st = run_batch(&value, t, f->m, f->loss, fields, n, err);
        for (int i = 0; i < n; i++) {
            rt_release(fields[i]);
        }
        if (!st) {
            st = learn(f->o->optimizer, value, err);
            rt_release(value);
        }
        if (!st) {
            st = tell(f, epoch, batch, t, false, err);
        }
        if (!st && rt_interrupted()) {
            st = rt_fail(err, RT_E_INTERRUPT, "fit: interrupted");
        }
    }
    rt_loader_end(it);
    return st;
}

static rt_status one_epoch(const fitting *f, int epoch, rt_error *err)
{
    totals t = {.measure = f->o->accuracy};
    rt_evaluation v = {0};
    rt_module_train(f->m, true);
    rt_status st = train_epoch(f, epoch, &t, err);
    if (!st && f->o->validation) {
        st = rt_evaluate(&v, f->m, f->o->validation, f->o->loss,
                         f->o->batch_size, err);
        rt_module_train(f->m, true);
    }
    if (st) {
        return st;
    }
    history_add(f->history, &t, &v, f->o);
    if (f->o->scheduler) {
        double watched = f->o->validation ? v.loss : t.loss / (double)t.count;
        st = rt_scheduler_step_metric(f->o->scheduler, watched, err);
    }
    return st ? st : tell(f, epoch, rt_loader_length(f->loader), &t, true, err);
}

static rt_status check(rt_dataset *train, const rt_fit_options *o,
                       rt_error *err)
{
    if (!o->optimizer) {
        return rt_fail(err, RT_E_ARGUMENT, "fit: an optimizer is needed");
    }
    if (o->epochs < 0) {
        return rt_fail(err, RT_E_ARGUMENT, "fit: epochs must not be negative, "
                       "got %d", o->epochs);
    }
    if (rt_dataset_length(train) == 0) {
        return rt_fail(err, RT_E_ARGUMENT, "fit: the training data is empty");
    }
    return RT_OK;
}

rt_status rt_fit(rt_history *out, rt_module *m, rt_dataset *train,
                 const rt_fit_options *options, rt_error *err)
{
    rt_loader_options lo = RT_LOADER_OPTIONS_INIT;
    rt_history h;
    lo.batch_size = options->batch_size;
    lo.shuffle = options->shuffle;
    fitting f = {m, options, find_loss(options->loss, err), NULL, &h};
    struct timespec begin, end;
    rt_status st = f.loss ? check(train, options, err) : RT_E_ARGUMENT;
    if (st || (st = rt_loader_new(&f.loader, train, &lo, err))) {
        return st;
    }
    if ((st = history_init(&h, options, err))) {
        rt_loader_release(f.loader);
        return st;
    }
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int e = 0; e < options->epochs && !st; e++) {
        st = one_epoch(&f, e, err);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    h.seconds = (double)(end.tv_sec - begin.tv_sec)
                + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    rt_loader_release(f.loader);
    if (st && st != RT_E_INTERRUPT) {
        rt_history_dispose(&h);
        return st;
    }
    *out = h;
    return st;
}

/* --- evaluation ------------------------------------------------------------------------------ */

static rt_status evaluate(totals *t, rt_module *m, const loss *l,
                          rt_loader *loader, rt_error *err)
{
    rt_loader_iter *it;
    rt_status st = rt_loader_begin(&it, loader, err);
    if (st) {
        return st;
    }
    for (;;) {
        rt_tensor *fields[RT_MAX_RESULTS], *value;
        int n;
        if ((st = rt_loader_next(it, fields, &n, err)) || n == 0) {
            break;
        }
        st = run_batch(&value, t, m, l, fields, n, err);
        for (int i = 0; i < n; i++) {
            rt_release(fields[i]);
        }
        if (st) {
            break;
        }
        rt_release(value);
    }
    rt_loader_end(it);
    return st;
}

rt_status rt_evaluate(rt_evaluation *out, rt_module *m, rt_dataset *data,
                      const char *name, int64_t batch_size, rt_error *err)
{
    rt_loader_options lo = RT_LOADER_OPTIONS_INIT;
    lo.batch_size = batch_size;
    const loss *l = find_loss(name, err);
    rt_loader *loader;
    rt_status st = l ? rt_loader_new(&loader, data, &lo, err) : RT_E_ARGUMENT;
    if (st) {
        return st;
    }
    totals t = {.measure = true};
    bool training = rt_module_training(m), was = rt_set_grad_enabled(false);
    rt_module_train(m, false);
    st = evaluate(&t, m, l, loader, err);
    rt_module_train(m, training);
    rt_set_grad_enabled(was);
    rt_loader_release(loader);
    if (!st) {
        double n = t.count ? (double)t.count : NAN;
        *out = (rt_evaluation){t.loss / n, t.accuracy / n, t.count};
    }
    return st;
}
