/* SPDX-License-Identifier: MIT */
#include "tests/unit/modules.h"

static rt_module *empty(const char *name)
{
    static rt_module_class classes[4];
    static int used;
    rt_module *m = NULL;
    rt_module_class *cls = &classes[used++ % 4];
    *cls = (rt_module_class){.name = name};
    CHECK_OK(rt_module_new(&m, cls, NULL, &err), err);
    return m;
}

static rt_tensor *leaf(double v)
{
    rt_tensor *t = tensor(RT_FLOAT32, SHAPE(2), VALUES(v));
    CHECK_OK(rt_set_requires_grad(t, true, &err), err);
    return t;
}

CASE(a_module_keeps_its_slots_in_order)
{
    rt_module *m = empty("Net");
    rt_tensor *a = leaf(1), *b = leaf(2);
    CHECK_OK(rt_module_set_parameter(m, "b", b, &err), err);
    CHECK_OK(rt_module_set_parameter(m, "a", a, &err), err);
    CHECK_OK(rt_module_set_parameter(m, "none", NULL, &err), err);
    CHECK_OK(rt_module_set_buffer(m, "mean", a, false, &err), err);
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_PARAMETER), 3);
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 0), "b");
    CHECK_TEXT(rt_module_slot_name(m, RT_SLOT_PARAMETER, 1), "a");
    CHECK(rt_module_slot_tensor(m, RT_SLOT_PARAMETER, 1) == a);
    CHECK(rt_module_slot_tensor(m, RT_SLOT_PARAMETER, 2) == NULL);
    CHECK(!rt_module_slot_persistent(m, 0));
    CHECK_INT(rt_module_parameter_count(m, false), 4);
    rt_module_release(m);
    CHECK_INT(rt_refcount(a), 1);
    rt_release(a);
    rt_release(b);
}

CASE(a_name_lives_in_one_table_only)
{
    rt_module *m = empty("Net"), *child = empty("Part");
    rt_tensor *a = leaf(1);
    CHECK_OK(rt_module_set_parameter(m, "x", a, &err), err);
    CHECK_OK(rt_module_set_child(m, "x", child, &err), err);
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_PARAMETER), 0);
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_CHILD), 1);
    CHECK_INT(rt_refcount(a), 1);
    rt_module_remove(m, "x");
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_CHILD), 0);
    rt_release(a);
    rt_module_release(child);
    rt_module_release(m);
}

CASE(a_name_must_not_be_empty_or_dotted)
{
    rt_module *m = empty("Net");
    CHECK_FAILS(rt_module_set_parameter(m, "", NULL, &err), err, RT_E_ARGUMENT);
    CHECK_FAILS(rt_module_set_child(m, "a.b", NULL, &err), err, RT_E_ARGUMENT);
    rt_module_release(m);
}

CASE(a_tree_with_a_cycle_is_refused)
{
    rt_module *a = empty("A"), *b = empty("B"), *c = empty("C");
    CHECK_OK(rt_module_set_child(a, "b", b, &err), err);
    CHECK_OK(rt_module_set_child(b, "c", c, &err), err);
    CHECK_FAILS(rt_module_set_child(c, "a", a, &err), err, RT_E_ARGUMENT);
    CHECK_HAS(err.message, "contain itself");
    CHECK_FAILS(rt_module_set_child(a, "a", a, &err), err, RT_E_ARGUMENT);
    CHECK_INT(rt_module_slot_count(c, RT_SLOT_CHILD), 0);
    rt_module_release(a);
    rt_module_release(b);
    rt_module_release(c);
}

static bool note(void *ctx, const char *name, rt_tensor *t)
{
    rt__text_format(ctx, "%s ", name);
    return strcmp(name, "stop") != 0;
}

static bool note_module(void *ctx, const char *name, rt_module *m)
{
    rt__text_format(ctx, "[%s]", name);
    return true;
}

CASE(a_walk_gives_dotted_names_and_shared_parameters_once)
{
    rt_module *m = empty("Net"), *part = empty("Part"), *other = empty("Other");
    rt_tensor *w = leaf(1), *v = leaf(2);
    rt__text once = {0}, all = {0}, modules = {0};
    CHECK_OK(rt_module_set_parameter(m, "w", w, &err), err);
    CHECK_OK(rt_module_set_parameter(part, "tied", w, &err), err);
    CHECK_OK(rt_module_set_parameter(part, "v", v, &err), err);
    CHECK_OK(rt_module_set_child(m, "part", part, &err), err);
    CHECK_OK(rt_module_set_child(other, "inner", part, &err), err);
    CHECK_OK(rt_module_set_child(m, "other", other, &err), err);
    rt_module_each_parameter(m, false, note, &once);
    CHECK_TEXT(once.data, "w part.v ");
    rt_module_each_parameter(m, true, note, &all);
    CHECK_TEXT(all.data, "w part.tied part.v other.inner.tied other.inner.v ");
    rt_module_each_module(m, note_module, &modules);
    CHECK_TEXT(modules.data, "[][part][other]");
    CHECK_INT(rt_module_parameter_count(m, false), 4);
    CHECK_OK(rt_set_requires_grad(v, false, &err), err);
    CHECK_INT(rt_module_parameter_count(m, true), 2);
    rt__text_dispose(&once);
    rt__text_dispose(&all);
    rt__text_dispose(&modules);
    rt_module_release(m);
    rt_module_release(part);
    rt_module_release(other);
    rt_release(w);
    rt_release(v);
}

CASE(a_walk_over_many_parameters_meets_each_once)
{
    rt_module *m = empty("Net");
    rt__text names = {0};
    for (int i = 0; i < 300; i++) {
        char name[16];
        rt_tensor *t = leaf(i);
        snprintf(name, sizeof name, "p%d", i);
        CHECK_OK(rt_module_set_parameter(m, name, t, &err), err);
        rt_release(t);
    }
    CHECK_INT(rt_module_parameter_count(m, false), 600);
    rt_module_release(m);
    rt__text_dispose(&names);
}

CASE(training_mode_reaches_the_whole_tree)
{
    rt_module *m = chain(2, BARE("ReLU"), chain(1, LAYER_OF("Dropout",
                                                            RT_V_FLOAT(0.5))));
    rt_module *inner = rt_module_slot_child(m, 1);
    CHECK(rt_module_training(m));
    rt_module_train(m, false);
    CHECK(!rt_module_training(rt_module_slot_child(inner, 0)));
    rt_module_set_training(m, true);
    CHECK(rt_module_training(m));
    CHECK(!rt_module_training(inner));
    rt_module_release(m);
}

CASE(zero_grad_clears_or_zeroes)
{
    rt_module *m = empty("Net");
    rt_tensor *w = leaf(1), *g = tensor(RT_FLOAT32, SHAPE(2), VALUES(3));
    CHECK_OK(rt_module_set_parameter(m, "w", w, &err), err);
    CHECK_OK(rt_set_grad(w, g, &err), err);
    rt_module_zero_grad(m, false);
    CHECK_TENSOR(rt_grad(w), RT_FLOAT32, SHAPE(2), VALUES(0, 0));
    rt_module_zero_grad(m, true);
    CHECK(rt_grad(w) == NULL);
    rt_release(w);
    rt_release(g);
    rt_module_release(m);
}

CASE(a_module_without_forward_says_so)
{
    rt_module *m = empty("Net");
    rt_value out;
    CHECK_FAILS(rt_module_forward(m, NULL, 0, &out, &err), err,
                RT_E_UNSUPPORTED);
    CHECK_HAS(err.help, "define forward");
    rt_module_release(m);
}

static int destroyed;

static void destroy(void *ctx)
{
    destroyed += *(int *)ctx;
}

static char *describe(rt_module *m)
{
    return rt_strdup("a=1\nb=2");
}

CASE(a_hosts_module_is_described_and_destroyed_by_its_class)
{
    static const rt_module_class cls = {"Mine", NULL, describe, destroy};
    int seven = 7;
    rt_module *m = NULL;
    CHECK_OK(rt_module_new(&m, &cls, &seven, &err), err);
    CHECK_REPR(m, "Mine(\n  a=1\n  b=2\n)");
    CHECK(rt_module_context(m) == &seven);
    rt_module_release(rt_module_retain(m));
    CHECK_INT(destroyed, 0);
    rt_module_release(m);
    CHECK_INT(destroyed, 7);
}

CASE(repr_nests_as_pytorchs)
{
    rt_module *m = chain(3, BARE("ReLU"), chain(2, BARE("Tanh"), chain(0)),
                         BARE("Flatten"));
    CHECK_REPR(m, "Sequential(\n"
                  "  (0): ReLU()\n"
                  "  (1): Sequential(\n"
                  "    (0): Tanh()\n"
                  "    (1): Sequential()\n"
                  "  )\n"
                  "  (2): Flatten(start_dim=1, end_dim=-1)\n"
                  ")");
    rt_module_release(m);
}

CASE(repr_of_a_list_counts_equal_members)
{
    rt_module *parts[4] = {chain(1, BARE("ReLU")), chain(1, BARE("ReLU")),
                           BARE("Tanh"), BARE("Tanh")};
    rt_module *m = LAYER_OF("ModuleList", RT_V_MODULES(parts, 4));
    CHECK_REPR(m, "ModuleList(\n"
                  "  (0-1): 2 x Sequential(\n"
                  "    (0): ReLU()\n"
                  "  )\n"
                  "  (2-3): 2 x Tanh()\n"
                  ")");
    rt_module *none = BARE("ModuleList");
    CHECK_REPR(none, "ModuleList()");
    rt_module_release(none);
    rt_module_release(m);
    for (int i = 0; i < 4; i++) {
        rt_module_release(parts[i]);
    }
}

CASE(sequential_takes_modules_one_by_one_or_as_a_list)
{
    rt_module *a = BARE("ReLU"), *b = BARE("Tanh");
    rt_module *m = LAYER_OF("Sequential", RT_V_MODULE(a), RT_V_MODULE(b));
    CHECK_INT(rt_module_slot_count(m, RT_SLOT_CHILD), 2);
    CHECK(rt_module_slot_child(m, 1) == b);
    rt_value wrong = I(3);
    rt_module *bad = NULL;
    CHECK_FAILS(rt_layer_new(&bad, rt_layer_find("Sequential"), &wrong, 1, NULL,
                             NULL, 0, &err), err, RT_E_TYPE);
    rt_module_release(m);
    rt_module_release(a);
    rt_module_release(b);
}

CASE(memory_running_out_at_any_point_leaves_nothing_behind)
{
    rt_memory_stats before, after;
    rt_module_release(chain(2, BARE("ReLU"), BARE("Tanh")));
    rt_memory_read_stats(&before);
    for (int i = 1; i < 40; i++) {
        rt_module *m = NULL;
        rt_memory_fail_after(i);
        rt_status st = rt_layer_new(&m, rt_layer_find("Dropout"), NULL, 0, NULL,
                                    NULL, 0, &err);
        if (!st) {
            char *text = NULL;
            st = rt_module_repr(&text, m, &err);
            rt_free(text);
        }
        rt_memory_fail_after(0);
        CHECK(st == RT_OK || st == RT_E_MEMORY);
        rt_module_release(m);
        rt_error_clear(&err);
    }
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
}

UNIT_MAIN
