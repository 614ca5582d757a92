/* SPDX-License-Identifier: MIT
 * Steps named in ops.def that no file defines: their ops answer
 * RT_E_UNSUPPORTED. Who writes a step removes its line.
 */
#pragma weak rt__kernel_addcdiv
#pragma weak rt__kernel_addcmul
#pragma weak rt__kernel_addmm
#pragma weak rt__kernel_allclose
#pragma weak rt__kernel_count_nonzero
#pragma weak rt__kernel_einsum
#pragma weak rt__kernel_equal
#pragma weak rt__kernel_frac
#pragma weak rt__kernel_hardtanh
#pragma weak rt__kernel_lerp
#pragma weak rt__kernel_logit
#pragma weak rt__kernel_logsigmoid
#pragma weak rt__kernel_mish
#pragma weak rt__kernel_nan_to_num
#pragma weak rt__kernel_outer
#pragma weak rt__kernel_selu
#pragma weak rt__kernel_trace
#pragma weak rt__kernel_type_as
#pragma weak rt__kernel_trace
#pragma weak rt__kernel_type_as
