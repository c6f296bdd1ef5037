/*
 * hostile.h
 *		What an answer consists of that no HTTP library would send.
 */
#ifndef SANDBOX_HOSTILE_H
#define SANDBOX_HOSTILE_H

#include "request.h"

#define HOSTILE_WITHOUT_END UINT64_MAX

/* The bytes of an answer: a head, a unit so many times, a tail. */
typedef struct HostileAnswer
{
	Request    *request;
	char	   *head;
	size_t		head_len;
	char	   *unit;
	size_t		unit_len;
	uint64_t	times;
	char	   *tail;
	size_t		tail_len;
	int64_t		pause_ms;		/* after each byte; 0 = none */
	bool		reset;			/* ends with RST instead of FIN */
} HostileAnswer;

extern bool sandbox_hostile_is_wanted(const Request *request);
extern HostileAnswer *sandbox_hostile_make(Request *request);
extern void sandbox_hostile_free(HostileAnswer *made);
extern char *sandbox_hostile_text(const json_t *spec, const char *name,
								  size_t *length);

#endif
