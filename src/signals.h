/*
 * signals.h
 *	  The drainer's signals, and settings that nobody may change under it.
 */
#ifndef IOMSG_SIGNALS_H
#define IOMSG_SIGNALS_H

#include "postgres.h"

extern void iomsg_signals_install(void);
extern bool iomsg_signals_stop_requested(void);
extern void iomsg_signals_begin_commit(void);
extern void iomsg_signals_end_commit(void);
extern void iomsg_signals_harden_settings(void);
extern void iomsg_signals_commit_locally(void);

#endif							/* IOMSG_SIGNALS_H */
