/*
 * options.h
 *		The command line.
 */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "front.h"
#include "profiles.h"

#define SANDBOX_VERSION "0.1.0"

typedef struct Options
{
	FrontOptions front;
	const char *config_path;
	const char *ledger_path;
	const char *journal_path;
	const char *port_path;
	const char *pid_path;
	const char *certificate_path;
	const char *key_path;
	const char *service_args[64];
	int			service_count;
	bool		ledger_body;
	int64_t		quota_calls;
	int64_t		quota_period_ms;
	int64_t		processing_delay_ms;
	double		clock_scale;
	ProfileShares shares;
} Options;

extern bool sandbox_options_read(Options *options, int argc, char **argv,
								 int *exit_status);

#endif
