/*
 * ledger.h
 *		The file of everything that was accepted, durable before the answer.
 */
#ifndef SANDBOX_LEDGER_H
#define SANDBOX_LEDGER_H

#include "request.h"

extern bool sandbox_ledger_start(const char *path, bool with_body);
extern bool sandbox_ledger_is_on(void);
extern void sandbox_ledger_add(Request *request);
extern void sandbox_ledger_stop(void);

#endif
