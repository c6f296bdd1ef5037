/*
 * wire.h
 *		Answers that no HTTP library would send, on the bare socket.
 */
#ifndef SANDBOX_WIRE_H
#define SANDBOX_WIRE_H

#include "request.h"

extern enum MHD_Result sandbox_wire_send(Request *request);
extern void sandbox_wire_end(int fd, bool reset);
extern void sandbox_wire_stop(void);

#endif
