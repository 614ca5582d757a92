/* SPDX-License-Identifier: MIT
 * Steps named in ops.def that no file defines: their ops answer
 * RT_E_UNSUPPORTED. Who writes a step removes its line.
 */
