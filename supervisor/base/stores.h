/*
 * stores.h - the order of stores to memory that outlives this process.
 */
#ifndef SUPERVISOR_BASE_STORES_H
#define SUPERVISOR_BASE_STORES_H

/* Makes all stores before it in the program precede those after it, for the process that finds the
 * memory after this one was killed. */
static inline void stores_settle(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
