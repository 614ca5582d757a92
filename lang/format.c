/* SPDX-License-Identifier: MIT
 * Values as text, and the conversions of printf and println!. */
#include "lang/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 100, MAX_WIDTH = 100000, MAX_SHOWN = 1000 };

void lang__write_shape(lang__writer *w, const int64_t *shape, int ndim)
{
    lang__write_char(w, '[');
    for (int i = 0; i < ndim; i++)
        lang__write_format(w, i ? ", %lld" : "%lld", (long long)shape[i]);
    lang__write_char(w, ']');
}

static rt_status write_owned(lang__writer *w, rt_status status, char **text)
{
    if (!status)
        lang__write(w, *text);
    rt_free(*text);
    return status;
}

static rt_status write_tensor(lang__writer *w, rt_tensor *t, int precision,
                              rt_error *err)
{
    rt_print_options options = RT_PRINT_OPTIONS_INIT;
    char *text = NULL;
    if (!t) {
        lang__write(w, "undefined");
        return RT_OK;
    }
    if (precision >= 0)
        options.precision = precision;
    return write_owned(w, rt_tensor_repr(&text, t, &options, err), &text);
}

static rt_status write_depth(lang__writer *w, lang__value v, bool quoted,
                             int depth, rt_error *err);

static rt_status write_list(lang__writer *w, lang_list *l, int depth,
                            rt_error *err)
{
    if (depth > MAX_DEPTH) {
        lang__write(w, "[...]");
        return RT_OK;
    }
    lang__write_char(w, '[');
    for (int64_t i = 0; i < l->count; i++) {
        if (i == MAX_SHOWN / 2 && l->count > MAX_SHOWN) {
            lang__write(w, ", ...");
            i = l->count - MAX_SHOWN / 2;
        }
        if (i)
            lang__write(w, ", ");
        rt_status status = write_depth(w, lang__list_at(l, i), true, depth + 1,
                                       err);
        if (status)
            return status;
    }
    lang__write_char(w, ']');
    return RT_OK;
}

static void write_closure(lang__writer *w, const lang__closure *c)
{
    const lang__callee *f = &c->callee;
    const char *name = f->builtin ? f->builtin->name
                       : f->op    ? rt_op_name(f->op)
                       : f->layer ? rt_layer_name(f->layer)
                       : f->optim ? rt_optim_name(f->optim)
                       : f->schedule ? rt_schedule_name(f->schedule) : f->name;
    const char *text = f->builtin ? f->builtin->text
                       : f->op ? rt_op_signature(f->op)->text
                       : f->layer ? rt_layer_signature(f->layer)->text : NULL;
    lang__write_format(w, "function %s", text ? text : name);
}

static rt_status write_optimizer(lang__writer *w, const lang__optim *o,
                                 rt_error *err)
{
    char *text = NULL;
    if (!o || !o->made) {
        lang__write_format(w, "%s (no parameters yet)",
                           o ? rt_optim_name(o->kind) : "undefined optimizer");
        return RT_OK;
    }
    return write_owned(w, rt_optimizer_repr(&text, o->made, err), &text);
}

static void write_history(lang__writer *w, const rt_history *h)
{
    lang__write_format(w, "History: %d epochs in %.1f s", h->epochs,
                       h->seconds);
    for (int i = 0; i < h->nseries && h->epochs > 0; i++)
        lang__write_format(w, ", %s %.4g", h->names[i],
                           h->series[i][h->epochs - 1]);
}

static rt_status write_object(lang__writer *w, lang__value v, rt_error *err)
{
    char *text = NULL;
    switch (v.kind) {
    case LANG_FUNCTION: write_closure(w, v.closure); return RT_OK;
    case LANG_MODULE:
        return write_owned(w, rt_module_repr(&text, v.m, err), &text);
    case LANG_OPTIMIZER: return write_optimizer(w, v.optim, err);
    case LANG_SCHEDULER:
        lang__write_format(w, "Scheduler(last_epoch=%lld, lr=%g)",
                           (long long)rt_scheduler_epoch(v.scheduler),
                           rt_scheduler_last_lr(v.scheduler, 0));
        return RT_OK;
    case LANG_DATASET:
        lang__write_format(w, "Dataset of %lld samples",
                           (long long)rt_dataset_length(v.dataset));
        return RT_OK;
    case LANG_LOADER:
        lang__write_format(w, "DataLoader of %lld batches",
                           (long long)rt_loader_length(v.loader));
        return RT_OK;
    case LANG_GENERATOR: lang__write(w, "Generator"); return RT_OK;
    case LANG_HISTORY: write_history(w, &v.record->history); return RT_OK;
    case LANG_PLOT: lang__write(w, "live plot"); return RT_OK;
    default: lang__write(w, "object of the host"); return RT_OK;
    }
}

static rt_status write_depth(lang__writer *w, lang__value v, bool quoted,
                             int depth, rt_error *err)
{
    switch (v.kind) {
    case LANG_VOID: lang__write(w, "None"); return RT_OK;
    case LANG_BOOL: lang__write(w, v.i ? "true" : "false"); return RT_OK;
    case LANG_INT: lang__write_format(w, "%lld", (long long)v.i); return RT_OK;
    case LANG_FLOAT: lang__write_double(w, v.f); return RT_OK;
    case LANG_DTYPE: lang__write(w, rt_dtype_name((rt_dtype)v.i)); return RT_OK;
    case LANG_TENSOR: return write_tensor(w, v.t, -1, err);
    default: break;
    }
    if (!v.p) {
        lang__write(w, "undefined");
        return RT_OK;
    }
    if (v.kind == LANG_LIST)
        return write_list(w, v.l, depth, err);
    if (v.kind != LANG_STRING)
        return write_object(w, v, err);
    if (quoted)
        lang__write_quoted(w, v.s->text, v.s->size);
    else
        lang__write_n(w, v.s->text, v.s->size);
    return RT_OK;
}

rt_status lang__write_value(lang__writer *w, lang__value v, bool quoted,
                            rt_error *err)
{
    return write_depth(w, v, quoted, 0, err);
}

/* --- conversions ---------------------------------------------------------------- */

static int64_t as_int(lang__value v)
{
    return v.kind == LANG_FLOAT ? (int64_t)v.f : v.i;
}

static double as_double(lang__value v)
{
    return v.kind == LANG_FLOAT ? v.f : (double)v.i;
}

/* The digits of n with sign and at least `precision` of them. */
static void integer(lang__writer *w, const lang__piece *p, int precision,
                    lang__value v)
{
    uint64_t bits = (uint64_t)as_int(v), n = bits;
    bool negative = p->conversion == 'd' && as_int(v) < 0;
    unsigned base = p->conversion == 'x' || p->conversion == 'X' ? 16
                    : p->conversion == 'o' ? 8 : p->conversion == 'b' ? 2 : 10;
    const char *digits = p->conversion == 'X' ? "0123456789ABCDEF"
                                              : "0123456789abcdef";
    char text[80];
    int at = sizeof text;
    if (negative)
        n = 0 - bits;
    do {
        text[--at] = digits[n % base];
    } while (n /= base);
    if (negative)
        lang__write_char(w, '-');
    else if (p->plus && p->conversion == 'd')
        lang__write_char(w, '+');
    else if (p->space && p->conversion == 'd')
        lang__write_char(w, ' ');
    if (p->alternate && bits && base != 10)
        lang__write(w, base == 16 ? (p->conversion == 'X' ? "0X" : "0x")
                       : base == 8 ? "0" : "0b");
    for (int i = (int)sizeof text - at; i < precision; i++)
        lang__write_char(w, '0');
    lang__write_n(w, text + at, sizeof text - (size_t)at);
}

static void real(lang__writer *w, const lang__piece *p, int precision,
                 double v)
{
    char format[16], text[512];
    int n = 0;
    format[n++] = '%';
    if (p->plus)
        format[n++] = '+';
    if (p->space)
        format[n++] = ' ';
    if (p->alternate && !p->debug)
        format[n++] = '#';
    format[n++] = '.';
    format[n++] = '*';
    format[n++] = p->conversion;
    format[n] = 0;
    if (precision < 0)
        precision = 6;
    lang__format_double(text, sizeof text, format,
                        precision > 100 ? 100 : precision, v);
    lang__write(w, text);
}

/* %v and {}: any value; a precision rounds floats and tensors. */
static rt_status any_value(lang__writer *w, const lang__piece *p,
                           int precision, lang__value v, rt_error *err)
{
    if (v.kind == LANG_TENSOR && v.t && precision >= 0 &&
        rt_tensor_numel(v.t) != 1)
        return write_tensor(w, v.t, precision, err);
    if (v.kind == LANG_TENSOR && v.t && precision >= 0) {
        rt_value item;
        rt_status status = rt_tensor_item(&item, v.t, err);
        if (status)
            return status;
        v = LANG__FLOAT_VALUE(item.kind == RT_K_FLOAT ? item.f
                                                      : (double)item.i);
    }
    if (v.kind == LANG_FLOAT && precision >= 0) {
        char text[512];
        lang__format_double(text, sizeof text, p->plus ? "%+.*f" : "%.*f",
                            precision > 100 ? 100 : precision, v.f);
        lang__write(w, text);
        return RT_OK;
    }
    if (v.kind == LANG_STRING && precision >= 0 && !p->debug) {
        lang__write_n(w, v.s->text,
                      lang__utf8_offset(v.s->text, v.s->size, precision));
        return RT_OK;
    }
    if (p->plus && ((v.kind == LANG_INT && v.i >= 0) ||
                    (v.kind == LANG_FLOAT && v.f >= 0)))
        lang__write_char(w, '+');
    return lang__write_value(w, v, p->debug, err);
}

static rt_status convert(lang__writer *w, const lang__piece *p, int precision,
                         lang__value v, rt_error *err)
{
    char utf8[4];
    switch (p->conversion) {
    case 'd': case 'u': case 'x': case 'X': case 'o': case 'b':
        integer(w, p, precision, v);
        return RT_OK;
    case 'c':
        if (as_int(v) < 0 || as_int(v) > 0x10FFFF)
            return rt_fail(err, RT_E_ARGUMENT,
                           "%%c: %lld is not a code point",
                           (long long)as_int(v));
        lang__write_n(w, utf8,
                      (size_t)lang__utf8_put(utf8, (uint32_t)as_int(v)));
        return RT_OK;
    case 'f': case 'F': case 'e': case 'E': case 'g': case 'G':
        real(w, p, precision, as_double(v));
        return RT_OK;
    case 's':
        if (v.kind == LANG_STRING && v.s && precision >= 0) {
            lang__write_n(w, v.s->text, lang__utf8_offset(
                              v.s->text, v.s->size, precision));
            return RT_OK;
        }
        return lang__write_value(w, v, false, err);
    default: return any_value(w, p, precision, v, err);
    }
}

/* --- padding ------------------------------------------------------------------------ */

static int columns(const char *text, size_t size)
{
    int n = 0;
    for (const char *p = text, *end = text + size; p < end;)
        n += lang__utf8_width(lang__utf8_next(&p, end));
    return n;
}

static bool numeric(char conversion)
{
    return strchr("duxXobfFeEgG", conversion) != NULL;
}

static void repeat(lang__writer *w, const char *fill, int n)
{
    for (int i = 0; i < n; i++)
        lang__write(w, fill);
}

/* Zeros go between sign or prefix and digits. */
static size_t sign_length(const char *text)
{
    size_t n = *text == '-' || *text == '+' || *text == ' ';
    if (text[n] == '0' && (text[n + 1] == 'x' || text[n + 1] == 'X' ||
                           text[n + 1] == 'b'))
        n += 2;
    return n;
}

static void padded(lang__writer *w, const lang__piece *p, int width,
                   bool number, const char *text, size_t size)
{
    int missing = width - columns(text, size);
    const char *fill = p->fill[0] ? p->fill : " ";
    if (missing <= 0) {
        lang__write_n(w, text, size);
    } else if (p->zero && number && !p->left) {
        size_t sign = sign_length(text);
        lang__write_n(w, text, sign);
        repeat(w, "0", missing);
        lang__write_n(w, text + sign, size - sign);
    } else {
        int before = p->left ? 0 : p->centre ? missing / 2 : missing;
        repeat(w, fill, before);
        lang__write_n(w, text, size);
        repeat(w, fill, missing - before);
    }
}

static rt_status star(int *out, int value, int arg, const lang__value *args,
                      int n, rt_error *err)
{
    *out = value;
    if (value == -2)
        *out = arg < n ? (int)args[arg].i : 0;
    if (*out > MAX_WIDTH || *out < -MAX_WIDTH)
        return rt_fail(err, RT_E_LIMIT, "format: a width of %d is too much",
                       *out);
    return RT_OK;
}

static rt_status piece(lang__writer *w, const lang__piece *p,
                       const lang__value *args, int n, rt_error *err)
{
    lang__piece own = *p;
    lang__writer text = {0};
    int width, precision;
    if (p->arg >= n)
        return rt_fail(err, RT_E_INTERNAL, "format: argument %d is missing",
                       p->arg);
    rt_status status = star(&width, p->width, p->width_arg, args, n, err);
    if (!status)
        status = star(&precision, p->precision, p->precision_arg, args, n, err);
    if (status)
        return status;
    if (width < -1) {
        own.left = true;
        width = -width;
    }
    lang__value v = args[p->arg];
    status = convert(&text, &own, precision, v, err);
    if (!status && text.failed)
        status = rt_fail(err, RT_E_MEMORY, "format: no memory");
    if (!status) {
        bool number = numeric(p->conversion) ||
                      (v.kind >= LANG_INT && v.kind <= LANG_FLOAT);
        padded(w, &own, width, number && !(v.kind == LANG_FLOAT &&
                                           !isfinite(v.f)),
               text.data ? text.data : "", text.size);
    }
    lang__writer_dispose(&text);
    return status;
}

rt_status lang__write_formatted(lang__writer *w, const lang__format *f,
                                const lang__value *args, int n, rt_error *err)
{
    rt_status status = RT_OK;
    for (int i = 0; i < f->count && !status; i++) {
        const lang__piece *p = &f->pieces[i];
        if (p->text)
            lang__write_n(w, p->text, (size_t)p->size);
        else
            status = piece(w, p, args, n, err);
    }
    return status;
}
