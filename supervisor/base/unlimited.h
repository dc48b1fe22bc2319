/*
 * unlimited.h - the number that means "no limit", for every limit that is a uint32_t.
 *
 * The operator's word for it is `none`.
 */
#ifndef SUPERVISOR_BASE_UNLIMITED_H
#define SUPERVISOR_BASE_UNLIMITED_H

#include <stdint.h>

enum { UNLIMITED = UINT32_MAX };

#endif
