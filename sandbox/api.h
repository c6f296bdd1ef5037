/*
 * api.h
 *		IO's back end: what the sandbox answers to a call that the gateway let
 *		through.
 */
#ifndef SANDBOX_API_H
#define SANDBOX_API_H

#include "request.h"

extern void sandbox_api_profile(Request *request);
extern void sandbox_api_create_message(Request *request);
extern void sandbox_api_get_message(Request *request);

/* The answers that several calls share. */
extern bool sandbox_api_has_groups(Request *request, bool permitted);
extern bool sandbox_api_has_address(Request *request);
extern bool sandbox_api_has_recipient(Request *request,
									  const char *fiscal_code);
extern bool sandbox_api_path_code(Request *request);
extern bool sandbox_api_parsed(Request *request);
extern void sandbox_api_refuse(Request *request, const char *detail);

#endif
