/* SPDX-License-Identifier: MIT
 *
 * Reads signatures in PyTorch's notation:
 *   sum(Tensor self, int[]? dim=None, *, dtype? dtype=None) -> Tensor
 * All strings and lists of a signature live in one block behind it, so that a
 * signature is never freed piecemeal.
 */
#include "runtime/ops/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *text, *at;
    char *strings;          /* free part of the block: names */
    int64_t *lists;         /* free part of the block: default lists */
    rt_signature *sig;
    rt_error *err;
} parser;

static const struct {
    const char *name;
    rt_type one, many;      /* many: with [] behind it */
} type_names[] = {
    {"Tensor", RT_T_TENSOR, RT_T_TENSORS},
    {"Scalar", RT_T_SCALAR, RT_T_FLOATS},
    {"int", RT_T_INT, RT_T_INTS},
    {"float", RT_T_FLOAT, RT_T_FLOATS},
    {"bool", RT_T_BOOL, RT_T_INTS},
    {"str", RT_T_STRING, RT_T_STRING},
    {"dtype", RT_T_DTYPE, RT_T_DTYPE},
    {"Device", RT_T_DEVICE, RT_T_DEVICE},
    {"Generator", RT_T_GENERATOR, RT_T_GENERATOR},
    {"Module", RT_T_MODULE, RT_T_MODULES},
};

static rt_status complain(parser *p, const char *what)
{
    return rt_fail(p->err, RT_E_INTERNAL,
                   "schema: %s at column %d of \"%s\"", what,
                   (int)(p->at - p->text) + 1, p->text);
}

static void skip_spaces(parser *p)
{
    while (*p->at == ' ') {
        p->at++;
    }
}

static bool take(parser *p, const char *token)
{
    skip_spaces(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0) {
        return false;
    }
    p->at += n;
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* Copies [start, end) into the block. */
static const char *keep(parser *p, const char *start, const char *end)
{
    char *out = p->strings;
    memcpy(out, start, (size_t)(end - start));
    out[end - start] = 0;
    p->strings += end - start + 1;
    return out;
}

/* The next identifier, "" when there is none. */
static const char *take_word(parser *p)
{
    skip_spaces(p);
    const char *start = p->at;
    while (is_word(*p->at)) {
        p->at++;
    }
    return p->at == start ? "" : keep(p, start, p->at);
}

/* Decimal numbers with at most 15 digits and a small exponent: mantissa and
 * power of ten are then exact and one division or product rounds correctly,
 * whatever the process's locale. */
static bool take_number(parser *p, double *value, bool *integer)
{
    skip_spaces(p);
    const char *s = p->at;
    double sign = 1;
    if (*s == '-') {
        sign = -1;
        s++;
    }
    if (strncmp(s, "inf", 3) == 0) {
        *value = sign * __builtin_inf();
        *integer = false;
        p->at = s + 3;
        return true;
    }
    double mantissa = 0;
    int exponent = 0, digits = 0, significant = 0;
    *integer = true;
    for (bool point = false; (*s >= '0' && *s <= '9') || *s == '.'; s++) {
        if (*s == '.') {
            point = true;
            *integer = false;
            continue;
        }
        mantissa = mantissa * 10 + (*s - '0');
        digits++;
        significant += mantissa > 0;   /* leading zeros do not count */
        exponent -= point;
    }
    if (!digits) {
        return false;
    }
    if (*s == 'e') {
        char *end;
        long shift = strtol(s + 1, &end, 10);
        exponent += shift > -99 && shift < 99 ? (int)shift : 99;
        *integer = false;
        s = end;
    }
    if (significant > 15 || abs(exponent) > 22) {
        return false;
    }
    double power = 1;
    for (int i = abs(exponent); i > 0; i--) {
        power *= 10;
    }
    *value = sign * (exponent < 0 ? mantissa / power : mantissa * power);
    p->at = s;
    return true;
}

static rt_status parse_list(parser *p, rt_param *q)
{
    bool floats = q->type == RT_T_FLOATS, single = true;
    const char *close = NULL;
    if (take(p, "[")) {
        close = "]";
    } else if (take(p, "(")) {
        close = ")";
    }
    int64_t *list = p->lists;
    int n = 0;
    single = !close;
    while (single ? n == 0 : !take(p, close)) {
        double v;
        bool integer;
        if (!take_number(p, &v, &integer) || !(floats || integer)) {
            return complain(p, floats ? "a number was expected"
                                      : "a whole number was expected");
        }
        if (floats) {
            memcpy(&list[n++], &v, sizeof v);
        } else {
            list[n++] = (int64_t)v;
        }
        take(p, ",");
    }
    /* A comma behind a single number separates parameters. */
    if (single && p->at[-1] == ',') {
        p->at--;
    }
    p->lists += n;
    q->value = floats ? RT_V_FLOATS((const double *)list, n)
                      : RT_V_INTS(list, n);
    return RT_OK;
}

static rt_status parse_string(parser *p, rt_param *q)
{
    char quote = *p->at++;
    const char *start = p->at;
    while (*p->at && *p->at != quote) {
        p->at++;
    }
    if (!*p->at) {
        return complain(p, "a string has no end");
    }
    q->value = RT_V_STRING(keep(p, start, p->at));
    p->at++;
    return RT_OK;
}

static rt_status parse_value(parser *p, rt_param *q)
{
    if (take(p, "None")) {
        q->value = RT_NONE;
        return RT_OK;
    }
    if (take(p, "True")) {
        q->value = RT_V_BOOL(true);
        return RT_OK;
    }
    if (take(p, "False")) {
        q->value = RT_V_BOOL(false);
        return RT_OK;
    }
    if (q->type == RT_T_INTS || q->type == RT_T_FLOATS) {
        return parse_list(p, q);
    }
    if (*p->at == '\'' || *p->at == '"') {
        return parse_string(p, q);
    }
    if (q->type == RT_T_DTYPE) {
        q->value = RT_V_DTYPE(rt_dtype_parse(take_word(p)));
        return q->value.dtype == RT_DTYPE_NONE ? complain(p, "unknown dtype")
                                               : RT_OK;
    }
    double v;
    bool integer;
    if (!take_number(p, &v, &integer)) {
        return complain(p, "a default value was expected");
    }
    q->value = integer && q->type != RT_T_FLOAT ? RT_V_INT((int64_t)v)
                                                : RT_V_FLOAT(v);
    return RT_OK;
}

static rt_status parse_default(parser *p, rt_param *q)
{
    skip_spaces(p);
    const char *start = p->at;
    rt_status s = parse_value(p, q);
    if (s == RT_OK) {
        q->has_default = true;
        q->default_text = keep(p, start, p->at);
    }
    return s;
}

static rt_status parse_type(parser *p, rt_param *q)
{
    const char *word = take_word(p);
    size_t i = 0, n = sizeof type_names / sizeof *type_names;
    while (i < n && strcmp(word, type_names[i].name) != 0) {
        i++;
    }
    if (i == n) {
        return complain(p, "unknown parameter type");
    }
    q->type = type_names[i].one;
    if (*p->at == '(') {
        q->alias = true;
        q->written = strncmp(p->at, "(a!)", 4) == 0;
        const char *end = strchr(p->at, ')');
        if (!end) {
            return complain(p, "an alias mark has no end");
        }
        p->at = end + 1;
    }
    if (strncmp(p->at, "?[]", 3) == 0 && q->type == RT_T_TENSOR) {
        q->type = RT_T_OPT_TENSORS;
        p->at += 3;
    }
    if (*p->at == '[') {
        q->type = type_names[i].many;
        do {
            p->at++;
        } while (*p->at && p->at[-1] != ']');
    }
    if (*p->at == '?') {
        q->optional = true;
        p->at++;
    }
    return RT_OK;
}

static rt_status parse_param(parser *p, bool keyword_only)
{
    rt_signature *sig = p->sig;
    if (sig->nparams == RT_MAX_ARGS) {
        return complain(p, "too many parameters");
    }
    rt_param *q = &sig->params[sig->nparams];
    q->default_text = "";
    q->keyword_only = keyword_only;
    rt_status s = parse_type(p, q);
    if (s != RT_OK) {
        return s;
    }
    q->name = take_word(p);
    if (!*q->name) {
        return complain(p, "a parameter has no name");
    }
    sig->nparams++;
    sig->npositional += !keyword_only;
    return take(p, "=") ? parse_default(p, q) : RT_OK;
}

static rt_status parse_params(parser *p)
{
    if (!take(p, "(")) {
        return complain(p, "'(' was expected");
    }
    bool keyword_only = false;
    while (!take(p, ")")) {
        if (take(p, "*")) {
            keyword_only = true;
        } else {
            rt_status s = parse_param(p, keyword_only);
            if (s != RT_OK) {
                return s;
            }
        }
        skip_spaces(p);
        if (!take(p, ",") && *p->at != ')') {
            return complain(p, "',' or ')' was expected");
        }
    }
    return RT_OK;
}

/* One result: its type, and whether it is a list or a plain value. */
static rt_status parse_result(parser *p)
{
    rt_signature *sig = p->sig;
    const char *word = take_word(p);
    if (!*word || sig->nresults == RT_MAX_RESULTS) {
        return complain(p, "a result type was expected");
    }
    if (*p->at == '(') {
        while (*p->at && *p->at != ')') {
            p->at++;
        }
        p->at += *p->at == ')';
    }
    sig->result_list |= take(p, "[]");
    sig->result_scalar |= strcmp(word, "bool") == 0 ||
                          strcmp(word, "int") == 0 ||
                          strcmp(word, "float") == 0 ||
                          strcmp(word, "Scalar") == 0;
    sig->result_names[sig->nresults++] = take_word(p);
    return RT_OK;
}

static rt_status parse_results(parser *p)
{
    if (!take(p, "->")) {
        return RT_OK;
    }
    if (!take(p, "(")) {
        return parse_result(p);
    }
    while (!take(p, ")")) {
        rt_status s = parse_result(p);
        if (s != RT_OK) {
            return s;
        }
        skip_spaces(p);
        if (!take(p, ",") && *p->at != ')') {
            return complain(p, "',' or ')' was expected");
        }
    }
    return RT_OK;
}

static rt_status parse_signature(parser *p)
{
    rt_signature *sig = p->sig;
    sig->name = take_word(p);
    if (!*sig->name) {
        return complain(p, "a name was expected");
    }
    sig->overload = take(p, ".") ? take_word(p) : "";
    rt_status s = parse_params(p);
    if (s == RT_OK) {
        s = parse_results(p);
    }
    skip_spaces(p);
    if (s == RT_OK && *p->at) {
        s = complain(p, "text behind the end");
    }
    return s;
}

/* A list has at most one number for two characters. */
static size_t list_room(const char *text)
{
    return (strlen(text) / 2 + 1) * sizeof(int64_t);
}

void rt__schema_dispose(rt_signature *sig)
{
    /* The name is the first word behind the lists. */
    rt_free((char *)sig->name - list_room(sig->text));
}

rt_status rt__schema_parse(rt_signature *out, const char *text, rt_error *err)
{
    /* Three times the text holds every word, every default as written and
     * every string, each with its NUL. */
    size_t n = strlen(text), lists = list_room(text);
    char *block = rt_alloc(lists + 3 * n + 16);
    if (!block) {
        return rt_fail(err, RT_E_MEMORY, "schema: no memory for \"%s\"", text);
    }
    rt_signature sig = {.text = text};
    parser p = {text, text, block + lists, (int64_t *)(void *)block, &sig, err};
    rt_status s = parse_signature(&p);
    if (s != RT_OK) {
        rt_free(block);
        return s;
    }
    *out = sig;
    return RT_OK;
}
