/* SPDX-License-Identifier: MIT
 *
 * kernelspec.h - `rustorch kernelspec install` and `remove`: the folder that
 * tells Jupyter of this kernel.
 */
#ifndef KERNEL_KERNELSPEC_H
#define KERNEL_KERNELSPEC_H

/* argv[0] is "install" or "remove", then options. The exit status; 2 with a
 * message when the arguments make no sense. */
int kernel_kernelspec_main(int argc, char **argv);

#endif
