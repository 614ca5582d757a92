/* SPDX-License-Identifier: MIT
 * The safetensors format:
 *
 *   8 bytes   n, little endian
 *   n bytes   {"__metadata__": {"key": "text"},
 *              "name": {"dtype": "F32", "shape": [2, 3],
 *                       "data_offsets": [begin, end]}, ...}
 *   the rest  elements; offsets count from here, leave no gap and no overlap
 *
 * Nothing is allocated for a tensor before its size has been checked against
 * the file's.
 */
#include "runtime/nn/json.h"
#include "runtime/nn/target.h"

#include "runtime/ops/op.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX = 100000000, PIECE = 1 << 22 };

static const struct { const char *name; size_t size; } formats[] = {
#define RT_DTYPE(id, name, size, cat, st, ct, safetensors, buf, code, bits)    \
    [RT_##id] = {safetensors, size},
#include "runtime/dtypes.def"
#undef RT_DTYPE
};

void rt_tensor_file_dispose(rt_tensor_file *f)
{
    for (int64_t i = 0; i < f->count; i++) {
        rt_free(f->items[i].name);
        rt_release(f->items[i].tensor);
    }
    for (int64_t i = 0; i < 2 * f->nmetadata; i++) {
        rt_free(f->metadata[i]);
    }
    rt_free(f->items);
    rt_free(f->metadata);
    *f = (rt_tensor_file){0};
}

static rt_status file_error(rt_error *err, const char *doing, const char *path)
{
    return rt_fail(err, errno == ENOMEM ? RT_E_MEMORY : RT_E_FILE,
                   "cannot %s '%s': %s", doing, path, strerror(errno));
}

/* --- reading the description ----------------------------------------------------- */

typedef struct entry {
    char *name;
    rt_dtype dtype;
    int ndim;
    int64_t shape[RT_MAX_DIMS];
    int64_t begin, end;
    int64_t place;           /* order in the description */
} entry;

typedef struct header {
    entry *entries;
    int64_t count, room;
    char **metadata;
    int64_t nmetadata, metaroom;
} header;

static void header_dispose(header *h)
{
    for (int64_t i = 0; i < h->count; i++) {
        rt_free(h->entries[i].name);
    }
    for (int64_t i = 0; i < 2 * h->nmetadata; i++) {
        rt_free(h->metadata[i]);
    }
    rt_free(h->entries);
    rt_free(h->metadata);
}

static void read_metadata(rt__json *j, header *h)
{
    char *key;
    rt__json_open(j, '{');
    while (rt__json_key(j, &key)) {
        char *value = rt__json_string(j);
        if (h->nmetadata == h->metaroom) {
            int64_t room = h->metaroom ? 2 * h->metaroom : 8;
            char **p = rt_realloc(h->metadata,
                                  (size_t)room * 2 * sizeof *p);
            if (!p) {
                j->status = rt_fail(j->err, RT_E_MEMORY, "%s: no memory",
                                    j->what);
                rt_free(key);
                rt_free(value);
                return;
            }
            h->metadata = p;
            h->metaroom = room;
        }
        h->metadata[2 * h->nmetadata] = key;
        h->metadata[2 * h->nmetadata++ + 1] = value;
    }
}

static void read_dtype(rt__json *j, entry *e)
{
    char *name = rt__json_string(j);
    e->dtype = RT_DTYPE_NONE;
    for (int i = 0; name && i < RT_DTYPE_COUNT; i++) {
        if (strcmp(name, formats[i].name) == 0) {
            e->dtype = (rt_dtype)i;
        }
    }
    if (name && e->dtype == RT_DTYPE_NONE) {
        rt__json_fail(j, "an element type that is not known");
    }
    rt_free(name);
}

static void read_shape(rt__json *j, entry *e)
{
    rt__json_open(j, '[');
    while (rt__json_item(j)) {
        if (e->ndim == RT_MAX_DIMS) {
            rt__json_fail(j, "too many dimensions");
            return;
        }
        e->shape[e->ndim++] = rt__json_natural(j);
    }
}

static void read_offsets(rt__json *j, entry *e)
{
    int64_t *to[2] = {&e->begin, &e->end};
    int n = 0;
    rt__json_open(j, '[');
    while (rt__json_item(j)) {
        if (n == 2) {
            break;
        }
        *to[n++] = rt__json_natural(j);
    }
    if (n != 2) {
        rt__json_fail(j, "data_offsets is not a pair");
    }
}

/* The entry's own numbers must agree: shape times size is the range. */
static void check_entry(rt__json *j, const entry *e, unsigned got)
{
    if (j->status) {
        return;
    }
    if (got != 7) {
        rt__json_fail(j, "an entry without dtype, shape or data_offsets");
        return;
    }
    int64_t numel = rt__shape_numel(e->ndim, e->shape), bytes;
    if (numel < 0 || e->end < e->begin
        || __builtin_mul_overflow(numel, (int64_t)formats[e->dtype].size,
                                  &bytes)
        || bytes != e->end - e->begin) {
        rt__json_fail(j, "an entry whose shape does not fit its offsets");
    }
}

static void read_entry(rt__json *j, entry *e)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    void (*const readers[])(rt__json *, entry *) = {read_dtype, read_shape,
                                                    read_offsets};
    unsigned got = 0;
    char *key;
    rt__json_open(j, '{');
    while (rt__json_key(j, &key)) {
        int k = 0;
        while (k < 3 && strcmp(key, keys[k]) != 0) {
            k++;
        }
        rt_free(key);
        if (k == 3 || (got & 1u << k)) {
            rt__json_fail(j, "an entry with an unknown or repeated key");
            return;
        }
        got |= 1u << k;
        readers[k](j, e);
    }
    check_entry(j, e, got);
}

static entry *new_entry(rt__json *j, header *h)
{
    if (h->count == h->room) {
        int64_t room = h->room ? 2 * h->room : 16;
        entry *p = rt_realloc(h->entries, (size_t)room * sizeof *p);
        if (!p) {
            j->status = rt_fail(j->err, RT_E_MEMORY, "%s: no memory", j->what);
            return NULL;
        }
        h->entries = p;
        h->room = room;
    }
    entry *e = &h->entries[h->count];
    memset(e, 0, sizeof *e);
    e->place = h->count++;
    return e;
}

static void read_names(rt__json *j, header *h)
{
    bool metadata = false;
    char *key;
    rt__json_open(j, '{');
    while (rt__json_key(j, &key)) {
        if (strcmp(key, "__metadata__") == 0) {
            rt_free(key);
            if (metadata) {
                rt__json_fail(j, "__metadata__ twice");
                return;
            }
            metadata = true;
            read_metadata(j, h);
            continue;
        }
        entry *e = new_entry(j, h);
        if (!e) {
            rt_free(key);
            return;
        }
        e->name = key;
        read_entry(j, e);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static int by_begin(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Names are distinct; ranges follow each other from 0 to the end. Leaves the
 * entries in order of their place in the file. */
static rt_status check_layout(header *h, int64_t bytes, const char *path,
                              rt_error *err)
{
    if (h->count) {
        qsort(h->entries, (size_t)h->count, sizeof *h->entries, by_name);
    }
    for (int64_t i = 1; i < h->count; i++) {
        if (strcmp(h->entries[i - 1].name, h->entries[i].name) == 0) {
            return rt_fail(err, RT_E_FORMAT, "%s: the tensor '%.64s' is there "
                           "twice", path, h->entries[i].name);
        }
    }
    if (h->count) {
        qsort(h->entries, (size_t)h->count, sizeof *h->entries, by_begin);
    }
    int64_t at = 0;
    for (int64_t i = 0; i < h->count; i++) {
        if (h->entries[i].begin != at) {
            return rt_fail(err, RT_E_FORMAT, "%s: the tensor '%.64s' begins at "
                           "byte %lld, expected %lld (a gap or an overlap)",
                           path, h->entries[i].name,
                           (long long)h->entries[i].begin, (long long)at);
        }
        at = h->entries[i].end;
    }
    if (at != bytes) {
        return rt_fail(err, RT_E_FORMAT, "%s: %lld bytes of elements are "
                       "described, the file holds %lld", path, (long long)at,
                       (long long)bytes);
    }
    return RT_OK;
}

/* --- reading ------------------------------------------------------------------------- */

static rt_status read_all(int fd, void *to, int64_t bytes, int64_t from,
                          const char *path, rt_error *err)
{
    for (int64_t at = 0; at < bytes;) {
        if (rt_interrupted()) {
            return rt_fail(err, RT_E_INTERRUPT, "load: interrupted");
        }
        int64_t want = bytes - at < PIECE ? bytes - at : PIECE;
        ssize_t n = pread(fd, (char *)to + at, (size_t)want, from + at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return file_error(err, "read", path);
        }
        if (n == 0) {
            return rt_fail(err, RT_E_FORMAT, "%s: the file became shorter "
                           "while it was read", path);
        }
        at += n;
    }
    return RT_OK;
}

/* Reads and checks everything but the elements; *data: where they begin. */
static rt_status read_header(header *h, int fd, int64_t *data, const char *path,
                             rt_error *err)
{
    struct stat info;
    unsigned char raw[8];
    if (fstat(fd, &info)) {
        return file_error(err, "read", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return rt_fail(err, RT_E_FILE, "'%s' is not a regular file", path);
    }
    if (info.st_size < 8) {
        return rt_fail(err, RT_E_FORMAT, "%s: %lld bytes are too few for a "
                       "tensor file", path, (long long)info.st_size);
    }
    rt_status st = read_all(fd, raw, 8, 0, path, err);
    if (st) {
        return st;
    }
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) {
        n = n << 8 | raw[i];
    }
    if (n < 2 || n > HEADER_MAX || (int64_t)n > info.st_size - 8) {
        rt_fail(err, RT_E_FORMAT, "%s: this is not a tensor file, or it is cut "
                "off (its description would take %llu bytes)", path,
                (unsigned long long)n);
        rt_error_help(err, "a .rustorch file is in the safetensors format");
        return RT_E_FORMAT;
    }
    char *text = rt_alloc((size_t)n);
    if (!text) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", path);
    }
    st = read_all(fd, text, (int64_t)n, 8, path, err);
    rt__json j;
    rt__json_init(&j, path, text, (size_t)n, err);
    if (!st) {
        read_names(&j, h);
        st = rt__json_end(&j);
    }
    rt_free(text);
    *data = 8 + (int64_t)n;
    return st ? st : check_layout(h, info.st_size - *data, path, err);
}

static rt_status read_tensors(rt_tensor_file *f, header *h, int fd,
                              int64_t data, const char *path, rt_error *err)
{
    size_t bytes = (size_t)(h->count + 1) * sizeof *f->items;
    f->items = rt_alloc(bytes);
    if (!f->items) {
        return rt_fail(err, RT_E_MEMORY, "%s: no memory", path);
    }
    memset(f->items, 0, bytes);
    f->count = h->count;
    for (int64_t i = 0; i < h->count; i++) {
        entry *e = &h->entries[i];
        rt_named_tensor *item = &f->items[e->place];
        rt_status st = rt_tensor_new(&item->tensor, e->dtype, e->ndim, e->shape,
                                     err);
        if (st || (st = read_all(fd, rt_tensor_data(item->tensor),
                                 e->end - e->begin, data + e->begin, path,
                                 err))) {
            return st;
        }
        item->name = e->name;
        e->name = NULL;
    }
    f->metadata = h->metadata;
    f->nmetadata = h->nmetadata;
    h->metadata = NULL;
    h->nmetadata = 0;
    return RT_OK;
}

rt_status rt_tensors_load(rt_tensor_file *out, const char *path, rt_error *err)
{
    header h = {0};
    rt_tensor_file f = {0};
    int64_t data = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_error(err, "open", path);
    }
    rt_status st = read_header(&h, fd, &data, path, err);
    st = st ? st : read_tensors(&f, &h, fd, data, path, err);
    close(fd);
    header_dispose(&h);
    if (st) {
        rt_tensor_file_dispose(&f);
        return st;
    }
    *out = f;
    return RT_OK;
}

/* --- writing ---------------------------------------------------------------------------- */

typedef struct output {
    int64_t item;            /* index into items */
    size_t size;             /* of an element */
    int64_t begin, end;
} output;

/* Large elements first, so that all are aligned; the order stays otherwise. */
static int by_size(const void *a, const void *b)
{
    const output *x = a, *y = b;
    if (x->size != y->size) {
        return x->size > y->size ? -1 : 1;
    }
    return x->item < y->item ? -1 : 1;
}

static int by_item(const void *a, const void *b)
{
    return ((const output *)a)->item < ((const output *)b)->item ? -1 : 1;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rt_status check_names(const rt_named_tensor *items, int64_t count,
                             rt_error *err)
{
    const char **names = rt_alloc((size_t)(count + 1) * sizeof *names);
    rt_status st = RT_OK;
    if (!names) {
        return rt_fail(err, RT_E_MEMORY, "save: no memory");
    }
    for (int64_t i = 0; i < count; i++) {
        names[i] = items[i].name;
    }
    qsort(names, (size_t)count, sizeof *names, by_text);
    for (int64_t i = 0; i < count && !st; i++) {
        if (strcmp(names[i], "__metadata__") == 0
            || (i && strcmp(names[i - 1], names[i]) == 0)) {
            st = rt_fail(err, RT_E_ARGUMENT, "save: the name '%.64s' is %s",
                         names[i], i ? "used twice" : "reserved");
        }
    }
    rt_free(names);
    return st;
}

static void write_entry(rt__text *t, const rt_named_tensor *item,
                        const output *o)
{
    const int64_t *shape = rt_tensor_shape(item->tensor);
    rt__json_quote(t, item->name);
    rt__text_format(t, ":{\"dtype\":\"%s\",\"shape\":[",
                    formats[rt_tensor_dtype(item->tensor)].name);
    for (int i = 0; i < rt_tensor_ndim(item->tensor); i++) {
        rt__text_format(t, "%s%lld", i ? "," : "", (long long)shape[i]);
    }
    rt__text_format(t, "],\"data_offsets\":[%lld,%lld]}", (long long)o->begin,
                    (long long)o->end);
}

/* Lays the tensors out (`plan` ends in file order) and writes the header text,
 * with its length in front, padded to a multiple of 8. */
static rt_status describe(char **out, size_t *size, output *plan,
                          const rt_named_tensor *items, int64_t count,
                          const char *const *metadata, int64_t nmetadata,
                          rt_error *err)
{
    int64_t at = 0;
    qsort(plan, (size_t)count, sizeof *plan, by_size);
    for (int64_t i = 0; i < count; i++) {
        plan[i].begin = at;
        at += rt_tensor_numel(items[plan[i].item].tensor)
              * (int64_t)plan[i].size;
        plan[i].end = at;
    }
    qsort(plan, (size_t)count, sizeof *plan, by_item);
    rt__text t = {0};
    rt__text_add(&t, "        {");
    for (int64_t i = 0; i < nmetadata; i++) {
        rt__text_add(&t, i ? "," : "\"__metadata__\":{");
        rt__json_quote(&t, metadata[2 * i]);
        rt__text_char(&t, ':');
        rt__json_quote(&t, metadata[2 * i + 1]);
    }
    rt__text_add(&t, nmetadata ? count ? "}," : "}" : "");
    for (int64_t i = 0; i < count; i++) {
        rt__text_add(&t, i ? "," : "");
        write_entry(&t, &items[i], &plan[i]);
    }
    rt__text_char(&t, '}');
    while (t.size % 8 && !t.failed) {
        rt__text_char(&t, ' ');
    }
    *size = t.size;
    rt_status st = rt__text_take(&t, out, err);
    for (int i = 0; i < 8 && !st; i++) {
        (*out)[i] = (char)((uint64_t)(*size - 8) >> 8 * i);
    }
    qsort(plan, (size_t)count, sizeof *plan, by_size);
    return st;
}

static rt_status write_all(int fd, const void *from, int64_t bytes,
                           const char *path, rt_error *err)
{
    for (int64_t at = 0; at < bytes;) {
        if (rt_interrupted()) {
            return rt_fail(err, RT_E_INTERRUPT, "save: interrupted; '%s' is as "
                           "it was", path);
        }
        int64_t want = bytes - at < PIECE ? bytes - at : PIECE;
        ssize_t n = write(fd, (const char *)from + at, (size_t)want);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return file_error(err, "write", path);
        }
        at += n;
    }
    return RT_OK;
}

static rt_status write_tensor(int fd, rt_tensor *t, const char *path,
                              rt_error *err)
{
    rt_tensor *flat, *plain;
    rt_status st = rt_detach(&plain, t, err);
    if (st) {
        return st;
    }
    st = rt__op1(RT_OP_contiguous, &flat, err, 1, RT_V_TENSOR(plain));
    rt_release(plain);
    if (st) {
        return st;
    }
    st = write_all(fd, rt_tensor_data(flat),
                   rt_tensor_numel(t) * (int64_t)rt_dtype_size(rt_tensor_dtype(t)),
                   path, err);
    rt_release(flat);
    return st;
}

static rt_status write_file(const char *path, const char *text, size_t size,
                            const output *plan, const rt_named_tensor *items,
                            int64_t count, rt_error *err)
{
    rt__target t;
    rt_status st = rt__target_open(&t, path, false, err);
    if (st) {
        return st;
    }
    st = write_all(t.fd, text, (int64_t)size, path, err);
    for (int64_t i = 0; i < count && !st; i++) {
        st = write_tensor(t.fd, items[plan[i].item].tensor, path, err);
    }
    return rt__target_close(&t, path, st, err);
}

rt_status rt_file_replace(const char *path, const void *data, size_t size,
                          rt_error *err)
{
    return write_file(path, data, size, NULL, NULL, 0, err);
}

rt_status rt_tensors_save(const char *path, const rt_named_tensor *items,
                          int64_t count, const char *const *metadata,
                          int64_t nmetadata, rt_error *err)
{
    rt_status st = check_names(items, count, err);
    if (st) {
        return st;
    }
    output *plan = rt_alloc((size_t)(count + 1) * sizeof *plan);
    char *text = NULL;
    size_t size = 0;
    if (!plan) {
        return rt_fail(err, RT_E_MEMORY, "save: no memory");
    }
    for (int64_t i = 0; i < count; i++) {
        plan[i] = (output){i, rt_dtype_size(rt_tensor_dtype(items[i].tensor)),
                           0, 0};
    }
    st = describe(&text, &size, plan, items, count, metadata, nmetadata, err);
    st = st ? st : write_file(path, text, size, plan, items, count, err);
    rt_free(text);
    rt_free(plan);
    return st;
}
