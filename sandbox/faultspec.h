/*
 * faultspec.h
 *		The JSON form of a fault.
 */
#ifndef SANDBOX_FAULTSPEC_H
#define SANDBOX_FAULTSPEC_H

#include <regex.h>

#include "faults.h"

/* An ordered fault, ready to be matched. */
typedef struct Fault
{
	int			id;
	FaultKind	kind;
	FaultMoment moment;
	bool		work;
	int64_t		min_ms;
	int64_t		max_ms;
	int64_t		left;			/* times still to strike; -1 = for ever */
	int64_t		skip;			/* matching requests to let pass first */
	int64_t		fired;
	double		probability;
	unsigned	nth_request;	/* 0 = any */
	bool		has_pattern;
	regex_t		pattern;		/* of the path, if it begins with "~" */
	json_t	   *spec;
	struct Fault *next;
} Fault;

extern Fault *sandbox_faultspec_read(json_t *spec, char *error, size_t size);
extern void sandbox_faultspec_free(Fault *fault);

#endif
