/* SPDX-License-Identifier: MIT
 *
 * target.h - where a file's new content goes, so that at any moment the name
 * leads to the old file or to the new one, whole.
 *
 * The bytes go to a file without a name where the file system has such, and it
 * is gone with a process that dies. Else they go to a hidden file beside the
 * target, locked while it is written: one that a dead process left is the next
 * to be written to, and ends under the target's name.
 */
#ifndef RT_NN_TARGET_H
#define RT_NN_TARGET_H

#include "runtime/rustorch.h"

typedef struct rt__target {
    char *path;       /* through symbolic links */
    char *part;       /* the hidden name; NULL: written to itself (a pipe) */
    int fd;
    bool unnamed;     /* the hidden name has not been given yet */
} rt__target;

/* Opens what is to be written for `path`; t->fd is for the caller to write.
 * `named`: as where no file can be without a name. Fails with RT_E_FILE or
 * RT_E_MEMORY, and then leaves nothing to close. */
rt_status rt__target_open(rt__target *t, const char *path, bool named,
                          rt_error *err);
/* Makes it durable and gives it the name, unless `st` is a failure: then
 * nothing is left of it. Returns st or a failure of its own. */
rt_status rt__target_close(rt__target *t, const char *path, rt_status st,
                           rt_error *err);

#endif
