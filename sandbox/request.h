/*
 * request.h
 *		One HTTP request on its way through the sandbox.
 */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <microhttpd.h>

#include "answer.h"
#include "clock.h"
#include "faults.h"
#include "quota.h"
#include "registry.h"

#define BODY_LIMIT ((size_t) 4 * 1024 * 1024)

typedef enum Route
{
	ROUTE_NONE,
	ROUTE_PROFILE_POST,
	ROUTE_PROFILE_GET,
	ROUTE_MESSAGE_POST,
	ROUTE_MESSAGE_POST_PATH,
	ROUTE_MESSAGE_GET,
	ROUTE_ADMIN
} Route;

#define ROUTE_COUNT (ROUTE_ADMIN + 1)

/* The steps, in order, between which a request may have to wait. */
typedef enum Step
{
	STEP_BODY,					/* the body is still coming */
	STEP_JUDGE,					/* gateway's verdict, choice of faults */
	STEP_WORK,					/* back end */
	STEP_WRITTEN,				/* the ledger line is on disk */
	STEP_ANSWER,
	STEP_DONE
} Step;

typedef struct Request
{
	struct MHD_Connection *connection;
	int			fd;
	uint64_t	connection_number;
	unsigned	request_number; /* on its connection, from 1 */
	char	   *method;
	char	   *path;
	Route		route;
	char		fiscal_code[64];	/* as given; "" if none */
	char		message_id[64];
	char	   *body;
	size_t		body_len;
	size_t		body_room;
	bool		body_too_large;
	json_t	   *json;			/* the body, if it could be parsed */
	char		json_error[160];
	Service    *service;
	bool		secondary_key;
	QuotaVerdict quota;
	FaultPlan	plan;
	Step		step;
	Answer		answer;
	bool		accepted;		/* a message was accepted */
	json_t	   *message;		/* as accepted, for the ledger */
	char		accepted_id[ULID_LENGTH + 1];
	bool		write_failed;	/* the ledger could not be written */
	bool		gone;			/* the client left while it waited */
	bool		recorded;		/* in journal and statistics */
	int64_t		arrived_real_us;
	int64_t		arrived_clock_us;
	struct Request *next_waiting;	/* in the ledger's or timer's list */
	struct Request *previous_waiting;
	int64_t		wake_us;		/* monotonic; INT64_MAX = until released */
} Request;

#endif
