/* SPDX-License-Identifier: MIT
 *
 * Optimizers from inside. A step prepares one task for each parameter with a
 * gradient (the rule that it follows, and contiguous float tensors to work on),
 * then runs all tasks' elements in one parallel pass over fixed chunks.
 * Preparation can fail and changes no number; the pass cannot fail and is
 * finished even when an interrupt comes, so that a step happens whole or not at
 * all.
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

/* What an element loop works with: contiguous tensors of float or double, and
 * what the options say. */
typedef struct rt__optim_job {
    void *data[RT_OPTIM_TENSORS];   /* parameter, gradient, states; or NULL */
    double c[10];                   /* coefficients */
    bool flag[6];
} rt__optim_job;

/* Elements [begin, end) of a job. */
typedef void (*rt__optim_kernel)(const rt__optim_job *j, int64_t begin,
                                 int64_t end);

enum { RT_JOB_PARAM, RT_JOB_GRAD, RT_JOB_STATE };

/* What the options say about all parameters of a group that are at one step. */
typedef struct rt__optim_rule {
    double count;                   /* number of the step, from 1 */
    rt__optim_kernel kernel[2];     /* float32, float64 */
    rt__optim_job job;              /* of which each has data of its own */
    bool wants[RT_OPTIM_STATES];    /* which states are needed, */
    double fill;                    /* and what is in new ones */
} rt__optim_rule;

typedef struct rt__optim_table {
    rt__optim_kernel sgd[2], adam[2], rmsprop[2], adagrad[2];  /* 32, 64 bits */
} rt__optim_table;
RT_ISA_FAMILY(rt__optim_table, optim);

struct rt_optim_kind {
    const char *name, *schema, *doc;
    const char *states[RT_OPTIM_STATES];
    void (*update)(const rt_optimizer *o, const rt__optim_group *g,
                   rt__optim_rule *r);
};

struct rt_optimizer {
    atomic_int refs;
    const rt_optim_kind *kind;
    rt__optim_group *groups;
    int ngroups;
    rt_value *defaults;
    atomic_ullong revision;
    rt_peer peer;
};

const rt_value *rt__optim_option(const rt_optimizer *o,
                                 const rt__optim_group *g, const char *name);
double rt__optim_float(const rt_optimizer *o, const rt__optim_group *g,
                       const char *name);
bool rt__optim_flag(const rt_optimizer *o, const rt__optim_group *g,
                    const char *name);
/* Whether state 0 counts steps. The elements' states are those behind it. */
bool rt__optim_counts(const rt_optimizer *o);

/* Makes the rule for step r->count; of an optimizer that counts none, 1 stands
 * for the first and 2 for all others. `r` comes with zeros but for the count. */
#define RT_OPTIM_UPDATE(name)                                                  \
    void rt__optim_##name(const rt_optimizer *o, const rt__optim_group *g,     \
                          rt__optim_rule *r)
RT_OPTIM_UPDATE(sgd);
RT_OPTIM_UPDATE(adam);
RT_OPTIM_UPDATE(rmsprop);
RT_OPTIM_UPDATE(adagrad);

#endif
