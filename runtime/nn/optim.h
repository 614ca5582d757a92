/* SPDX-License-Identifier: MIT
 *
 * Optimizers from inside. A step prepares one job for each parameter with a
 * gradient (coefficients, and contiguous float tensors to work on), then runs
 * all jobs' elements in one parallel pass over fixed chunks. Preparation can
 * fail and changes no number; the pass cannot fail and is finished even when an
 * interrupt comes, so that a step happens whole or not at all.
 */
#ifndef RT_NN_OPTIM_H
#define RT_NN_OPTIM_H

#include "runtime/nn/module.h"
#include "runtime/ops/cpu/isa.h"

#define RT_OPTIM_STATES 4
#define RT_OPTIM_TENSORS (2 + RT_OPTIM_STATES)

typedef struct rt__optim_group {
    rt_tensor **params;
    rt_tensor *(*state)[RT_OPTIM_STATES];   /* one row per parameter */
    int n;
    rt_value *options;       /* one per parameter of the schema, owned */
    double initial_lr;       /* NaN until a scheduler sets it */
} rt__optim_group;

typedef struct rt__optim_job rt__optim_job;
/* Elements [begin, end) of a job whose tensors are float or double. */
typedef void (*rt__optim_kernel)(const rt__optim_job *j, int64_t begin,
                                 int64_t end);

enum { RT_JOB_PARAM, RT_JOB_GRAD, RT_JOB_STATE };

struct rt__optim_job {
    rt_tensor *tensor[RT_OPTIM_TENSORS];  /* as the user sees them, borrowed */
    rt_tensor *use[RT_OPTIM_TENSORS];     /* contiguous float32/64, owned */
    void *data[RT_OPTIM_TENSORS];         /* of `use`; NULL: absent */
    rt__optim_kernel kernel[2];           /* float32, float64 */
    bool wide;                            /* float64 */
    int64_t n;
    float *step;                          /* count to raise, or NULL */
    double c[10];                         /* coefficients */
    bool flag[6];
    const rt__optim_job *before;          /* of the group, or NULL, and what */
    double count;                         /* its coefficients were made for: */
    int last;                             /* number of the step; last state */
};

typedef struct rt__optim_table {
    rt__optim_kernel sgd[2], adam[2], rmsprop[2], adagrad[2];  /* 32, 64 bits */
} rt__optim_table;
RT_ISA_FAMILY(rt__optim_table, optim);

struct rt_optim_kind {
    const char *name, *schema, *doc;
    const char *states[RT_OPTIM_STATES];
    rt_status (*update)(rt_optimizer *o, rt__optim_group *g, int i,
                        rt__optim_job *j, rt_error *err);
};

struct rt_optimizer {
    atomic_int refs;
    const rt_optim_kind *kind;
    rt__optim_group *groups;
    int ngroups;
    rt_value *defaults;
    rt_peer peer;
};

const rt_value *rt__optim_option(const rt_optimizer *o,
                                 const rt__optim_group *g, const char *name);
double rt__optim_float(const rt_optimizer *o, const rt__optim_group *g,
                       const char *name);
bool rt__optim_flag(const rt_optimizer *o, const rt__optim_group *g,
                    const char *name);
/* State `k` of parameter i, made (filled with `value`) when absent, borrowed. */
rt_status rt__optim_state(rt_tensor **out, rt__optim_group *g, int i, int k,
                          bool is_step, double value, rt_error *err);

#define RT_OPTIM_UPDATE(name)                                                  \
    rt_status rt__optim_##name(rt_optimizer *o, rt__optim_group *g, int i,     \
                               rt__optim_job *j, rt_error *err)
RT_OPTIM_UPDATE(sgd);
RT_OPTIM_UPDATE(adam);
RT_OPTIM_UPDATE(rmsprop);
RT_OPTIM_UPDATE(adagrad);

#endif
