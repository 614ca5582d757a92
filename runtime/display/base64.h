/* SPDX-License-Identifier: MIT
 * Base64 (RFC 4648) into a text.
 */
#ifndef RT_DISPLAY_BASE64_H
#define RT_DISPLAY_BASE64_H

#include "runtime/base/text.h"

void rt__base64(rt__text *out, const void *data, size_t size);

#endif
