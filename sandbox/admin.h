/*
 * admin.h
 *		The admin path, over which tests and people change the sandbox while
 *		it runs.
 */
#ifndef SANDBOX_ADMIN_H
#define SANDBOX_ADMIN_H

#include <stdbool.h>

#include "request.h"

extern void sandbox_admin_answer(Request *request);
extern void sandbox_admin_on_shutdown(void (*callback) (void));

#endif
