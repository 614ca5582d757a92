/* SPDX-License-Identifier: MIT
 * Signatures in PyTorch's notation, and the op catalog that is made of them.
 */
#include "runtime/ops/op.h"
#include "tests/unit/unit.h"

static rt_error err;

CASE(every_row_of_the_catalog_parses)
{
    CHECK(rt_op_count() > 200);
    for (int i = 0; i < rt_op_count(); i++) {
        const rt_op *op = rt_op_at(i);
        rt_signature sig;
        CHECK_OK(rt__schema_parse(&sig, op->schema, &err), err);
        CHECK_TEXT(sig.name, rt_op_name(op));
        CHECK(sig.nresults > 0);
        CHECK(rt_op_doc(op)[0]);
        rt__schema_dispose(&sig);
    }
    CHECK(rt_op_at(-1) == NULL && rt_op_at(rt_op_count()) == NULL);
}

CASE(parameters_carry_type_optionality_and_default)
{
    const rt_signature *s = rt_op_signature(rt_op_find("sum"));
    CHECK_INT(s->nparams, 4);
    CHECK_INT(s->npositional, 3);
    CHECK_TEXT(s->params[1].name, "dim");
    CHECK_INT(s->params[1].type, RT_T_INTS);
    CHECK(s->params[1].optional && s->params[1].has_default);
    CHECK_INT(s->params[1].value.kind, RT_K_NONE);
    CHECK_INT(s->params[2].value.kind, RT_K_BOOL);
    CHECK(s->params[3].keyword_only && !s->params[2].keyword_only);
    CHECK(!s->params[0].has_default);
}

CASE(defaults_may_be_lists_strings_and_small_floats)
{
    const rt_signature *s = rt_op_signature(rt_op_find("conv2d"));
    CHECK_INT(s->params[3].value.kind, RT_K_INTS);
    CHECK_INT(s->params[3].value.count, 1);
    CHECK_INT(s->params[3].value.ints[0], 1);
    s = rt_op_signature(rt_op_find("mse_loss"));
    CHECK_TEXT(s->params[2].value.s, "mean");
    CHECK_TEXT(s->params[2].default_text, "'mean'");
    s = rt_op_signature(rt_op_find("normalize"));
    CHECK(s->params[3].value.f == 1e-12);
    s = rt_op_signature(rt_op_find("isclose"));
    CHECK(s->params[2].value.f == 1e-5 && s->params[3].value.f == 1e-8);
    rt_signature own;
    CHECK_OK(rt__schema_parse(&own, "f(float[] betas=(0.9, 0.999), int[2] k=[3, -4], "
                              "Scalar a=-1, Scalar b=0.5, float c=2)", &err), err);
    CHECK(own.params[0].value.floats[1] == 0.999);
    CHECK_INT(own.params[1].value.ints[1], -4);
    CHECK_INT(own.params[2].value.kind, RT_K_INT);
    CHECK(own.params[3].value.f == 0.5);
    CHECK_INT(own.params[4].value.kind, RT_K_FLOAT);
    rt__schema_dispose(&own);
}

CASE(results_may_be_named_lists_or_plain_values)
{
    const rt_signature *s = rt_op_signature(rt_op_find("sort"));
    CHECK_INT(s->nresults, 2);
    CHECK_TEXT(s->result_names[0], "values");
    CHECK_TEXT(s->result_names[1], "indices");
    CHECK(rt_op_signature(rt_op_find("split"))->result_list);
    CHECK(rt_op_signature(rt_op_find("equal"))->result_scalar);
    s = rt_op_signature(rt_op_find("add_"));
    CHECK(s->params[0].written && !s->params[1].written);
    s = rt_op_signature(rt_op_find("view"));
    CHECK(s->params[0].alias && !s->params[0].written);
}

CASE(a_bad_schema_is_refused_with_the_column)
{
    rt_signature s;
    CHECK_FAILS(rt__schema_parse(&s, "f(Tenso x) -> Tensor", &err), err,
                RT_E_INTERNAL);
    CHECK_HAS(err.message, "unknown parameter type at column 8");
    CHECK_FAILS(rt__schema_parse(&s, "f(Tensor x", &err), err, RT_E_INTERNAL);
    CHECK_FAILS(rt__schema_parse(&s, "f(str s='abc)", &err), err, RT_E_INTERNAL);
    CHECK_FAILS(rt__schema_parse(&s, "f(int n=)", &err), err, RT_E_INTERNAL);
    CHECK_FAILS(rt__schema_parse(&s, "f(int[] n=-inf)", &err), err,
                RT_E_INTERNAL);
    CHECK_HAS(err.message, "a whole number was expected");
    CHECK_FAILS(rt__schema_parse(&s, "f(float x=1e9999999999)", &err), err,
                RT_E_INTERNAL);
    CHECK_FAILS(rt__schema_parse(&s, "(int n)", &err), err, RT_E_INTERNAL);
    CHECK_FAILS(rt__schema_parse(&s, "f(Tensor(a self", &err), err, RT_E_INTERNAL);
}

CASE(ops_are_found_by_name_and_overloads_follow)
{
    const rt_op *op = rt_op_find("max");
    CHECK_TEXT(rt_op_signature(op)->overload, "");
    op = rt_op_overload(op);
    CHECK_TEXT(rt_op_signature(op)->overload, "dim");
    op = rt_op_overload(op);
    CHECK_TEXT(rt_op_signature(op)->overload, "other");
    CHECK(rt_op_overload(op) == NULL);
    CHECK(rt_op_find("no_such_op") == NULL);
    for (int i = 0; i < rt_op_count(); i++) {
        const rt_op *found = rt_op_find(rt_op_name(rt_op_at(i)));
        CHECK_TEXT(rt_op_name(found), rt_op_name(rt_op_at(i)));
    }
}

CASE(catalog_columns_become_flags)
{
    CHECK(rt_op_find("add_")->inplace && !rt_op_find("add")->inplace);
    CHECK(rt_op_find("transpose")->view && !rt_op_find("add")->view);
    CHECK(rt_op_differentiable(rt_op_find("mul")));
    CHECK(!rt_op_differentiable(rt_op_find("eq")));
    CHECK(!rt_op_differentiable(rt_op_find("lerp")));
}

UNIT_MAIN
