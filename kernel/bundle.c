/* SPDX-License-Identifier: MIT
 * MIME bundles as JSON.
 */
#include "kernel/bundle.h"

#include "kernel/log.h"
#include "kernel/text.h"

#include <stdlib.h>
#include <string.h>

static json_t *base64(const char *data, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = kernel_alloc((size + 2) / 3 * 4 + 1), *at = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t v = (uint32_t)(unsigned char)data[i] << 16;
        v |= left > 1 ? (uint32_t)(unsigned char)data[i + 1] << 8 : 0;
        v |= left > 2 ? (uint32_t)(unsigned char)data[i + 2] : 0;
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[v & 63] : '=';
    }
    json_t *s = json_stringn_nocheck(text, (size_t)(at - text));
    free(text);
    return s;
}

static bool is_json(const char *mime)
{
    size_t n = strlen(mime);
    return strcmp(mime, "application/json") == 0 ||
           (n > 5 && strcmp(mime + n - 5, "+json") == 0);
}

static json_t *encode(const lang_mime *m)
{
    json_t *value = NULL;
    if (m->binary) {
        return base64(m->data, m->size);
    }
    if (is_json(m->mime)) {
        value = json_loadb(m->data, m->size, JSON_DECODE_ANY, NULL);
    }
    return value ? value : kernel_json_text(m->data, m->size);
}

json_t *kernel_bundle_data(const lang_bundle *b)
{
    json_t *data = json_object();
    for (int i = 0; i < b->count; i++) {
        json_object_set_new(data, b->items[i].mime, encode(&b->items[i]));
    }
    return data;
}

json_t *kernel_bundle_metadata(const lang_bundle *b)
{
    json_t *metadata = json_object();
    for (int i = 0; i < b->count; i++) {
        const char *mime = b->items[i].mime;
        if (b->width > 0 && b->height > 0 && strncmp(mime, "image/", 6) == 0) {
            json_object_set_new(metadata, mime,
                                json_pack("{si si}", "width", b->width,
                                          "height", b->height));
        }
    }
    return metadata;
}

const lang_mime *kernel_bundle_plain(const lang_bundle *b)
{
    for (int i = 0; i < b->count; i++) {
        if (strcmp(b->items[i].mime, "text/plain") == 0) {
            return &b->items[i];
        }
    }
    return NULL;
}
