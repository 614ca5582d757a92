/* SPDX-License-Identifier: MIT
 * Binding positional and named arguments; choosing overloads; messages.
 */
#include "runtime/ops/op.h"
#include "tests/unit/unit.h"

static rt_error err;
static rt_frame frame;

static const rt_signature *sig_of(const char *name)
{
    return rt_op_signature(rt_op_find(name));
}

static rt_tensor *scalar(void)
{
    rt_tensor *t = NULL;
    rt_tensor_scalar(&t, RT_FLOAT32, 2.5, NULL);
    return t;
}

CASE(positions_and_names_meet_in_schema_order)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x), RT_V_INT(1)}, named[] = {RT_V_BOOL(true)};
    const char *names[] = {"keepdim"};
    CHECK_OK(rt_bind(&frame, sig_of("sum"), args, 2, named, names, 1, &err), err);
    CHECK(frame.value[0].t == x);
    CHECK_INT(frame.value[1].kind, RT_K_INTS);
    CHECK_INT(frame.value[1].count, 1);
    CHECK_INT(frame.value[1].ints[0], 1);
    CHECK(frame.value[2].b);
    CHECK_INT(frame.value[3].kind, RT_K_UNSET);
    rt_release(x);
}

CASE(names_of_numpy_are_understood)
{
    rt_tensor *x = scalar();
    rt_value named[] = {RT_V_TENSOR(x), RT_V_INT(0), RT_V_BOOL(true)};
    const char *names[] = {"input", "axis", "keepdims"};
    CHECK_OK(rt_bind(&frame, sig_of("sum"), NULL, 0, named, names, 3, &err), err);
    CHECK(frame.value[0].t == x);
    CHECK_INT(frame.value[1].ints[0], 0);
    CHECK(frame.value[2].b);
    rt_release(x);
}

CASE(a_trailing_int_leaves_earlier_lists_alone)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x), RT_V_INT(5), RT_V_INT(7)};
    CHECK_OK(rt_bind(&frame, sig_of("roll"), args, 3, NULL, NULL, 0, &err), err);
    CHECK_INT(frame.value[1].ints[0], 5);
    CHECK_INT(frame.value[2].ints[0], 7);
    rt_release(x);
}

CASE(trailing_ints_become_a_shape)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x), RT_V_INT(2), RT_V_INT(3), RT_V_INT(4)};
    CHECK_OK(rt_bind(&frame, sig_of("view"), args, 4, NULL, NULL, 0, &err), err);
    CHECK_INT(frame.value[1].count, 3);
    CHECK_INT(frame.value[1].ints[2], 4);
    CHECK_FAILS(rt_bind(&frame, sig_of("sum"), args, 4, NULL, NULL, 0, &err),
                err, RT_E_TYPE);
    rt_release(x);
}

CASE(ints_widen_to_floats_but_floats_do_not_narrow)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x), RT_V_INT(2)};
    CHECK_OK(rt_bind(&frame, sig_of("leaky_relu"), args, 2, NULL, NULL, 0, &err), err);
    CHECK(frame.value[1].kind == RT_K_FLOAT && frame.value[1].f == 2);
    args[1] = RT_V_FLOAT(1.5);
    CHECK_FAILS(rt_bind(&frame, sig_of("cumsum"), args, 2, NULL, NULL, 0, &err),
                err, RT_E_TYPE);
    CHECK_HAS(err.message, "cumsum: argument 'dim' must be int, not float");
    CHECK_HAS(err.help, "cumsum(Tensor self, int dim");
    rt_release(x);
}

CASE(text_is_taken_for_dtypes_and_a_tensor_for_a_number)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x)}, named[] = {RT_V_STRING("float64")};
    const char *names[] = {"dtype"};
    CHECK_OK(rt_bind(&frame, sig_of("sum"), args, 1, named, names, 1, &err), err);
    CHECK_INT(frame.value[3].dtype, RT_FLOAT64);
    rt_value alpha[] = {RT_V_TENSOR(x), RT_V_TENSOR(x)};
    CHECK_OK(rt_bind(&frame, sig_of("leaky_relu"), alpha, 2, NULL, NULL, 0, &err), err);
    CHECK(frame.value[1].f == 2.5);
    named[0] = RT_V_STRING("float46");
    CHECK_FAILS(rt_bind(&frame, sig_of("sum"), args, 1, named, names, 1, &err),
                err, RT_E_ARGUMENT);
    CHECK_HAS(err.message, "float46");
    rt_release(x);
}

CASE(errors_name_the_argument_and_suggest_names)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x)}, named[] = {RT_V_BOOL(true), RT_V_TENSOR(x)};
    const char *close[] = {"keepdmi"}, *twice[] = {"keepdim", "self"};
    CHECK_FAILS(rt_bind(&frame, sig_of("sum"), args, 1, named, close, 1, &err),
                err, RT_E_TYPE);
    CHECK_HAS(err.message, "unexpected argument 'keepdmi'");
    CHECK_HAS(err.help, "did you mean 'keepdim'?");
    CHECK_FAILS(rt_bind(&frame, sig_of("sum"), args, 1, named, twice, 2, &err),
                err, RT_E_TYPE);
    CHECK_HAS(err.message, "'self' twice");
    CHECK_FAILS(rt_bind(&frame, sig_of("mul"), args, 1, NULL, NULL, 0, &err),
                err, RT_E_TYPE);
    CHECK_HAS(err.message, "mul: is missing argument 'other' (Tensor, position 2)");
    CHECK_TEXT(err.op, "mul");
    rt_release(x);
}

CASE(when_no_overload_fits_all_forms_are_listed)
{
    rt_tensor *x = scalar();
    rt_value args[] = {RT_V_TENSOR(x), RT_V_STRING("a")}, r[RT_MAX_RESULTS];
    CHECK_FAILS(rt_call_named(rt_op_find("max"), args, 2, NULL, NULL, 0, r, &err),
                err, RT_E_TYPE);
    CHECK_TEXT(err.message, "max: does not take (Tensor, str)");
    CHECK_HAS(err.help, "max.other(Tensor self, Tensor other)");
    rt_release(x);
}

CASE(a_call_checks_kinds_and_the_interrupt_flag)
{
    rt_value r[RT_MAX_RESULTS], bad[] = {RT_V_STRING("x")};
    CHECK_FAILS(rt_call(rt_op_find("neg"), bad, 1, r, &err), err, RT_E_TYPE);
    CHECK_FAILS(rt_call(rt_op_find("neg"), NULL, 0, r, &err), err, RT_E_TYPE);
    CHECK_HAS(err.message, "'self'");
    rt_interrupt();
    CHECK_FAILS(rt_call(rt_op_find("neg"), bad, 1, r, &err), err, RT_E_INTERRUPT);
    rt_interrupt_clear();
}

UNIT_MAIN
