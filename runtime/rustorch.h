/* SPDX-License-Identifier: MIT
 *
 * rustorch.h - the whole public C interface of the RusTorch runtime.
 *
 * The idea: operations, layers, optimizers, dtypes and errors are rows of
 * catalogs (ops.def, layers.def, ...). A caller finds a row by name, binds its
 * arguments and calls it; Python, the cell language and C do exactly this.
 *
 * Results and failure. Functions that can fail return an rt_status, 0 being
 * success, take their outputs first and an `rt_error *` last; it may be NULL,
 * and the first error wins. On failure outputs are left untouched and every
 * argument is as it was, except where a function says otherwise.
 *
 * Ownership. A result is a new reference unless the comment says borrowed;
 * arguments are borrowed; a function that takes a reference over ends in
 * `_steal`. Text returned as `char *` is freed with rt_free. Every `_release`
 * and `_free` accepts NULL.
 *
 * Threads. Different tensors may be used from different threads at once; one
 * tensor may be read by several, not written and read. Grad mode is per thread.
 */
#ifndef RUSTORCH_H
#define RUSTORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RT_MAX_DIMS 64   /* as PyTorch */
#define RT_MAX_ARGS 24   /* parameters of one op, layer or optimizer */
#define RT_MAX_RESULTS 4

/* --- errors ------------------------------------------------------------- */

typedef enum rt_status {
    RT_OK = 0,
#define RT_ERROR(code, shown, cls, builtin, doc) RT_E_##code,
#include "runtime/errors.def"
#undef RT_ERROR
    RT_STATUS_COUNT
} rt_status;

#define RT_ERROR_DIMS 8

/* Caller-owned. Only `code` needs to be set (to RT_OK) before a call, so that
 * an error struct on the stack costs nothing: use rt_error_clear. */
typedef struct rt_error {
    rt_status code;
    int nshapes;                       /* of a shape error: how many operands */
    int ndim[2];
    int64_t shape[2][RT_ERROR_DIMS];
    char op[48];                       /* operation, "" when none */
    char message[800];                 /* one or two sentences, no newline */
    char help[320];                    /* the likely fix, "" when unknown */
} rt_error;

static inline void rt_error_clear(rt_error *err)
{
    err->code = RT_OK;
}

/* One row of errors.def. */
typedef struct rt_error_info {
    const char *code;       /* "shape" */
    const char *exception;  /* "ShapeMismatchError" */
    const char *builtin;    /* "ValueError" */
    const char *doc;
} rt_error_info;

/* Borrowed; NULL outside 1..RT_STATUS_COUNT-1. */
const rt_error_info *rt_error_describe(rt_status code);

/* Sets *err unless it is NULL or already holds an error; returns `code`. The
 * message should begin with the operation and name the actual values. */
rt_status rt_fail(rt_error *err, rt_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the likely fix to an error just set; no-op on NULL. */
void rt_error_help(rt_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- memory ------------------------------------------------------------- */

/* The one door to memory: 64-byte aligned, cached by size class, NULL when
 * there is none. rt_free takes what rt_alloc gave. */
void *rt_alloc(size_t bytes);
void *rt_realloc(void *p, size_t bytes);
void rt_free(void *p);
char *rt_strdup(const char *s);

typedef struct rt_memory_stats {
    int64_t allocated;   /* bytes in use now */
    int64_t peak;        /* most ever in use */
    int64_t cached;      /* bytes held for reuse */
    int64_t allocations; /* calls so far */
} rt_memory_stats;

void rt_memory_read_stats(rt_memory_stats *out);
/* Gives cached blocks back to the system. */
void rt_memory_empty_cache(void);
/* To be called on both sides of a fork() whose halves both go on with their
 * tensors: in-place operations on large ones then copy what is shared in bulk,
 * and the child gives its cached blocks back. */
void rt_memory_forked(bool child);
/* When there is time after that: the pages of small blocks, of the stack and of
 * variables, a few MiB, become this process's own, so that what writes them next
 * does not fault for each. */
void rt_memory_own_small(void);
/* The most that may be taken from the system, cached blocks included; what
 * would need more finds no memory. 0: no limit but the machine's. */
void rt_memory_set_limit(int64_t bytes);
/* Tests: the n-th allocation from now on fails (and only it); 0: none does.
 * How many were still to come before the one asked for last; 0: it failed. */
int64_t rt_memory_fail_after(int64_t n);

/* --- process-wide settings ---------------------------------------------- */

const char *rt_version(void);            /* "0.1.0" */
int rt_num_threads(void);
void rt_set_num_threads(int n);          /* < 1: the default (usable cores) */
const char *rt_isa_name(void);           /* "baseline", "avx2" or "avx512" */
bool rt_simd_enabled(void);
void rt_set_simd_enabled(bool on);       /* false: baseline kernels only */

/* Levels: 0 error, 1 warning, 2 info, 3 debug; start value from
 * RUSTORCH_LOG_LEVEL. Text goes to the sink (default: stderr). */
typedef void (*rt_log_sink)(void *ctx, int level, const char *text);
void rt_set_log_level(int level);
int rt_log_level(void);
void rt_set_log_sink(rt_log_sink sink, void *ctx);

/* Interrupts: rt_interrupt is async-signal-safe. Loops of the runtime and of
 * the VM poll; the operation then fails with RT_E_INTERRUPT. The flag stays
 * set until cleared by the host, at the start of the next cell or call. */
void rt_interrupt(void);
void rt_interrupt_clear(void);
bool rt_interrupted(void);
/* Tests: the n-th poll from now on finds an interrupt; 0: none does. Returns
 * how many polls were left of the number given before. */
int rt_interrupt_after(int n);
/* Has `call` called once, on this thread, by its first poll that comes about a
 * millisecond from now or later; NULL: not any more. For hosts that prepare for
 * long work only where it is long. Returns what was to be called before. */
typedef void (*rt_long_work)(void);
rt_long_work rt_on_long_work(rt_long_work call);

/* --- dtypes, devices ----------------------------------------------------- */

typedef enum rt_dtype {
#define RT_DTYPE(id, name, size, cat, st, ct, safetensors, buf, code, bits)    \
    RT_##id,
#include "runtime/dtypes.def"
#undef RT_DTYPE
    RT_DTYPE_COUNT,
    RT_DTYPE_NONE = 255
} rt_dtype;

const char *rt_dtype_name(rt_dtype d);      /* "float32" */
size_t rt_dtype_size(rt_dtype d);           /* bytes of one element */
bool rt_dtype_is_floating(rt_dtype d);
bool rt_dtype_is_integral(rt_dtype d, bool with_bool);
/* RT_DTYPE_NONE when unknown. Accepts "float32", "float", "double", "long",
 * "int", "half", "torch.float32", "rustorch.float32". */
rt_dtype rt_dtype_parse(const char *name);
rt_dtype rt_promote_types(rt_dtype a, rt_dtype b);   /* PyTorch's table */
rt_dtype rt_default_dtype(void);                     /* float32 at start */
rt_status rt_set_default_dtype(rt_dtype d, rt_error *err);

typedef struct rt_device {
    uint8_t kind;   /* RT_CPU, RT_CUDA, RT_METAL */
    int8_t index;   /* -1: none given */
} rt_device;
enum { RT_CPU, RT_CUDA, RT_METAL };

/* Parses "cpu", "cuda", "cuda:0", "metal:0", "mps"; touches no hardware. */
rt_status rt_device_parse(rt_device *out, const char *text, rt_error *err);
/* Fails with RT_E_DEVICE and a reason when the device cannot be used. */
rt_status rt_device_check(rt_device d, rt_error *err);
/* "cpu", "cuda:0"; `out` holds at least 16 bytes. */
void rt_device_format(char *out, rt_device d);

/* --- tensors ------------------------------------------------------------- */

typedef struct rt_tensor rt_tensor;
typedef struct rt_module rt_module;
typedef struct rt_generator rt_generator;
typedef struct rt_node rt_node;

/* New tensor, C-contiguous, elements not initialised. */
rt_status rt_tensor_new(rt_tensor **out, rt_dtype dtype, int ndim,
                        const int64_t *shape, rt_error *err);
/* The same, filled with a copy of numel * size bytes. */
rt_status rt_tensor_from_data(rt_tensor **out, rt_dtype dtype, int ndim,
                              const int64_t *shape, const void *data,
                              rt_error *err);
/* Adopts foreign memory: strides in elements (NULL: contiguous); `destroy(ctx)`
 * runs when the last tensor over it is gone (and not when this call fails). */
rt_status rt_tensor_wrap(rt_tensor **out, rt_dtype dtype, int ndim,
                         const int64_t *shape, const int64_t *strides,
                         void *data, void (*destroy)(void *ctx), void *ctx,
                         rt_error *err);
/* 0-d tensors. The last two are "wrapped numbers": they do not decide the
 * dtype of a result against a tensor of their own category (PyTorch). */
rt_status rt_tensor_scalar(rt_tensor **out, rt_dtype dtype, double value,
                           rt_error *err);
rt_status rt_tensor_from_int(rt_tensor **out, int64_t value, rt_error *err);
rt_status rt_tensor_from_float(rt_tensor **out, double value, rt_error *err);
/* Second tensor over the same memory: strides in elements, offset in elements
 * from the start of the storage; range checked. Records nothing. */
rt_status rt_tensor_view(rt_tensor **out, rt_tensor *base, int ndim,
                         const int64_t *shape, const int64_t *strides,
                         int64_t offset, rt_error *err);

rt_tensor *rt_retain(rt_tensor *t);     /* returns t; accepts NULL */
void rt_release(rt_tensor *t);
int rt_refcount(const rt_tensor *t);

rt_dtype rt_tensor_dtype(const rt_tensor *t);
rt_device rt_tensor_device(const rt_tensor *t);
int rt_tensor_ndim(const rt_tensor *t);
const int64_t *rt_tensor_shape(const rt_tensor *t);    /* borrowed */
const int64_t *rt_tensor_strides(const rt_tensor *t);  /* borrowed, elements */
int64_t rt_tensor_numel(const rt_tensor *t);
int64_t rt_tensor_offset(const rt_tensor *t);          /* elements */
void *rt_tensor_data(const rt_tensor *t);              /* first element */
bool rt_tensor_is_contiguous(const rt_tensor *t);
bool rt_tensor_shares_storage(const rt_tensor *a, const rt_tensor *b);
const void *rt_tensor_storage_id(const rt_tensor *t);
uint32_t rt_tensor_version(const rt_tensor *t);
/* Tells autograd that the memory was written behind the runtime's back. */
void rt_tensor_bump_version(rt_tensor *t);
/* t.data = src: t becomes a tensor over src's memory with src's dtype and
 * shape; its gradient history and hooks stay. */
rt_status rt_tensor_set_data(rt_tensor *t, const rt_tensor *src,
                             rt_error *err);

/* Python's back pointer (architecture.md, "Python identity"): the runtime
 * stores it and calls `released` when the tensor dies. */
typedef struct rt_peer {
    void *object;
    void (*released)(void *object);
} rt_peer;
rt_peer *rt_tensor_peer(rt_tensor *t);   /* borrowed, writable */

/* PyTorch's repr, grad_fn=<...> or requires_grad=True included. Limits: 4
 * digits, 3 edge items, threshold 1000, line width 80 unless options say
 * otherwise. */
typedef struct rt_print_options {
    int precision, threshold, edgeitems, linewidth;
    int sci_mode;             /* -1 automatic, 0 never, 1 always */
} rt_print_options;
#define RT_PRINT_OPTIONS_INIT {4, 1000, 3, 80, -1}
rt_status rt_tensor_repr(char **out, const rt_tensor *t,
                         const rt_print_options *options, rt_error *err);
/* "tensor[3, 4] n=12 x in [-1.2, 2.0] mean=0.1 std=0.9", one line. */
rt_status rt_tensor_summary(char **out, const rt_tensor *t, rt_error *err);

/* --- values, signatures, calls ------------------------------------------- */

typedef enum rt_kind {
    RT_K_UNSET,     /* argument not given: the default counts */
    RT_K_NONE,      /* None */
    RT_K_BOOL, RT_K_INT, RT_K_FLOAT, RT_K_STRING,
    RT_K_DTYPE, RT_K_DEVICE, RT_K_GENERATOR,
    RT_K_TENSOR, RT_K_MODULE,
    RT_K_INTS, RT_K_FLOATS, RT_K_TENSORS, RT_K_MODULES,
} rt_kind;

/* A tagged value, 16 bytes, on the caller's stack. As an argument everything
 * it points to is borrowed; as a result of rt_call the tensors and modules are
 * new references (rt_value_release gives them back) and lists are heap arrays
 * that rt_value_release frees too. */
typedef struct rt_value {
    uint8_t kind;       /* rt_kind */
    uint8_t dtype;      /* RT_K_DTYPE: which */
    rt_device device;   /* RT_K_DEVICE */
    int32_t count;      /* lists: how many */
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;
        rt_tensor *t;
        rt_module *m;
        rt_generator *g;
        const int64_t *ints;
        const double *floats;
        rt_tensor *const *tensors;
        rt_module *const *modules;
    };
} rt_value;

#define RT_UNSET ((rt_value){.kind = RT_K_UNSET})
#define RT_NONE ((rt_value){.kind = RT_K_NONE})
#define RT_V_BOOL(v) ((rt_value){.kind = RT_K_BOOL, .i = (v) ? 1 : 0})
#define RT_V_INT(v) ((rt_value){.kind = RT_K_INT, .i = (v)})
#define RT_V_FLOAT(v) ((rt_value){.kind = RT_K_FLOAT, .f = (v)})
#define RT_V_STRING(v) ((rt_value){.kind = RT_K_STRING, .s = (v)})
#define RT_V_DTYPE(v) ((rt_value){.kind = RT_K_DTYPE, .dtype = (uint8_t)(v)})
#define RT_V_TENSOR(v) ((rt_value){.kind = RT_K_TENSOR, .t = (v)})
#define RT_V_MODULE(v) ((rt_value){.kind = RT_K_MODULE, .m = (v)})
#define RT_V_INTS(p, n)                                                        \
    ((rt_value){.kind = RT_K_INTS, .count = (int32_t)(n), .ints = (p)})
#define RT_V_FLOATS(p, n)                                                      \
    ((rt_value){.kind = RT_K_FLOATS, .count = (int32_t)(n), .floats = (p)})
#define RT_V_TENSORS(p, n)                                                     \
    ((rt_value){.kind = RT_K_TENSORS, .count = (int32_t)(n), .tensors = (p)})
#define RT_V_MODULES(p, n)                                                     \
    ((rt_value){.kind = RT_K_MODULES, .count = (int32_t)(n), .modules = (p)})

void rt_value_release(rt_value *v);   /* of a result; leaves RT_UNSET */

/* Parameter types of a schema (PyTorch's notation). */
typedef enum rt_type {
    RT_T_TENSOR,     /* Tensor; a number is taken too, as a wrapped 0-d one */
    RT_T_TENSORS,    /* Tensor[] */
    RT_T_OPT_TENSORS,/* Tensor?[]: NULL entries allowed */
    RT_T_SCALAR,     /* Scalar: bool, int or float */
    RT_T_INT, RT_T_FLOAT, RT_T_BOOL, RT_T_STRING,
    RT_T_INTS,       /* int[]: a single int is taken as a list of one; the last
                        positional int[] also takes the remaining ints */
    RT_T_FLOATS,
    RT_T_DTYPE, RT_T_DEVICE, RT_T_GENERATOR,
    RT_T_MODULE, RT_T_MODULES,
} rt_type;

typedef struct rt_param {
    const char *name;
    rt_type type;
    bool optional;      /* `?`: None is allowed */
    bool has_default;
    bool keyword_only;  /* after `*` */
    bool written;       /* `(a!)` */
    bool alias;         /* `(a)`: the result is a view of it */
    rt_value value;     /* the default */
    const char *default_text;   /* as written, "" when none */
} rt_param;

typedef struct rt_signature {
    const char *name;        /* "max" */
    const char *overload;    /* "dim", or "" */
    int nparams, npositional, nresults;
    rt_param params[RT_MAX_ARGS];
    const char *result_names[RT_MAX_RESULTS];   /* "values"; "" when unnamed */
    bool result_list;        /* `-> Tensor[]`: one RT_K_TENSORS result */
    bool result_scalar;      /* `-> Scalar`, `-> bool`, `-> int` */
    const char *text;        /* the schema as written */
} rt_signature;

/* Catalogs are arrays: 0..count-1, rows borrowed for ever. Rows of one name
 * (overloads: "max", "max.dim") are neighbours; rt_op_find gives the first. */
typedef struct rt_op rt_op;
int rt_op_count(void);
const rt_op *rt_op_at(int index);
const rt_op *rt_op_find(const char *name);        /* NULL when unknown */
const rt_op *rt_op_overload(const rt_op *op);     /* the next of its name */
const char *rt_op_name(const rt_op *op);
const char *rt_op_doc(const rt_op *op);
bool rt_op_differentiable(const rt_op *op);
const rt_signature *rt_op_signature(const rt_op *op);

/* Values bound to a signature, with room for the lists that binding makes. */
typedef struct rt_frame {
    rt_value value[RT_MAX_ARGS];
    int64_t ints[RT_MAX_DIMS];
    double floats[RT_MAX_DIMS];
    int nints, nfloats;
} rt_frame;

/* Matches npos positional and nnamed named arguments to `sig`: checks kinds,
 * widens int to float, collects trailing ints into an int[]; accepts
 * `axis`/`keepdims` for `dim`/`keepdim` and `input` for `self`. Fails with
 * RT_E_TYPE naming the argument, with a did-you-mean for unknown names. */
rt_status rt_bind(rt_frame *frame, const rt_signature *sig,
                  const rt_value *args, int npos, const rt_value *named,
                  const char *const *names, int nnamed, rt_error *err);

/* Calls an op with its arguments in schema order (nargs may be smaller; what
 * is missing or RT_UNSET takes its default). Records for autograd when it
 * should. results: room for RT_MAX_RESULTS. */
rt_status rt_call(const rt_op *op, const rt_value *args, int nargs,
                  rt_value *results, rt_error *err);

/* --- chains of elementwise ops -------------------------------------------- */

enum { RT_FUSED_STEPS = 16, RT_FUSED_INPUTS = 24, RT_FUSED_ARGS = 4 };
/* Arguments of a step: input k is k, the result of an earlier step k is
 * RT_FUSED_RESULT(k). */
#define RT_FUSED_DEFAULT (-1)
#define RT_FUSED_RESULT(k) (-2 - (k))

typedef struct rt_fused_step {
    const rt_op *op;
    int nargs;                       /* the rest take their defaults */
    int16_t args[RT_FUSED_ARGS];
} rt_fused_step;

/* Whether op may be a step; those that write in place only as the last. */
bool rt_op_fusable(const rt_op *op);
/* Runs the steps as one pass over memory, with the bits of the single calls.
 * *out is the last step's result (a new reference), or NULL with RT_OK when
 * only single calls will do: operands of other dtypes than one of float32 and
 * float64, of several shapes, not contiguous, gradients to record, wrong
 * arguments. Then nothing has happened. RT_E_INTERRUPT when interrupted. */
rt_status rt_fused(const rt_fused_step *steps, int nsteps,
                   const rt_value *inputs, int ninputs, rt_tensor **out,
                   rt_error *err);

/* Finds the overload that the arguments fit, binds and calls. */
rt_status rt_call_named(const rt_op *op, const rt_value *args, int npos,
                        const rt_value *named, const char *const *names,
                        int nnamed, rt_value *results, rt_error *err);

/* --- indexing -------------------------------------------------------------- */

typedef struct rt_index {
    enum { RT_I_INT, RT_I_SLICE, RT_I_NONE, RT_I_ELLIPSIS, RT_I_TENSOR,
           RT_I_BOOL } kind;
    int64_t i;                          /* RT_I_INT, RT_I_BOOL */
    int64_t start, stop, step;          /* RT_I_SLICE, step > 0 */
    bool has_start, has_stop;
    rt_tensor *t;                       /* RT_I_TENSOR: int64, uint8, bool */
} rt_index;

/* t[items...] and t[items...] = value with NumPy's and PyTorch's rules; a view
 * where only ints, slices, None and ... occur, a copy otherwise. Recorded. */
rt_status rt_tensor_get(rt_tensor **out, rt_tensor *t, const rt_index *items,
                        int n, rt_error *err);
rt_status rt_tensor_set(rt_tensor *t, const rt_index *items, int n,
                        rt_value value, rt_error *err);

/* The one element of a one-element tensor: RT_K_BOOL, RT_K_INT or RT_K_FLOAT. */
rt_status rt_tensor_item(rt_value *out, const rt_tensor *t, rt_error *err);

/* --- random numbers ------------------------------------------------------- */

/* mt19937 with PyTorch's CPU streams: same seed, same numbers. */
rt_status rt_generator_new(rt_generator **out, uint64_t seed, rt_error *err);
rt_generator *rt_generator_retain(rt_generator *g);
void rt_generator_release(rt_generator *g);
rt_generator *rt_default_generator(void);            /* borrowed */
void rt_generator_seed(rt_generator *g, uint64_t seed);
uint64_t rt_generator_initial_seed(const rt_generator *g);
uint64_t rt_generator_random64(rt_generator *g);     /* two words, high first */
rt_status rt_generator_get_state(const rt_generator *g, rt_tensor **out,
                                 rt_error *err);     /* uint8 */
rt_status rt_generator_set_state(rt_generator *g, const rt_tensor *state,
                                 rt_error *err);
void rt_manual_seed(uint64_t seed);                  /* default generator */

/* --- autograd -------------------------------------------------------------- */

bool rt_grad_enabled(void);
bool rt_set_grad_enabled(bool on);      /* returns the previous mode */
bool rt_inference_mode(void);
bool rt_set_inference_mode(bool on);

bool rt_requires_grad(const rt_tensor *t);
/* Leaves of floating type only. */
rt_status rt_set_requires_grad(rt_tensor *t, bool on, rt_error *err);
bool rt_is_leaf(const rt_tensor *t);
rt_tensor *rt_grad(const rt_tensor *t);             /* borrowed or NULL */
rt_status rt_set_grad(rt_tensor *t, rt_tensor *grad, rt_error *err);
rt_status rt_retain_grad(rt_tensor *t, rt_error *err);
/* The same memory, no history. */
rt_status rt_detach(rt_tensor **out, rt_tensor *t, rt_error *err);

rt_node *rt_grad_fn(const rt_tensor *t);            /* borrowed or NULL */
const char *rt_node_name(const rt_node *n);         /* "MulBackward0" */
int rt_node_ninputs(const rt_node *n);
/* Borrowed; NULL where no gradient flows. A leaf shows as "AccumulateGrad". */
rt_node *rt_node_input(const rt_node *n, int i);
rt_tensor *rt_node_variable(const rt_node *n);      /* AccumulateGrad's leaf */
rt_node *rt_node_retain(rt_node *n);
void rt_node_release(rt_node *n);

/* Adds d(sum of outputs . gradients)/d leaf to every leaf's grad. gradients[i]
 * may be NULL for one-element outputs (then 1). */
rt_status rt_backward(rt_tensor *const *outputs, rt_tensor *const *gradients,
                      int n, bool retain_graph, bool create_graph,
                      rt_error *err);
/* The same, but returns the gradients of `inputs` and touches no grad.
 * results[i] is NULL where unused, if allow_unused, else an error. */
rt_status rt_gradients(rt_tensor **results, rt_tensor *const *outputs,
                       rt_tensor *const *gradients, int noutputs,
                       rt_tensor *const *inputs, int ninputs,
                       bool retain_graph, bool create_graph,
                       bool allow_unused, rt_error *err);

/* Hooks: `call` may replace *grad (a new reference; the old one is released by
 * it). The handle removes the hook. */
typedef struct rt_hook {
    rt_status (*call)(void *ctx, rt_tensor **grad, rt_error *err);
    void *ctx;
    void (*destroy)(void *ctx);
} rt_hook;
rt_status rt_register_hook(rt_tensor *t, const rt_hook *hook, int64_t *handle,
                           rt_error *err);
rt_status rt_register_post_accumulate_hook(rt_tensor *t, const rt_hook *hook,
                                           int64_t *handle, rt_error *err);
void rt_remove_hook(rt_tensor *t, int64_t handle);

/* A node whose rule lives in the host: custom autograd.Function. backward gets
 * one gradient per output (NULL: zero) and fills one per input (NULL: none). */
typedef struct rt_custom_node {
    const char *name;
    rt_status (*backward)(void *ctx, rt_tensor *const *grad_outputs,
                          int noutputs, rt_tensor **grad_inputs, int ninputs,
                          rt_error *err);
    void *ctx;
    void (*destroy)(void *ctx);
} rt_custom_node;
/* Makes `outputs` (fresh tensors, computed without recording) depend on
 * `inputs` through the node. */
rt_status rt_attach_custom(const rt_custom_node *node,
                           rt_tensor *const *inputs, int ninputs,
                           rt_tensor *const *outputs, int noutputs,
                           rt_error *err);

/* Compares analytic with central-difference gradients of f (float64 inputs);
 * fails with RT_E_AUTOGRAD naming the input, element and both values. */
typedef rt_status (*rt_function)(void *ctx, rt_tensor *const *inputs, int n,
                                 rt_tensor **output, rt_error *err);
rt_status rt_gradcheck(rt_function f, void *ctx, rt_tensor *const *inputs,
                       int n, double eps, double atol, double rtol,
                       rt_error *err);

/* --- modules ----------------------------------------------------------------- */

/* A row of layers.def. */
typedef struct rt_layer rt_layer;
int rt_layer_count(void);
const rt_layer *rt_layer_at(int index);
const rt_layer *rt_layer_find(const char *name);
const char *rt_layer_name(const rt_layer *l);
const char *rt_layer_doc(const rt_layer *l);
const rt_signature *rt_layer_signature(const rt_layer *l);

/* How a module computes: catalog layers have C functions; Python subclasses
 * and the language's `module` supply their own. All but `forward` may be NULL. */
typedef struct rt_module_class {
    const char *name;
    rt_status (*forward)(rt_module *m, const rt_value *args, int nargs,
                         rt_value *result, rt_error *err);
    /* What repr shows between the parentheses; freed by the caller. */
    char *(*describe)(rt_module *m);
    void (*destroy)(void *ctx);
} rt_module_class;

/* An empty module of a host's class; ctx is the host's. */
rt_status rt_module_new(rt_module **out, const rt_module_class *cls, void *ctx,
                        rt_error *err);
/* A catalog layer, arguments bound as for an op. Parameters are initialised
 * from the default generator, as PyTorch does. */
rt_status rt_layer_new(rt_module **out, const rt_layer *layer,
                       const rt_value *args, int npos, const rt_value *named,
                       const char *const *names, int nnamed, rt_error *err);
rt_module *rt_module_retain(rt_module *m);
void rt_module_release(rt_module *m);
rt_peer *rt_module_peer(rt_module *m);
void *rt_module_context(rt_module *m);
/* The table it was made with; NULL for catalog layers. Borrowed. */
const rt_module_class *rt_module_class_of(const rt_module *m);
const char *rt_module_name(const rt_module *m);          /* class name */
const rt_layer *rt_module_layer(const rt_module *m);     /* NULL: host's class */
/* A constructor argument of a catalog layer by parameter name. */
rt_status rt_module_option(rt_value *out, rt_module *m, const char *name,
                           rt_error *err);

rt_status rt_module_forward(rt_module *m, const rt_value *args, int nargs,
                            rt_value *result, rt_error *err);
bool rt_module_training(const rt_module *m);
void rt_module_train(rt_module *m, bool on);             /* whole tree */
void rt_module_set_training(rt_module *m, bool on);      /* this one only */

/* Own entries, in order of registration. Names are borrowed. */
rt_status rt_module_set_parameter(rt_module *m, const char *name, rt_tensor *t,
                                  rt_error *err);        /* t may be NULL */
rt_status rt_module_set_buffer(rt_module *m, const char *name, rt_tensor *t,
                               bool persistent, rt_error *err);
rt_status rt_module_set_child(rt_module *m, const char *name, rt_module *child,
                              rt_error *err);            /* refuses cycles */
void rt_module_remove(rt_module *m, const char *name);
typedef enum rt_slot { RT_SLOT_PARAMETER, RT_SLOT_BUFFER, RT_SLOT_CHILD } rt_slot;
int rt_module_slot_count(const rt_module *m, rt_slot slot);
const char *rt_module_slot_name(const rt_module *m, rt_slot slot, int i);
rt_tensor *rt_module_slot_tensor(const rt_module *m, rt_slot slot, int i);
rt_module *rt_module_slot_child(const rt_module *m, int i);
bool rt_module_slot_persistent(const rt_module *m, int i);  /* buffers */

/* Walks the tree depth first; `prefix` is "fc1.weight". Parameters shared by
 * two modules come once unless `duplicates`. The visitor returns false to stop.
 * False when memory ran out: names may have been cut, shared ones come twice. */
typedef bool (*rt_visit_tensor)(void *ctx, const char *name, rt_tensor *t);
typedef bool (*rt_visit_module)(void *ctx, const char *name, rt_module *m);
bool rt_module_each_parameter(rt_module *m, bool duplicates,
                              rt_visit_tensor visit, void *ctx);
bool rt_module_each_buffer(rt_module *m, rt_visit_tensor visit, void *ctx);
bool rt_module_each_module(rt_module *m, rt_visit_module visit, void *ctx);
int64_t rt_module_parameter_count(rt_module *m, bool trainable_only);
void rt_module_zero_grad(rt_module *m, bool set_to_none);
rt_status rt_module_repr(char **out, rt_module *m, rt_error *err);

/* --- initialisation ------------------------------------------------------------ */

/* A row of init.def: nn.init's functions, which fill a tensor in place without
 * recording. The first argument is the tensor. */
typedef struct rt_init rt_init;
int rt_init_count(void);
const rt_init *rt_init_at(int index);
const rt_init *rt_init_find(const char *name);   /* "kaiming_uniform_" */
const char *rt_init_name(const rt_init *i);
const char *rt_init_doc(const rt_init *i);
const rt_signature *rt_init_signature(const rt_init *i);
rt_status rt_init_apply(const rt_init *i, const rt_value *args, int npos,
                        const rt_value *named, const char *const *names,
                        int nnamed, rt_error *err);
/* calculate_gain: "relu", "tanh", "leaky_relu" (with its slope), ... */
rt_status rt_init_gain(double *out, const char *nonlinearity, double param,
                       rt_error *err);

/* --- optimizers and schedulers ------------------------------------------------ */

typedef struct rt_optimizer rt_optimizer;
typedef struct rt_scheduler rt_scheduler;
typedef struct rt_optim_kind rt_optim_kind;      /* a row of optim.def */
int rt_optim_count(void);
const rt_optim_kind *rt_optim_at(int index);
const rt_optim_kind *rt_optim_find(const char *name);
const char *rt_optim_name(const rt_optim_kind *k);
const char *rt_optim_doc(const rt_optim_kind *k);
const rt_signature *rt_optim_signature(const rt_optim_kind *k); /* params first */

/* params: the first group; options bound by name to the row's signature. */
rt_status rt_optimizer_new(rt_optimizer **out, const rt_optim_kind *kind,
                           const rt_value *args, int npos,
                           const rt_value *named, const char *const *names,
                           int nnamed, rt_error *err);
rt_status rt_optimizer_add_group(rt_optimizer *o, rt_tensor *const *params,
                                 int n, const rt_value *named,
                                 const char *const *names, int nnamed,
                                 rt_error *err);
rt_optimizer *rt_optimizer_retain(rt_optimizer *o);
void rt_optimizer_release(rt_optimizer *o);
rt_peer *rt_optimizer_peer(rt_optimizer *o);
const rt_optim_kind *rt_optimizer_kind(const rt_optimizer *o);
rt_status rt_optimizer_step(rt_optimizer *o, rt_error *err);
void rt_optimizer_zero_grad(rt_optimizer *o, bool set_to_none);
/* Another number whenever an option has been set or a group added. */
uint64_t rt_optimizer_revision(const rt_optimizer *o);
int rt_optimizer_group_count(const rt_optimizer *o);
int rt_optimizer_param_count(const rt_optimizer *o, int group);
rt_tensor *rt_optimizer_param(const rt_optimizer *o, int group, int i);
rt_status rt_optimizer_get(rt_value *out, const rt_optimizer *o, int group,
                           const char *option, rt_error *err);
rt_status rt_optimizer_set(rt_optimizer *o, int group, const char *option,
                           rt_value value, rt_error *err);
/* State of one parameter by name ("momentum_buffer", "exp_avg", "step"):
 * borrowed or NULL; the set function is for loading a state dict. */
int rt_optimizer_state_count(const rt_optimizer *o);
const char *rt_optimizer_state_name(const rt_optimizer *o, int i);
rt_tensor *rt_optimizer_state(const rt_optimizer *o, int group, int param,
                              int state);
rt_status rt_optimizer_set_state(rt_optimizer *o, int group, int param,
                                 int state, rt_tensor *value, rt_error *err);
rt_status rt_optimizer_repr(char **out, rt_optimizer *o, rt_error *err);

typedef struct rt_schedule_kind rt_schedule_kind;  /* a row of schedule.def */
int rt_schedule_count(void);
const rt_schedule_kind *rt_schedule_at(int index);
const rt_schedule_kind *rt_schedule_find(const char *name);
const char *rt_schedule_name(const rt_schedule_kind *k);
const char *rt_schedule_doc(const rt_schedule_kind *k);
const rt_signature *rt_schedule_signature(const rt_schedule_kind *k);
/* args exclude the optimizer. */
rt_status rt_scheduler_new(rt_scheduler **out, const rt_schedule_kind *kind,
                           rt_optimizer *o, const rt_value *args, int npos,
                           const rt_value *named, const char *const *names,
                           int nnamed, rt_error *err);
rt_scheduler *rt_scheduler_retain(rt_scheduler *s);
void rt_scheduler_release(rt_scheduler *s);
rt_peer *rt_scheduler_peer(rt_scheduler *s);
rt_status rt_scheduler_step(rt_scheduler *s, rt_error *err);
/* The same with a measured value, for those that follow one
 * (ReduceLROnPlateau). */
rt_status rt_scheduler_step_metric(rt_scheduler *s, double metric,
                                   rt_error *err);
int64_t rt_scheduler_epoch(const rt_scheduler *s);       /* last_epoch */
void rt_scheduler_set_epoch(rt_scheduler *s, int64_t epoch);
double rt_scheduler_last_lr(const rt_scheduler *s, int group);
/* Sets the rates it began with and takes its first step again, as when another
 * schedule gives way to it. */
void rt_scheduler_restart(rt_scheduler *s);
/* The rate a group began with. */
double rt_scheduler_base_lr(const rt_scheduler *s, int group);
void rt_scheduler_set_base_lr(rt_scheduler *s, int group, double lr);
/* What ReduceLROnPlateau remembers, to go on elsewhere; others never use it. */
typedef struct rt_plateau {
    double best;
    int64_t num_bad_epochs, cooldown_counter;
} rt_plateau;
rt_plateau rt_scheduler_plateau(const rt_scheduler *s);
void rt_scheduler_set_plateau(rt_scheduler *s, rt_plateau p);

/* --- data ------------------------------------------------------------------------ */

typedef struct rt_dataset rt_dataset;
typedef struct rt_loader rt_loader;

/* How a host data set answers: `get` fills up to RT_MAX_RESULTS tensors (new
 * references) for one sample and sets *n. Runs on the calling thread unless
 * thread_safe. */
typedef struct rt_dataset_class {
    const char *name;
    int64_t (*length)(void *ctx);
    rt_status (*get)(void *ctx, int64_t index, rt_tensor **fields, int *n,
                     rt_error *err);
    void (*destroy)(void *ctx);
    bool thread_safe;
} rt_dataset_class;
rt_status rt_dataset_new(rt_dataset **out, const rt_dataset_class *cls,
                         void *ctx, rt_error *err);
/* Rows of n tensors with the same first dimension. */
rt_status rt_tensor_dataset(rt_dataset **out, rt_tensor *const *tensors, int n,
                            rt_error *err);
rt_status rt_subset(rt_dataset **out, rt_dataset *d, const int64_t *indices,
                    int64_t n, rt_error *err);
/* random_split: lengths sum to the data set's; draws a randperm from g (NULL:
 * the default generator). */
rt_status rt_random_split(rt_dataset **out, rt_dataset *d,
                          const int64_t *lengths, int n, rt_generator *g,
                          rt_error *err);
rt_dataset *rt_dataset_retain(rt_dataset *d);
void rt_dataset_release(rt_dataset *d);
rt_peer *rt_dataset_peer(rt_dataset *d);
int64_t rt_dataset_length(rt_dataset *d);
rt_status rt_dataset_get(rt_dataset *d, int64_t index, rt_tensor **fields,
                         int *n, rt_error *err);

typedef struct rt_loader_options {
    int64_t batch_size;     /* default 1 */
    bool shuffle, drop_last;
    int num_workers;        /* threads that prefetch; 0: none */
    rt_generator *generator;  /* NULL: default */
} rt_loader_options;
#define RT_LOADER_OPTIONS_INIT {1, false, false, 0, NULL}
rt_status rt_loader_new(rt_loader **out, rt_dataset *d,
                        const rt_loader_options *options, rt_error *err);
rt_loader *rt_loader_retain(rt_loader *l);
void rt_loader_release(rt_loader *l);
rt_peer *rt_loader_peer(rt_loader *l);
int64_t rt_loader_length(rt_loader *l);       /* batches */
int64_t rt_loader_batch_size(const rt_loader *l);
rt_dataset *rt_loader_dataset(rt_loader *l);  /* borrowed */
/* One epoch. rt_loader_next sets *n to 0 at the end. */
typedef struct rt_loader_iter rt_loader_iter;
rt_status rt_loader_begin(rt_loader_iter **out, rt_loader *l, rt_error *err);
rt_status rt_loader_next(rt_loader_iter *it, rt_tensor **fields, int *n,
                         rt_error *err);
void rt_loader_end(rt_loader_iter *it);

/* --- files ------------------------------------------------------------------------ */

/* .rustorch files: the safetensors format; `architecture` in its metadata
 * describes a tree of catalog layers. Written whole: temporary file, fsync,
 * rename. Loading checks every offset and size first (RT_E_FORMAT). */
rt_status rt_module_save(rt_module *m, const char *path, rt_error *err);
rt_status rt_module_load(rt_module **out, const char *path, rt_error *err);
typedef struct rt_named_tensor {
    char *name;
    rt_tensor *tensor;
} rt_named_tensor;
typedef struct rt_tensor_file {
    rt_named_tensor *items;
    int64_t count;
    char **metadata;        /* key, value, key, value, ... */
    int64_t nmetadata;      /* pairs */
} rt_tensor_file;
/* Writes a file so that at any moment either the old or the new one is there,
 * whole: beside it, to the disk, then renamed. rt_tensors_save does the same. */
rt_status rt_file_replace(const char *path, const void *data, size_t size,
                          rt_error *err);
rt_status rt_tensors_save(const char *path, const rt_named_tensor *items,
                          int64_t count, const char *const *metadata,
                          int64_t nmetadata, rt_error *err);
rt_status rt_tensors_load(rt_tensor_file *out, const char *path, rt_error *err);
void rt_tensor_file_dispose(rt_tensor_file *f);
/* Copies by name into m's parameters and buffers; with strict, missing and
 * unexpected names are an error that lists them. */
rt_status rt_module_load_tensors(rt_module *m, const rt_named_tensor *items,
                                 int64_t count, bool strict, rt_error *err);

/* --- training loop ------------------------------------------------------------------ */

typedef struct rt_history {
    int epochs;                 /* completed */
    int nseries;
    char **names;               /* "loss", "accuracy", "val_loss", ... */
    double **series;            /* [nseries][epochs] */
    double seconds;
} rt_history;
void rt_history_dispose(rt_history *h);

typedef struct rt_fit_progress {
    int epoch, epochs;                 /* epoch counts from 0 */
    int64_t batch, batches;
    double loss;                       /* mean of this epoch so far */
    const rt_history *history;         /* epochs completed before this one */
    bool epoch_end;
} rt_fit_progress;

typedef struct rt_fit_options {
    int epochs;
    int64_t batch_size;
    bool shuffle;
    const char *loss;                  /* "cross_entropy", "mse", ... */
    bool accuracy;                     /* also measure accuracy */
    rt_dataset *validation;            /* or NULL */
    rt_optimizer *optimizer;
    rt_scheduler *scheduler;           /* or NULL; stepped per epoch */
    /* Called after each batch; a failure stops the run. */
    rt_status (*progress)(void *ctx, const rt_fit_progress *p, rt_error *err);
    void *ctx;
} rt_fit_options;
#define RT_FIT_OPTIONS_INIT                                                    \
    {1, 32, true, "cross_entropy", false, NULL, NULL, NULL, NULL, NULL}
/* On RT_E_INTERRUPT *out still holds the epochs completed. */
rt_status rt_fit(rt_history *out, rt_module *m, rt_dataset *train,
                 const rt_fit_options *options, rt_error *err);
typedef struct rt_evaluation { double loss, accuracy; int64_t count; } rt_evaluation;
rt_status rt_evaluate(rt_evaluation *out, rt_module *m, rt_dataset *data,
                      const char *loss, int64_t batch_size, rt_error *err);

/* --- pictures and tables --------------------------------------------------------------- */

typedef struct rt_series {
    const char *label;                 /* NULL: none */
    const double *x;                   /* NULL: 0, 1, 2, ... */
    const double *y;
    int64_t n;
} rt_series;
typedef enum rt_chart_kind { RT_CHART_LINE, RT_CHART_SCATTER, RT_CHART_BAR } rt_chart_kind;
typedef struct rt_chart_options {
    rt_chart_kind kind;
    const char *title, *xlabel, *ylabel;   /* NULL: none */
    int width, height;                     /* CSS pixels */
} rt_chart_options;
#define RT_CHART_OPTIONS_INIT {RT_CHART_LINE, NULL, NULL, NULL, 480, 300}
/* A self-contained <svg> of at most 8 KiB for curves of any length. */
rt_status rt_chart_svg(char **out, const rt_series *series, int n,
                       const rt_chart_options *options, rt_error *err);
/* <img src="data:image/svg+xml;base64,..."> : survives untrusted notebooks. */
rt_status rt_svg_to_img(char **out, const char *svg, const char *alt,
                        rt_error *err);
/* The same curves for a terminal: a few lines of text. */
rt_status rt_chart_text(char **out, const rt_series *series, int n,
                        const rt_chart_options *options, rt_error *err);
/* Counts of finite values in `bins` equal bins; edges has bins + 1 entries. */
rt_status rt_histogram(int64_t *counts, double *edges, int bins,
                       const rt_tensor *t, rt_error *err);
/* [H, W], [H, W, 1|3|4] or [1|3, H, W]; floats in 0..1, uint8 in 0..255;
 * 2-d values of another range are scaled (viridis). `scale` enlarges (fewer
 * than 1: to about 192 pixels), to at most 16384 pixels a side. */
rt_status rt_image_png(unsigned char **out, size_t *size, const rt_tensor *t,
                       int scale, rt_error *err);
rt_status rt_tensor_html(char **out, const rt_tensor *t, rt_error *err);
/* Layer table: name, output shape (when input_shape is given), parameters. */
rt_status rt_module_summary(char **out, rt_module *m,
                            const int64_t *input_shape, int input_ndim,
                            rt_error *err);
rt_status rt_module_html(char **out, rt_module *m, rt_error *err);
/* The autograd graph behind t, as SVG; at most 200 nodes. */
rt_status rt_graph_svg(char **out, rt_tensor *t, rt_error *err);
/* "  42%|####      | 42/100 [00:03<00:04, 12.1 it/s]  note" and its HTML. */
rt_status rt_progress_text(char **out, int64_t done, int64_t total,
                           double seconds, const char *note, rt_error *err);
rt_status rt_progress_html(char **out, int64_t done, int64_t total,
                           double seconds, const char *note, rt_error *err);

#ifdef __cplusplus
}
#endif
#endif
