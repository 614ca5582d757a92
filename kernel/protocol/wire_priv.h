/* SPDX-License-Identifier: MIT
 * wire_priv.h - what wire.c (receiving) and packet.c (sending) share.
 */
#ifndef JP_WIRE_PRIV_H
#define JP_WIRE_PRIV_H

#include "kernel/protocol/sign.h"
#include "kernel/protocol/wire.h"

struct jp_wire {
    jp_signer *signer;
    jp_replay *replay;
    char session[JP_SESSION_SIZE];
    char username[64];
    char tag;
    unsigned long long sent;
};

#endif
