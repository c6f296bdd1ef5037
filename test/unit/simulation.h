/*
 * simulation.h
 *		A model of IO, and of a client that uses the limiter and the schedules.
 *
 * Virtual time in microseconds, the same run for the same pattern always.
 */
#ifndef IOMSG_SIMULATION_H
#define IOMSG_SIMULATION_H

#include <stdbool.h>
#include <stdint.h>

#define SECOND		INT64_C(1000000)
#define QUOTA		150
#define PERIOD		(5 * SECOND)
#define CLIENTS		2
#define IN_FLIGHT	32

typedef enum Step
{
	CHECK, SEND, POLL, STEPS
} Step;

/* What differs between the patterns. */
typedef struct Pattern
{
	const char *name;
	int			messages;
	int			bursts;			/* how many such lots */
	int64_t		burst_every;
	int64_t		spread;			/* each lot comes over this time */
	int			clients;		/* databases that share the account */
	int64_t		jitter;			/* of the network, there and back */
	int64_t		others_from, others_to; /* another system takes a third */
	int64_t		slow_from, slow_to; /* answers take slow_us, some fail */
	int64_t		slow_us;
} Pattern;

/* What came of it. */
typedef struct Result
{
	int			messages;
	int			unknown;		/* never known as PROCESSED */
	int			sent_by[CLIENTS];
	long		calls[STEPS];	/* made by us */
	long		refused;		/* of these, with 429 */
	long		refused_others;
	long		counted_busy;	/* by IO, until the last was sent */
	int64_t		last_sent;
	int64_t		slowest_start;	/* from enqueuing to IO's acceptance */
	double		use;			/* per cent of what the quota allowed */
	double		half_s, most_s; /* to PROCESSED: 50 % and 95 % of them */
} Result;

/* Lives the pattern through, prints what came of it, and returns it. */
extern Result simulation_run(const Pattern *pattern);

/* The future, in order of time; both ends are in simulation_queue.c. */
typedef struct Event
{
	int64_t		at;
	int			kind;
	int			subject;
} Event;

extern void simulation_plan(int64_t at, int kind, int subject);
extern bool simulation_next(Event *event);

#endif							/* IOMSG_SIMULATION_H */
