/*
 * gateway.h
 *		What stands before IO's back end: routes, keys, quota; and the choice
 *		of the faults that a request meets.
 */
#ifndef SANDBOX_GATEWAY_H
#define SANDBOX_GATEWAY_H

#include "request.h"

extern void sandbox_gateway_route(Request *request);
extern void sandbox_gateway_judge(Request *request);
extern void sandbox_gateway_read_body(Request *request);
extern void sandbox_gateway_choose_faults(Request *request,
										  FaultMoment moment);

#endif
