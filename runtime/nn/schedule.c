/* SPDX-License-Identifier: MIT
 * Learning-rate schedulers. Each step computes a group's next rate from its
 * present one, as PyTorch's do, so that several can act on one optimizer.
 */
#include "runtime/nn/optim.h"

#include <math.h>
#include <string.h>

struct rt_schedule_kind {
    const char *name, *schema, *doc;
    double (*rate)(const rt_scheduler *s, int group, double lr);
};

struct rt_scheduler {
    atomic_int refs;
    const rt_schedule_kind *kind;
    rt_optimizer *optimizer;
    rt_value *options;
    int64_t epoch;            /* last_epoch */
    bool initial;             /* in the constructor's own step */
    int ngroups;
    double *base, *last;      /* one per group */
    rt_plateau plateau;
    rt_peer peer;
};

/* --- options ------------------------------------------------------------------ */

static const rt_value *option(const rt_scheduler *s, const char *name)
{
    int i = rt__param_index(rt_schedule_signature(s->kind), name);
    return i < 0 ? NULL : &s->options[i];
}

static double number(const rt_scheduler *s, const char *name)
{
    const rt_value *v = option(s, name);
    return v->kind == RT_K_FLOAT ? v->f : (double)v->i;
}

static int64_t whole(const rt_scheduler *s, const char *name)
{
    return option(s, name)->i;
}

/* --- rates -------------------------------------------------------------------------- */

static double rate_step(const rt_scheduler *s, int group, double lr)
{
    bool due = s->epoch != 0 && s->epoch % whole(s, "step_size") == 0;
    return due ? lr * number(s, "gamma") : lr;
}

static double rate_multi_step(const rt_scheduler *s, int group, double lr)
{
    const rt_value *v = option(s, "milestones");
    int count = 0;
    for (int i = 0; i < v->count; i++) {
        count += v->ints[i] == s->epoch;
    }
    return count ? lr * pow(number(s, "gamma"), count) : lr;
}

static double rate_exponential(const rt_scheduler *s, int group, double lr)
{
    return s->initial ? lr : lr * number(s, "gamma");
}

static double rate_cosine(const rt_scheduler *s, int group, double lr)
{
    double low = number(s, "eta_min"), half = number(s, "T_max");
    int64_t t = whole(s, "T_max");
    if (s->initial) {
        return lr;
    }
    int64_t phase = (s->epoch - 1 - t) % (2 * t);
    if (phase == 0) {
        return lr + (s->base[group] - low) * (1 - cos(M_PI / half)) / 2;
    }
    return (1 + cos(M_PI * (double)s->epoch / half))
               / (1 + cos(M_PI * (double)(s->epoch - 1) / half)) * (lr - low)
           + low;
}

static double rate_linear(const rt_scheduler *s, int group, double lr)
{
    double start = number(s, "start_factor"), end = number(s, "end_factor");
    double total = number(s, "total_iters");
    if (s->epoch == 0) {
        return lr * start;
    }
    if (s->initial || (double)s->epoch > total) {
        return lr;
    }
    return lr * (1.0 + (end - start)
                     / (total * start + (double)(s->epoch - 1) * (end - start)));
}

static double rate_constant(const rt_scheduler *s, int group, double lr)
{
    double factor = number(s, "factor");
    if (s->epoch == 0) {
        return lr * factor;
    }
    return s->epoch == whole(s, "total_iters") ? lr * (1.0 / factor) : lr;
}

static double rate_polynomial(const rt_scheduler *s, int group, double lr)
{
    double total = number(s, "total_iters"), at = (double)s->epoch;
    if (s->initial || at > total) {
        return lr;
    }
    return lr * pow((1.0 - at / total) / (1.0 - (at - 1) / total),
                    number(s, "power"));
}

/* --- one cycle ------------------------------------------------------------------------ */

static int64_t cycle_steps(const rt_scheduler *s)
{
    const rt_value *total = option(s, "total_steps");
    return total->kind == RT_K_INT
               ? total->i
               : whole(s, "epochs") * whole(s, "steps_per_epoch");
}

static double between(const rt_scheduler *s, double from, double to, double part)
{
    if (strcmp(option(s, "anneal_strategy")->s, "linear") == 0) {
        return (to - from) * part + from;
    }
    return to + (from - to) / 2.0 * (cos(M_PI * part) + 1);
}

/* Sets momentum (or the first beta) of one group. */
static void set_momentum(const rt_scheduler *s, int group, double value)
{
    rt_value v;
    if (!rt_optimizer_get(&v, s->optimizer, group, "betas", NULL)) {
        double betas[2] = {value, v.floats[1]};
        rt_optimizer_set(s->optimizer, group, "betas", RT_V_FLOATS(betas, 2),
                         NULL);
    } else {
        rt_optimizer_set(s->optimizer, group, "momentum", RT_V_FLOAT(value),
                         NULL);
    }
}

/* Phases end at the steps below; rates run between the marks low, high, final
 * and momenta the other way round. */
static double rate_one_cycle(const rt_scheduler *s, int group, double lr)
{
    double high = number(s, "max_lr"), low = high / number(s, "div_factor");
    double final = low / number(s, "final_div_factor");
    double base = number(s, "base_momentum"), top = number(s, "max_momentum");
    double steps = (double)cycle_steps(s), warm = number(s, "pct_start") * steps;
    bool three = option(s, "three_phase")->b;
    double end[3] = {warm - 1, three ? 2 * warm - 2 : steps - 1, steps - 1};
    double rate[4] = {low, high, three ? low : final, final};
    double momentum[4] = {top, base, top, top};
    double at = (double)s->epoch, start = 0;
    int last = three ? 2 : 1, phase = 0;
    while (phase < last && at > end[phase]) {
        start = end[phase++];
    }
    double part = (at - start) / (end[phase] - start);
    if (option(s, "cycle_momentum")->b) {
        set_momentum(s, group,
                     between(s, momentum[phase], momentum[phase + 1], part));
    }
    return between(s, rate[phase], rate[phase + 1], part);
}

static double rate_plateau(const rt_scheduler *s, int group, double lr)
{
    return lr;      /* moved by rt_scheduler_step_metric only */
}

/* --- rows --------------------------------------------------------------------------------- */

static const rt_schedule_kind kinds[] = {
#define SCHEDULE(id, schema, rate, doc) {#id, schema, doc, rate_##rate},
#include "runtime/nn/schedule.def"
#undef SCHEDULE
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

int rt_schedule_count(void)
{
    return KIND_COUNT;
}

const rt_schedule_kind *rt_schedule_at(int index)
{
    return index >= 0 && index < KIND_COUNT ? &kinds[index] : NULL;
}

const rt_schedule_kind *rt_schedule_find(const char *name)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *rt_schedule_name(const rt_schedule_kind *k)
{
    return k->name;
}

const char *rt_schedule_doc(const rt_schedule_kind *k)
{
    return k->doc;
}

const rt_signature *rt_schedule_signature(const rt_schedule_kind *k)
{
    static rt_signature *_Atomic cache[KIND_COUNT];
    return rt__catalog_signature(&cache[k - kinds], k->schema);
}

/* --- construction ---------------------------------------------------------------------------- */

static bool is_kind(const rt_scheduler *s, const char *name)
{
    return strcmp(s->kind->name, name) == 0;
}

static rt_status check_cycle(const rt_scheduler *s, rt_error *err)
{
    bool total = option(s, "total_steps")->kind == RT_K_INT;
    bool parts = option(s, "epochs")->kind == RT_K_INT
                 && option(s, "steps_per_epoch")->kind == RT_K_INT;
    if (!total && !parts) {
        return rt_fail(err, RT_E_ARGUMENT, "OneCycleLR: give total_steps, or "
                       "epochs and steps_per_epoch");
    }
    if (cycle_steps(s) < 1) {
        return rt_fail(err, RT_E_ARGUMENT, "OneCycleLR: the number of steps "
                       "must be positive, got %lld",
                       (long long)cycle_steps(s));
    }
    const char *how = option(s, "anneal_strategy")->s;
    if (strcmp(how, "cos") != 0 && strcmp(how, "linear") != 0) {
        return rt_fail(err, RT_E_ARGUMENT, "OneCycleLR: anneal_strategy is "
                       "'cos' or 'linear', not '%s'", how);
    }
    double part = number(s, "pct_start");
    if (!(part >= 0 && part <= 1)) {
        return rt_fail(err, RT_E_ARGUMENT,
                       "OneCycleLR: pct_start must be in [0, 1], got %g", part);
    }
    rt_value v;
    if (option(s, "cycle_momentum")->b
        && rt_optimizer_get(&v, s->optimizer, 0, "momentum", NULL)
        && rt_optimizer_get(&v, s->optimizer, 0, "betas", NULL)) {
        rt_fail(err, RT_E_ARGUMENT, "OneCycleLR: %s has no momentum to cycle",
                rt_optim_name(rt_optimizer_kind(s->optimizer)));
        rt_error_help(err, "give cycle_momentum=False");
        return RT_E_ARGUMENT;
    }
    return RT_OK;
}

static rt_status check_one_of(const rt_scheduler *s, const char *name,
                              const char *a, const char *b, rt_error *err)
{
    const char *v = option(s, name)->s;
    if (strcmp(v, a) == 0 || strcmp(v, b) == 0) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT, "%s: %s is '%s' or '%s', not '%s'",
                   s->kind->name, name, a, b, v);
}

static rt_status check_positive(const rt_scheduler *s, const char *name,
                                rt_error *err)
{
    const rt_value *v = option(s, name);
    if (!v || v->kind != RT_K_INT || v->i > 0) {
        return RT_OK;
    }
    return rt_fail(err, RT_E_ARGUMENT, "%s: %s must be positive, got %lld",
                   s->kind->name, name, (long long)v->i);
}

static rt_status check(const rt_scheduler *s, rt_error *err)
{
    rt_status st;
    if ((st = check_positive(s, "step_size", err))
        || (st = check_positive(s, "T_max", err))) {
        return st;
    }
    if (is_kind(s, "PolynomialLR")) {
        return check_positive(s, "total_iters", err);
    }
    if (is_kind(s, "ConstantLR") || is_kind(s, "LinearLR")) {
        const char *name = is_kind(s, "LinearLR") ? "start_factor" : "factor";
        double f = number(s, name);
        if (!(f > 0 && f <= 1)) {
            return rt_fail(err, RT_E_ARGUMENT, "%s: %s must be in (0, 1], got "
                           "%g", s->kind->name, name, f);
        }
    }
    if (is_kind(s, "OneCycleLR")) {
        return check_cycle(s, err);
    }
    if (is_kind(s, "ReduceLROnPlateau")) {
        if (number(s, "factor") >= 1) {
            return rt_fail(err, RT_E_ARGUMENT, "ReduceLROnPlateau: factor must "
                           "be below 1, got %g", number(s, "factor"));
        }
        st = check_one_of(s, "mode", "min", "max", err);
        return st ? st : check_one_of(s, "threshold_mode", "rel", "abs", err);
    }
    return RT_OK;
}

static rt_status take_options(rt_scheduler *s, const rt_frame *frame,
                              rt_error *err)
{
    const rt_signature *sig = rt_schedule_signature(s->kind);
    size_t bytes = (size_t)sig->nparams * sizeof *s->options;
    s->options = rt_alloc(bytes);
    if (!s->options) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", s->kind->name);
    }
    memset(s->options, 0, bytes);
    rt_status st = RT_OK;
    for (int i = 0; i < sig->nparams && !st; i++) {
        const rt_value *v = &frame->value[i];
        rt_value third = RT_V_FLOAT(1.0 / 3);
        if (v->kind == RT_K_UNSET) {
            /* The catalog writes a third with 15 digits. */
            v = strncmp(sig->params[i].default_text, "0.3333", 6) == 0
                    ? &third : &sig->params[i].value;
        }
        st = rt__value_copy(&s->options[i], v, err);
    }
    return st;
}

/* The rates that the schedule starts from. */
static rt_status take_bases(rt_scheduler *s, int64_t last_epoch, rt_error *err)
{
    rt_optimizer *o = s->optimizer;
    s->ngroups = o->ngroups;
    s->base = rt_alloc((size_t)o->ngroups * sizeof(double));
    s->last = rt_alloc((size_t)o->ngroups * sizeof(double));
    if (!s->base || !s->last) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", s->kind->name);
    }
    for (int g = 0; g < o->ngroups; g++) {
        rt__optim_group *group = &o->groups[g];
        double lr = rt__optim_float(o, group, "lr");
        if (is_kind(s, "OneCycleLR") && last_epoch == -1) {
            group->initial_lr = number(s, "max_lr") / number(s, "div_factor");
        }
        if (isnan(group->initial_lr)) {
            if (last_epoch != -1) {
                return rt_fail(err, RT_E_ARGUMENT, "%s: last_epoch is %lld, "
                               "but group %d has no initial_lr to go on from",
                               s->kind->name, (long long)last_epoch, g);
            }
            group->initial_lr = lr;
        }
        s->base[g] = group->initial_lr;
        s->last[g] = lr;
    }
    return RT_OK;
}

/* Moves every group to its next rate. */
static void advance(rt_scheduler *s)
{
    s->epoch++;
    for (int g = 0; g < s->ngroups && g < s->optimizer->ngroups; g++) {
        rt__optim_group *group = &s->optimizer->groups[g];
        double lr = rt__optim_float(s->optimizer, group, "lr");
        s->last[g] = s->kind->rate(s, g, lr);
        rt_optimizer_set(s->optimizer, g, "lr", RT_V_FLOAT(s->last[g]), NULL);
    }
}

/* The constructor's own step. */
static void begin(rt_scheduler *s)
{
    s->initial = true;
    advance(s);
    s->initial = false;
}

static double worst(const rt_scheduler *s)
{
    return strcmp(option(s, "mode")->s, "min") ? -INFINITY : INFINITY;
}

rt_status rt_scheduler_new(rt_scheduler **out, const rt_schedule_kind *kind,
                           rt_optimizer *o, const rt_value *args, int npos,
                           const rt_value *named, const char *const *names,
                           int nnamed, rt_error *err)
{
    const rt_signature *sig = rt_schedule_signature(kind);
    rt_scheduler *s = rt_alloc(sizeof *s);
    rt_frame frame;
    if (!sig || !s) {
        rt_free(s);
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", kind->name);
    }
    memset(s, 0, sizeof *s);
    atomic_init(&s->refs, 1);
    s->kind = kind;
    s->optimizer = rt_optimizer_retain(o);
    rt_status st;
    if ((st = rt_bind(&frame, sig, args, npos, named, names, nnamed, err))
        || (st = take_options(s, &frame, err)) || (st = check(s, err))) {
        goto done;
    }
    const rt_value *start = option(s, "last_epoch");
    s->epoch = start ? start->i : 0;
    if ((st = take_bases(s, start ? start->i : -1, err))) {
        goto done;
    }
    if (start) {
        begin(s);
    } else {
        s->plateau.best = worst(s);
    }
    *out = s;
    return RT_OK;
done:
    rt_scheduler_release(s);
    return st;
}

rt_scheduler *rt_scheduler_retain(rt_scheduler *s)
{
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    }
    return s;
}

void rt_scheduler_release(rt_scheduler *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->peer.released) {
        s->peer.released(s->peer.object);
    }
    int n = rt_schedule_signature(s->kind)->nparams;
    for (int i = 0; s->options && i < n; i++) {
        rt__value_free(&s->options[i]);
    }
    rt_free(s->options);
    rt_free(s->base);
    rt_free(s->last);
    rt_optimizer_release(s->optimizer);
    rt_free(s);
}

rt_peer *rt_scheduler_peer(rt_scheduler *s)
{
    return &s->peer;
}

/* --- steps ------------------------------------------------------------------------------------- */

rt_status rt_scheduler_step(rt_scheduler *s, rt_error *err)
{
    if (is_kind(s, "ReduceLROnPlateau")) {
        rt_fail(err, RT_E_ARGUMENT, "ReduceLROnPlateau: step needs the "
                "measured value");
        rt_error_help(err, "call step(loss)");
        return RT_E_ARGUMENT;
    }
    if (is_kind(s, "OneCycleLR") && s->epoch + 1 > cycle_steps(s)) {
        return rt_fail(err, RT_E_ARGUMENT, "OneCycleLR: step %lld is beyond "
                       "the %lld steps of the cycle", (long long)s->epoch + 1,
                       (long long)cycle_steps(s));
    }
    advance(s);
    return RT_OK;
}

static bool is_better(const rt_scheduler *s, double value)
{
    double threshold = number(s, "threshold"), best = s->plateau.best;
    bool min = strcmp(option(s, "mode")->s, "min") == 0;
    bool rel = strcmp(option(s, "threshold_mode")->s, "rel") == 0;
    if (min) {
        return value < (rel ? best * (1.0 - threshold) : best - threshold);
    }
    return value > (rel ? best * (threshold + 1.0) : best + threshold);
}

static void reduce(rt_scheduler *s)
{
    double factor = number(s, "factor"), low = number(s, "min_lr");
    for (int g = 0; g < s->optimizer->ngroups; g++) {
        double lr = rt__optim_float(s->optimizer, &s->optimizer->groups[g],
                                    "lr");
        double next = fmax(lr * factor, low);
        if (lr - next > number(s, "eps")) {
            rt_optimizer_set(s->optimizer, g, "lr", RT_V_FLOAT(next), NULL);
        }
    }
}

rt_status rt_scheduler_step_metric(rt_scheduler *s, double metric,
                                   rt_error *err)
{
    if (!is_kind(s, "ReduceLROnPlateau")) {
        return rt_scheduler_step(s, err);
    }
    s->epoch++;
    if (is_better(s, metric)) {
        s->plateau.best = metric;
        s->plateau.num_bad_epochs = 0;
    } else {
        s->plateau.num_bad_epochs++;
    }
    if (s->plateau.cooldown_counter > 0) {
        s->plateau.cooldown_counter--;
        s->plateau.num_bad_epochs = 0;
    }
    if (s->plateau.num_bad_epochs > whole(s, "patience")) {
        reduce(s);
        s->plateau.cooldown_counter = whole(s, "cooldown");
        s->plateau.num_bad_epochs = 0;
    }
    for (int g = 0; g < s->ngroups; g++) {
        s->last[g] = rt__optim_float(s->optimizer, &s->optimizer->groups[g],
                                     "lr");
    }
    return RT_OK;
}

void rt_scheduler_restart(rt_scheduler *s)
{
    if (!option(s, "last_epoch")) {
        return;                      /* a plateau, which has no beginning */
    }
    for (int g = 0; g < s->ngroups && g < s->optimizer->ngroups; g++) {
        rt_optimizer_set(s->optimizer, g, "lr", RT_V_FLOAT(s->base[g]), NULL);
    }
    s->epoch = -1;
    begin(s);
}

int64_t rt_scheduler_epoch(const rt_scheduler *s)
{
    return s->epoch;
}

void rt_scheduler_set_epoch(rt_scheduler *s, int64_t epoch)
{
    s->epoch = epoch;
}

double rt_scheduler_last_lr(const rt_scheduler *s, int group)
{
    return s->last[group];
}

double rt_scheduler_base_lr(const rt_scheduler *s, int group)
{
    return s->base[group];
}

void rt_scheduler_set_base_lr(rt_scheduler *s, int group, double lr)
{
    s->base[group] = lr;
}

rt_plateau rt_scheduler_plateau(const rt_scheduler *s)
{
    return s->plateau;
}

void rt_scheduler_set_plateau(rt_scheduler *s, rt_plateau p)
{
    s->plateau = p;
}
