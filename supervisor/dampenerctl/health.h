/*
 * health.h - whether a daemon serves, in a word for scripts.
 */
#ifndef DAMPENERCTL_HEALTH_H
#define DAMPENERCTL_HEALTH_H

/* Prints "serving" and returns OUTPUT_DONE if the daemon serves, as its /healthz decides. Otherwise
 * prints "not serving: " and why, and returns OUTPUT_FAILED. */
int health_run(const char *path);

/* Prints "not serving: " and the reason, up to the end of its line.  Returns OUTPUT_FAILED. */
int health_deny(const char *reason);

#endif
