/*
 * table.h - the status as a table for people.
 */
#ifndef DAMPENERCTL_TABLE_H
#define DAMPENERCTL_TABLE_H

#include "dispatcher/shared/text.h"
#include "supervisor/dampenerctl/status.h"

enum { TABLE_SIZE = 16384 /* room for any */ };

void table_write(struct text *text, const struct status *status);

#endif
