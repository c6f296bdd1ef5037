/*
 * probe.h
 *	  What is due: the lanes that are looked into.
 */
#ifndef IOMSG_PROBE_H
#define IOMSG_PROBE_H

#include "postgres.h"

#include "outbox.h"

#define IOMSG_PROBE_LANES	512
#define IOMSG_PROBE_BATCHES 4	/* rows of poll, of one lane */

/* The lanes of one probe, and what they found. */
typedef struct Probe
{
	int			nlanes;
	Service    *services[IOMSG_PROBE_LANES];
	int			lanes[IOMSG_PROBE_LANES];
	int			nrows[IOMSG_PROBE_LANES];
	Datum		service_ids[IOMSG_PROBE_LANES];
	Datum		priorities[IOMSG_PROBE_LANES];
	Datum		due_ats[IOMSG_PROBE_LANES];
	Datum		ids[IOMSG_PROBE_LANES];
} Probe;

extern bool iomsg_probe_advance(Lane *lane, TimestampTz due_at, int64 id,
								TimestampTz now);
extern void iomsg_probe_text(char *to, size_t size, Datum datum,
								  bool isnull);
extern TimestampTz iomsg_probe_time(Datum datum, bool isnull);

/* due_polls.c */
extern void iomsg_probe_polls(Outbox *outbox, Work *work, Probe *probe,
							  TimestampTz now);

#endif							/* IOMSG_PROBE_H */
