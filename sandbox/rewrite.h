/*
 * rewrite.h
 *		What a fault puts in the place of an answer.
 */
#ifndef SANDBOX_REWRITE_H
#define SANDBOX_REWRITE_H

#include "request.h"

extern void sandbox_rewrite(Request *request);

#endif
