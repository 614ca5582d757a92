/* SPDX-License-Identifier: MIT
 *
 * bundle.h - MIME bundles of the language as JSON of the protocol.
 */
#ifndef KERNEL_BUNDLE_H
#define KERNEL_BUNDLE_H

#include "lang/lang.h"

#include <jansson.h>

/* {mime: data}: binary data in base64, JSON types as JSON (new). */
json_t *kernel_bundle_data(const lang_bundle *b);
/* {mime: {width, height}} for images whose size is said (new). */
json_t *kernel_bundle_metadata(const lang_bundle *b);
/* Its text/plain; NULL when it has none. */
const lang_mime *kernel_bundle_plain(const lang_bundle *b);

#endif
