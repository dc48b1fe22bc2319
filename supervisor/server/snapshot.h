/*
 * snapshot.h - reads the figures of the service out of its rooms, for figures/ to render.
 *
 * Nothing is computed before somebody asks.
 */
#ifndef SUPERVISOR_SERVER_SNAPSHOT_H
#define SUPERVISOR_SERVER_SNAPSHOT_H

#include "supervisor/figures/figures.h"
#include "supervisor/server/state.h"

/* Fills in a snapshot and renders it. */
void snapshot_render(struct server *server, figures_renderer *render, struct text *text);

/* Fills in a snapshot without the lists of listeners and sources.  The lists cost system calls and
 * a look at every source. */
void snapshot_count(const struct server *server, struct snapshot *snapshot);

/* What the service does now, in the words of the field "state". */
const char *snapshot_state(const struct server *server);

/* Returns true if handlers can be started: a dispatcher is there for it, and supervisors do not die
 * one after the other. */
bool snapshot_can_serve(const struct server *server);

/* Returns true if clients are served now. */
bool snapshot_is_serving(const struct server *server);

#endif
