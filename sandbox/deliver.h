/*
 * deliver.h
 *		Sends a request's answer, or what a fault makes of it.
 */
#ifndef SANDBOX_DELIVER_H
#define SANDBOX_DELIVER_H

#include "request.h"

extern enum MHD_Result sandbox_deliver(Request *request);

#endif
