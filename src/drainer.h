/*
 * drainer.h
 *	  The background worker that sends what one database has queued.
 */
#ifndef IOMSG_DRAINER_H
#define IOMSG_DRAINER_H

#include "postgres.h"

extern PGDLLEXPORT void iomsg_drainer_main(Datum main_arg);

#endif							/* IOMSG_DRAINER_H */
