/*
 * launcher.h
 *	  The background worker that starts a drainer for each database in need.
 */
#ifndef IOMSG_LAUNCHER_H
#define IOMSG_LAUNCHER_H

#include "postgres.h"

extern void iomsg_launcher_register(void);
extern PGDLLEXPORT void iomsg_launcher_main(Datum main_arg);

#endif							/* IOMSG_LAUNCHER_H */
