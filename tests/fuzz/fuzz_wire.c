/* SPDX-License-Identifier: MIT
 * Fuzz target: frames as they come from the network. The first byte says how
 * many frames, each frame starts with two bytes of length; an unsigned wire, so
 * that the header's parser is reached too.
 */
#include "kernel/protocol/wire.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static jp_wire *wire;
    static jp_message m;
    jp_error err = {0};
    if (!wire) {
        wire = jp_wire_new("hmac-sha256", "", "fuzz", 'f', &err);
    }
    if (!wire || size == 0) {
        return 0;
    }
    size_t at = 1;
    int n = 0;
    memset(&m, 0, sizeof m);
    while (n < data[0] % 24 && at + 2 <= size) {
        size_t length = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        length = length < size - at ? length : size - at;
        m.frames[n++] = (jp_slice){(const char *)data + at, length};
        at += length;
    }
    m.nframes = n;
    jp_message_judge(wire, &m, &err);
    json_decref(m.head);   /* there as well when only its fields were wrong */
    return 0;
}
