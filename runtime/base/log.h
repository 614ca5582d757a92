/* SPDX-License-Identifier: MIT
 * One line to the log sink, if the level (0 error .. 3 debug) is on.
 */
#ifndef RT_BASE_LOG_H
#define RT_BASE_LOG_H

void rt__log(int level, const char *text);

#endif
