/* SPDX-License-Identifier: MIT
 *
 * One strong reference to each file of kernels. The catalog's references are
 * weak, and a linker takes nothing out of an archive for a weak reference; this
 * table is what brings the files in.
 */
#include "runtime/ops/op.h"

#define FAMILIES                                                               \
    FAMILY(zeros)       /* creation.c */                                       \
    FAMILY(flatten)     /* shapes.c */                                         \
    FAMILY(cat)         /* cpu/join.c */                                       \
    FAMILY(index)       /* cpu/index.c */                                      \
    FAMILY(gather)      /* cpu/gather.c */

#define FAMILY(name) rt_status rt__kernel_##name(rt__call *c);
FAMILIES
rt_status rt__infer_view(rt__call *c);      /* views.c */
#undef FAMILY

extern const rt__step rt__families[];
const rt__step rt__families[] = {
#define FAMILY(name) rt__kernel_##name,
    FAMILIES
#undef FAMILY
    rt__infer_view,
};
