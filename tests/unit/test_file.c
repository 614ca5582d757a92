/* SPDX-License-Identifier: MIT */
#include "runtime/nn/json.h"
#include "tests/unit/modules.h"

#include <sys/stat.h>
#include <unistd.h>

/* A path in a folder of this process's own, removed at the end of a case. */
static const char *path_of(const char *name)
{
    static char folder[64], path[128];
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/rustorch-test-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

__attribute__((destructor)) static void clean(void)
{
    static const char *const names[] = {"t", "u", "link", ""};
    for (int i = 0; i < 3; i++) {
        unlink(path_of(names[i]));
    }
    rmdir(path_of(""));
}

static void write_bytes(const void *bytes, size_t n)
{
    FILE *f = fopen(path_of("t"), "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) {
        fclose(f);
    }
}

static size_t read_bytes(char *to, size_t room)
{
    FILE *f = fopen(path_of("t"), "rb");
    size_t n = f ? fread(to, 1, room, f) : 0;
    if (f) {
        fclose(f);
    }
    return n;
}

/* A file of this description and n zero bytes. */
static void write_file(const char *header, size_t n)
{
    char bytes[4096] = {0};
    size_t size = strlen(header);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(size >> 8 * i);
    }
    memcpy(bytes + 8, header, size);
    write_bytes(bytes, 8 + size + n);
}

/* --- tensors ---------------------------------------------------------------------- */

CASE(tensors_come_back_as_they_were)
{
    static const rt_dtype types[] = {RT_BOOL, RT_UINT8, RT_INT32, RT_INT64,
                                     RT_FLOAT16, RT_BFLOAT16, RT_FLOAT32,
                                     RT_FLOAT64};
    rt_named_tensor items[10];
    char names[10][16];
    for (int i = 0; i < 8; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        items[i] = (rt_named_tensor){names[i], counting(types[i], SHAPE(3, 2))};
    }
    items[8] = (rt_named_tensor){"scalar", counting(RT_FLOAT32, NULL, 0)};
    items[9] = (rt_named_tensor){"empty", counting(RT_FLOAT32, SHAPE(0, 3))};
    const char *const metadata[] = {"k\"ey", "line\nä\\"};
    rt_tensor_file f;
    CHECK_OK(rt_tensors_save(path_of("t"), items, 10, metadata, 1, &err), err);
    rt_error_clear(&err);
    if (rt_tensors_load(&f, path_of("t"), &err)) {
        UNIT_FAIL("load: %s", err.message);
        return;
    }
    CHECK_INT(f.count, 10);
    for (int i = 0; i < 10; i++) {
        const rt_tensor *a = items[i].tensor, *b = f.items[i].tensor;
        CHECK_TEXT(f.items[i].name, items[i].name);
        CHECK_INT(a->dtype, b->dtype);
        CHECK(rt__same_shape(a, b));
        CHECK(memcmp(a->data, b->data, (size_t)a->numel
                     * rt_dtype_size(a->dtype)) == 0);
        rt_release(items[i].tensor);
    }
    CHECK_INT(f.nmetadata, 1);
    CHECK_TEXT(f.metadata[0], metadata[0]);
    CHECK_TEXT(f.metadata[1], metadata[1]);
    rt_tensor_file_dispose(&f);
}

CASE(the_bytes_are_those_of_the_safetensors_format)
{
    static const char header[] =
        "{\"__metadata__\":{\"a\":\"b\"},\"i\":{\"dtype\":\"U8\",\"shape\":[3],"
        "\"data_offsets\":[16,19]},\"x\":{\"dtype\":\"F64\",\"shape\":[2,1],"
        "\"data_offsets\":[0,16]}}";
    rt_named_tensor items[2] = {{"i", counting(RT_UINT8, SHAPE(3))},
                                {"x", counting(RT_FLOAT64, SHAPE(2, 1))}};
    const char *const metadata[] = {"a", "b"};
    char bytes[1024];
    CHECK_OK(rt_tensors_save(path_of("t"), items, 2, metadata, 1, &err), err);
    size_t n = read_bytes(bytes, sizeof bytes);
    size_t length = (unsigned char)bytes[0];
    CHECK_INT(length % 8, 0);
    CHECK_INT(n, 8 + length + 19);
    CHECK(memcmp(bytes + 8, header, strlen(header)) == 0);
    CHECK_INT(bytes[8 + strlen(header)], length > strlen(header) ? ' ' : 0);
    CHECK_INT(bytes[n - 1], 2);
    rt_release(items[0].tensor);
    rt_release(items[1].tensor);
}

CASE(a_strided_tensor_is_written_in_order)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(2, 3));
    rt_tensor *turned = CALL(transpose, 3, T(t), I(0), I(1));
    rt_named_tensor item = {"t", turned};
    rt_tensor_file f = {0};
    CHECK_OK(rt_tensors_save(path_of("t"), &item, 1, NULL, 0, &err), err);
    CHECK_OK(rt_tensors_load(&f, path_of("t"), &err), err);
    if (f.count) {
        CHECK_TENSOR(f.items[0].tensor, RT_FLOAT32, SHAPE(3, 2),
                     VALUES(0, 3, 1, 4, 2, 5));
    }
    rt_tensor_file_dispose(&f);
    rt_release(turned);
    rt_release(t);
}

CASE(names_must_differ)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(1));
    rt_named_tensor twice[2] = {{"a", t}, {"a", t}};
    rt_named_tensor reserved = {"__metadata__", t};
    CHECK_FAILS(rt_tensors_save(path_of("u"), twice, 2, NULL, 0, &err), err,
                RT_E_ARGUMENT);
    CHECK_FAILS(rt_tensors_save(path_of("u"), &reserved, 1, NULL, 0, &err), err,
                RT_E_ARGUMENT);
    CHECK(access(path_of("u"), F_OK) != 0);
    rt_release(t);
}

#define ENTRY(dtype, shape, offsets)                                           \
    "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets \
    "]}"

CASE(damaged_descriptions_are_refused)
{
    static const struct { const char *header; int bytes; const char *why; }
    rows[] = {
        {"{\"a\":" ENTRY("F32", "2", "0,8") "}", 4, "8 bytes"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") "}", 9, "9"},
        {"{\"a\":" ENTRY("F32", "2", "4,12") "}", 12, "a gap"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") ",\"b\":" ENTRY("F32", "2", "4,12")
         "}", 12, "overlap"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") ",\"b\":" ENTRY("F32", "2", "0,8")
         "}", 8, "overlap"},
        {"{\"a\":" ENTRY("F32", "1", "0,4") ",\"b\":" ENTRY("F32", "1", "8,12")
         "}", 12, "a gap"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") ",\"a\":" ENTRY("F32", "2", "8,16")
         "}", 16, "twice"},
        {"{\"a\":" ENTRY("F32", "3", "0,8") "}", 8, "does not fit"},
        {"{\"a\":" ENTRY("F64", "2", "0,8") "}", 8, "does not fit"},
        {"{\"a\":" ENTRY("F32", "2", "8,0") "}", 8, "does not fit"},
        {"{\"a\":" ENTRY("F33", "2", "0,8") "}", 8, "element type"},
        {"{\"a\":" ENTRY("F32", "-2", "0,8") "}", 8, "whole number"},
        {"{\"a\":" ENTRY("F32", "2.0", "0,8") "}", 8, "whole number"},
        {"{\"a\":" ENTRY("F32", "02", "0,8") "}", 8, "leading zero"},
        {"{\"a\":" ENTRY("F32", "99999999999999999999", "0,8") "}", 8,
         "64 bits"},
        {"{\"a\":" ENTRY("F32", "4294967296,4294967296", "0,8") "}", 8,
         "does not fit"},
        {"{\"a\":" ENTRY("F64", "2305843009213693952", "0,0") "}", 0,
         "does not fit"},
        {"{\"a\":" ENTRY("F32", "2", "0") "}", 8, "not a pair"},
        {"{\"a\":" ENTRY("F32", "2", "0,8,9") "}", 8, "at byte"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "without dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8, "repeated key"},
        {"{\"a\":{\"colour\":1}}", 8, "unknown"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") ",}", 8, "string"},
        {"{\"a\":" ENTRY("F32", "2", "0,8") "} x", 8, "behind the end"},
        {"{\"a\":" ENTRY("F32", "2", "0,8"), 8, "',' was expected"},
        {"[]", 0, "'{' was expected"},
        {"{\"a\xff\":1}", 0, "UTF-8"},
        {"{\"a\xc0\x80\":1}", 0, "UTF-8"},
        {"{\"a\\u00\":1}", 0, "escape"},
        {"{\"a\\ud800\":1}", 0, "surrogate"},
        {"{\"a\\u0000\":1}", 0, "escape"},
        {"{\"a\nb\":1}", 0, "control character"},
        {"{\"a", 0, "without an end"},
        {"  ", 0, "'{' was expected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_tensor_file f = {0};
        write_file(rows[i].header, (size_t)rows[i].bytes);
        rt_error_clear(&err);
        rt_status st = rt_tensors_load(&f, path_of("t"), &err);
        if (st != RT_E_FORMAT) {
            UNIT_FAIL("%s: gave %d (%s)", rows[i].header, (int)st, err.message);
            if (!st) {
                rt_tensor_file_dispose(&f);
            }
        } else if (!strstr(err.message, rows[i].why)) {
            UNIT_FAIL("%s: %s", rows[i].header, err.message);
        }
    }
}

CASE(files_that_are_something_else_are_refused)
{
    rt_tensor_file f;
    static const char huge[] = "\xff\xff\xff\xff\xff\xff\xff\x7f{}";
    static const char large[] = "\x00\xe1\xf5\x05\x00\x00\x00\x00{}";
    CHECK_FAILS(rt_tensors_load(&f, path_of("nowhere"), &err), err, RT_E_FILE);
    CHECK_HAS(err.message, "No such file");
    CHECK_FAILS(rt_tensors_load(&f, path_of(""), &err), err, RT_E_FILE);
    write_bytes("short", 5);
    CHECK_FAILS(rt_tensors_load(&f, path_of("t"), &err), err, RT_E_FORMAT);
    write_bytes(huge, sizeof huge - 1);
    CHECK_FAILS(rt_tensors_load(&f, path_of("t"), &err), err, RT_E_FORMAT);
    write_bytes(large, sizeof large - 1);
    CHECK_FAILS(rt_tensors_load(&f, path_of("t"), &err), err, RT_E_FORMAT);
    CHECK_HAS(err.help, "safetensors");
}

CASE(deep_nesting_ends_in_an_error)
{
    char text[1000];
    rt__json j;
    memset(text, '[', sizeof text);
    rt_error_clear(&err);
    rt__json_init(&j, "x", text, sizeof text, &err);
    while (rt__json_open(&j, '[') && rt__json_item(&j)) {
    }
    CHECK_INT(j.status, RT_E_FORMAT);
    CHECK_HAS(err.message, "too deep");
}

/* Every byte of a good file changed, cut off at every length: an error or some
 * tensors, never a crash (run under the sanitizers too). */
CASE(a_file_damaged_anywhere_is_survived)
{
    rt_named_tensor items[2] = {{"first", counting(RT_FLOAT32, SHAPE(2))},
                                {"second", counting(RT_INT64, SHAPE(1, 2))}};
    static const char *const metadata[] = {"format", "rustorch"};
    char good[512], bad[512];
    CHECK_OK(rt_tensors_save(path_of("t"), items, 2, metadata, 1, &err), err);
    size_t n = read_bytes(good, sizeof good);
    for (size_t i = 0; i < n; i++) {
        for (int change = 0; change < 5; change++) {
            static const char with[] = {'\0', '"', '9', (char)0xff};
            rt_tensor_file f = {0};
            memcpy(bad, good, n);
            if (change < 4) {
                bad[i] = with[change];
            }
            write_bytes(bad, change < 4 ? n : i);
            rt_error_clear(&err);
            if (!rt_tensors_load(&f, path_of("t"), &err)) {
                CHECK(change < 4);
                rt_tensor_file_dispose(&f);
            }
        }
    }
    rt_release(items[0].tensor);
    rt_release(items[1].tensor);
}

CASE(a_failed_save_leaves_the_old_file)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(100));
    rt_named_tensor item = {"t", t};
    rt_tensor_file f = {0};
    char before[1024], after[1024];
    CHECK_OK(rt_tensors_save(path_of("t"), &item, 1, NULL, 0, &err), err);
    size_t n = read_bytes(before, sizeof before);
    put(t, 0, 7);
    rt_interrupt();
    CHECK_FAILS(rt_tensors_save(path_of("t"), &item, 1, NULL, 0, &err), err,
                RT_E_INTERRUPT);
    rt_interrupt_clear();
    CHECK_INT(read_bytes(after, sizeof after), n);
    CHECK(memcmp(before, after, n) == 0);
    CHECK_FAILS(rt_tensors_save("/nonexistent/folder/x", &item, 1, NULL, 0,
                                &err), err, RT_E_FILE);
    rt_tensor_file_dispose(&f);
    rt_release(t);
}

CASE(saving_through_a_symbolic_link_keeps_it)
{
    rt_tensor *t = counting(RT_FLOAT32, SHAPE(1));
    rt_named_tensor item = {"t", t};
    struct stat info;
    char target[128];
    snprintf(target, sizeof target, "%s", path_of("t"));
    CHECK_OK(rt_tensors_save(target, &item, 1, NULL, 0, &err), err);
    unlink(path_of("link"));
    CHECK(symlink(target, path_of("link")) == 0);
    CHECK_OK(rt_tensors_save(path_of("link"), &item, 1, NULL, 0, &err), err);
    CHECK(lstat(path_of("link"), &info) == 0 && S_ISLNK(info.st_mode));
    rt_release(t);
}

/* --- models ------------------------------------------------------------------------- */

static rt_module *model(void)
{
    const rt_value conv[] = {I(1), I(2), I(3), RT_V_STRING("same")};
    const char *const names[] = {"padding"};
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(2), VALUES(1, 2));
    rt_module *m = chain(6, layer_of("Conv2d", conv, 3, names, 1),
                         LAYER_OF("BatchNorm2d", I(2)), BARE("ReLU"),
                         chain(2, LAYER_OF("MaxPool2d", I(2)), BARE("Flatten")),
                         LAYER_OF("Linear", I(8), I(2)),
                         LAYER_OF("CrossEntropyLoss", T(w)));
    rt_release(w);
    return m;
}

static rt_module *saved_and_loaded(rt_module *m)
{
    rt_module *out = NULL;
    CHECK_OK(rt_module_save(m, path_of("t"), &err), err);
    CHECK_OK(rt_module_load(&out, path_of("t"), &err), err);
    return out;
}

static bool compare(void *ctx, const char *name, rt_tensor *t)
{
    rt_tensor ***next = ctx;
    rt_tensor *other = *(*next)++;
    CHECK(other && rt__same_shape(t, other)
          && memcmp(t->data, other->data,
                    (size_t)t->numel * rt_dtype_size(t->dtype)) == 0);
    return true;
}

static bool list(void *ctx, const char *name, rt_tensor *t)
{
    rt_tensor ***next = ctx;
    *(*next)++ = t;
    return true;
}

CASE(a_model_comes_back_whole)
{
    rt_module *m = model();
    char *a = NULL, *b = NULL;
    rt_tensor *all[32] = {NULL}, **p = all;
    put(rt__module_tensor(rt_module_slot_child(m, 1), "running_mean"), 1, 5);
    rt_module_train(m, false);
    rt_module *n = saved_and_loaded(m);
    if (n) {
        CHECK_OK(rt_module_repr(&a, m, &err), err);
        CHECK_OK(rt_module_repr(&b, n, &err), err);
        CHECK_TEXT(b, a);
        CHECK_HAS(b, "padding=same");
        rt_module_each_parameter(m, false, list, &p);
        rt_module_each_buffer(m, list, &p);
        p = all;
        rt_module_each_parameter(n, false, compare, &p);
        rt_module_each_buffer(n, compare, &p);
        CHECK_INT(p - all, 10);
        CHECK(!rt_module_training(rt_module_slot_child(n, 1)));
    }
    rt_free(a);
    rt_free(b);
    rt_module_release(m);
    rt_module_release(n);
}

CASE(loading_a_model_draws_no_random_numbers)
{
    rt_module *m = LAYER_OF("Linear", I(3), I(3));
    CHECK_OK(rt_module_save(m, path_of("t"), &err), err);
    rt_manual_seed(1);
    uint64_t want = rt_generator_random64(rt_default_generator());
    rt_manual_seed(1);
    rt_module *n = NULL;
    CHECK_OK(rt_module_load(&n, path_of("t"), &err), err);
    CHECK(rt_generator_random64(rt_default_generator()) == want);
    rt_module_release(m);
    rt_module_release(n);
}

CASE(shared_modules_and_tensors_stay_shared)
{
    rt_module *a = LAYER_OF("Linear", I(2), I(2)), *b = LAYER_OF("Linear", I(2),
                                                                  I(2));
    rt_tensor *w = rt__module_tensor(a, "weight");
    CHECK_OK(rt_module_set_parameter(b, "weight", w, &err), err);
    rt_module *m = chain(3, a, b, rt_module_retain(a));
    rt_module *n = saved_and_loaded(m);
    if (n) {
        CHECK(rt_module_slot_child(n, 0) == rt_module_slot_child(n, 2));
        CHECK(rt_module_slot_child(n, 0) != rt_module_slot_child(n, 1));
        CHECK(rt__module_tensor(rt_module_slot_child(n, 0), "weight")
              == rt__module_tensor(rt_module_slot_child(n, 1), "weight"));
        CHECK_INT(rt_module_parameter_count(n, false), 8);
    }
    rt_module_release(m);
    rt_module_release(n);
}

static rt_status load_text(const char *architecture)
{
    const char *const metadata[] = {"architecture", architecture};
    rt_module *m = NULL;
    CHECK_OK(rt_tensors_save(path_of("t"), NULL, 0, metadata, 1, &err), err);
    rt_error_clear(&err);
    rt_status st = rt_module_load(&m, path_of("t"), &err);
    rt_module_release(m);
    return st;
}

CASE(architectures_that_make_no_sense_are_refused)
{
    static const char *const rows[] = {
        "", "{}", "[]", "{\"tree\":{}}", "{\"tree\":3}",
        "{\"tree\":{\"layer\":\"Lineal\"}}",
        "{\"tree\":{\"layer\":\"ReLU\"},\"tree\":{\"layer\":\"ReLU\"}}",
        "{\"tree\":{\"same\":0}}",
        "{\"tree\":{\"layer\":\"ReLU\",\"layer\":\"ReLU\"}}",
        "{\"tree\":{\"options\":{},\"layer\":\"ReLU\"}}",
        "{\"tree\":{\"layer\":\"ReLU\",\"children\":[[\"0\"]]}}",
        "{\"tree\":{\"layer\":\"ReLU\",\"children\":[[\"0\",{\"layer\":\"ReLU\"}"
        ",1]]}}",
        "{\"tree\":{\"layer\":\"ReLU\"},\"tied\":[[\"a\",\"b\"]]}",
        "{\"tree\":{\"layer\":\"ReLU\"},\"tied\":[[\"a\"]]}",
        "{\"tree\":{\"layer\":\"ReLU\"},\"colour\":1}",
    };
    CHECK_INT(load_text("{\"tree\":{\"layer\":\"ReLU\"}}"), RT_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rt_status st = load_text(rows[i]);
        if (st != RT_E_FORMAT) {
            UNIT_FAIL("%s gave %d: %s", rows[i], (int)st, err.message);
        }
    }
    CHECK_INT(load_text("{\"tree\":{\"layer\":\"Sequential\",\"children\":"
                        "[[\"0\",{\"same\":0}]]}}"), RT_E_ARGUMENT);
    CHECK_INT(load_text("{\"tree\":{\"layer\":\"Linear\",\"options\":"
                        "{\"in_features\":\"x\"}}}"), RT_E_TYPE);
}

/* 2^40 modules in a few hundred bytes. */
CASE(an_architecture_cannot_explode)
{
    rt__text t = {0};
    rt__text_add(&t, "{\"tree\":{\"layer\":\"Sequential\",\"children\":[[\"a\","
                     "{\"layer\":\"ReLU\"}]");
    for (int i = 1; i < 40; i++) {
        rt__text_format(&t, ",[\"n%d\",{\"layer\":\"Sequential\",\"children\":"
                        "[[\"x\",{\"same\":%d}],[\"y\",{\"same\":%d}]]}]", i, i,
                        i);
    }
    rt__text_add(&t, "]}}");
    CHECK_INT(load_text(t.data), RT_E_FORMAT);
    CHECK_HAS(err.message, "too many repeated modules");
    rt__text_dispose(&t);
}

CASE(a_model_of_a_hosts_class_says_what_to_do)
{
    static const rt_module_class cls = {"SimpleNet", NULL, NULL, NULL};
    rt_module *m = NULL, *n = NULL;
    CHECK_OK(rt_module_new(&m, &cls, NULL, &err), err);
    rt_module *fc = LAYER_OF("Linear", I(2), I(1));
    CHECK_OK(rt_module_set_child(m, "fc", fc, &err), err);
    CHECK_OK(rt_module_save(m, path_of("t"), &err), err);
    CHECK_FAILS(rt_module_load(&n, path_of("t"), &err), err, RT_E_UNSUPPORTED);
    CHECK_HAS(err.message, "SimpleNet");
    CHECK_HAS(err.help, "load_state_dict");
    rt_module_release(fc);
    rt_module_release(m);
}

CASE(a_file_of_tensors_is_no_model)
{
    rt_module *m = NULL;
    CHECK_OK(rt_tensors_save(path_of("t"), NULL, 0, NULL, 0, &err), err);
    CHECK_FAILS(rt_module_load(&m, path_of("t"), &err), err, RT_E_FORMAT);
    CHECK_HAS(err.message, "no model");
}

/* --- state dicts ------------------------------------------------------------------------ */

CASE(strict_loading_lists_what_does_not_match)
{
    rt_module *m = chain(2, LAYER_OF("Linear", I(2), I(1)),
                         LAYER_OF("Linear", I(1), I(1)));
    rt_tensor *w = tensor(RT_FLOAT64, SHAPE(1, 2), VALUES(5, 6));
    rt_named_tensor items[2] = {{"0.weight", w}, {"3.bias", w}};
    rt_tensor *to = rt__module_tensor(rt_module_slot_child(m, 0), "weight");
    double before = at(to, 0);
    CHECK_FAILS(rt_module_load_tensors(m, items, 2, true, &err), err,
                RT_E_ARGUMENT);
    CHECK_HAS(err.message, "missing: 0.bias, 1.weight, 1.bias");
    CHECK_HAS(err.message, "unexpected: 3.bias");
    CHECK_NEAR(at(to, 0), before, 0);
    CHECK_OK(rt_module_load_tensors(m, items, 2, false, &err), err);
    CHECK_NEAR(at(to, 0), 5, 0);
    CHECK_NEAR(at(to, 1), 6, 0);
    CHECK(rt_is_leaf(to) && rt_requires_grad(to));
    rt_release(w);
    rt_module_release(m);
}

CASE(a_tensor_of_another_shape_changes_nothing)
{
    rt_module *m = LAYER_OF("Linear", I(2), I(1));
    rt_tensor *w = tensor(RT_FLOAT32, SHAPE(1, 2), VALUES(5, 6));
    rt_tensor *b = tensor(RT_FLOAT32, SHAPE(2), VALUES(5, 6));
    rt_named_tensor items[2] = {{"weight", w}, {"bias", b}};
    double before = at(rt__module_tensor(m, "weight"), 0);
    CHECK_FAILS(rt_module_load_tensors(m, items, 2, true, &err), err,
                RT_E_SHAPE);
    CHECK_HAS(err.message, "'bias' is [2] in the state, [1] in the model");
    CHECK_NEAR(at(rt__module_tensor(m, "weight"), 0), before, 0);
    rt_release(w);
    rt_release(b);
    rt_module_release(m);
}

CASE(memory_running_out_while_saving_or_loading_leaks_nothing)
{
    rt_module *m = chain(2, LAYER_OF("Linear", I(2), I(1)), BARE("Tanh"));
    rt_memory_stats before, after;
    rt_module_release(saved_and_loaded(m));
    rt_memory_read_stats(&before);
    for (int i = 1, done = 0; i < 2000 && !done; i++) {
        rt_module *n = NULL;
        rt_error_clear(&err);
        rt_memory_fail_after(i);
        rt_status st = rt_module_save(m, path_of("t"), &err);
        st = st ? st : rt_module_load(&n, path_of("t"), &err);
        done = st == RT_OK;
        rt_memory_fail_after(0);
        rt_module_release(n);
        if (!done && st != RT_E_MEMORY && st != RT_E_FILE) {
            UNIT_FAIL("allocation %d: %d %s", i, (int)st, err.message);
        }
    }
    rt_memory_read_stats(&after);
    CHECK_INT(after.allocated, before.allocated);
    rt_module_release(m);
}

UNIT_MAIN
