/*
 * faults.h
 *		The faults that were ordered over the admin path, and which of them a
 *		request meets.
 */
#ifndef SANDBOX_FAULTS_H
#define SANDBOX_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

typedef enum FaultKind
{
	FAULT_NONE,
	FAULT_LATENCY,
	FAULT_HANG,
	FAULT_CLOSE,
	FAULT_ERROR,
	FAULT_RATE_LIMIT,
	FAULT_TRUNCATED,
	FAULT_HUGE,
	FAULT_DRIP,
	FAULT_HTML,
	FAULT_NO_ID,
	FAULT_NO_CONTENT,
	FAULT_REDIRECT,
	FAULT_ANSWER,
	FAULT_HEADERS,
	FAULT_INTERIM,
	FAULT_ENDLESS,
	FAULT_RAW					/* the last */
} FaultKind;

/* When a fault strikes, in the order of a request's life. */
typedef enum FaultMoment
{
	MOMENT_CONNECT,				/* as soon as the connection is made */
	MOMENT_HEADERS,				/* before the body is read */
	MOMENT_BEFORE,				/* read, nothing done */
	MOMENT_AFTER				/* done, the ledger written */
} FaultMoment;

/* What a fault is to meet, and what a request is. */
typedef struct FaultFacts
{
	FaultMoment moment;			/* CONNECT and HEADERS are asked for apart */
	const char *method;
	const char *route;			/* profile, message or status */
	const char *path;
	const char *fiscal_code;
	const char *service;
	unsigned	request_number;
} FaultFacts;

/* The faults that one request meets; "spec" is its own reference. */
typedef struct FaultPlan
{
	int64_t		delay_before_ms;
	int64_t		delay_after_ms; /* INT64_MAX = until released */
	FaultKind	kind;			/* what happens in place of the answer */
	FaultMoment moment;
	bool		work;			/* the request takes effect all the same */
	int			id;
	json_t	   *spec;			/* the fault as ordered */
} FaultPlan;

extern const char *sandbox_faults_kind_name(FaultKind kind);
extern json_t *sandbox_faults_add(json_t *spec, char *error, size_t size);
extern json_t *sandbox_faults_list(void);
extern int	sandbox_faults_remove(int id);
extern bool sandbox_faults_choose(const FaultFacts *facts, FaultPlan *plan);
extern void sandbox_faults_forget(FaultPlan *plan);

#endif
