/*
 * options.c
 *		The command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "options.h"

enum OptionCode
{
	OPT_LISTEN = 256, OPT_PORT, OPT_CERT, OPT_KEY, OPT_CONFIG, OPT_SERVICE,
	OPT_QUOTA, OPT_PERIOD, OPT_SCALE, OPT_DELAY, OPT_UNKNOWN, OPT_OPTED_OUT,
	OPT_INBOX_OFF, OPT_FAILED, OPT_ALL_ALLOWED, OPT_PROFILE, OPT_LEDGER,
	OPT_LEDGER_BODY, OPT_JOURNAL, OPT_PORT_FILE, OPT_PID_FILE, OPT_THREADS,
	OPT_IDLE, OPT_TLS
};

static const struct option long_options[] = {
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"port", required_argument, NULL, OPT_PORT},
	{"cert", required_argument, NULL, OPT_CERT},
	{"key", required_argument, NULL, OPT_KEY},
	{"tls-priority", required_argument, NULL, OPT_TLS},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"service", required_argument, NULL, OPT_SERVICE},
	{"quota", required_argument, NULL, OPT_QUOTA},
	{"quota-period-ms", required_argument, NULL, OPT_PERIOD},
	{"clock-scale", required_argument, NULL, OPT_SCALE},
	{"processing-delay-ms", required_argument, NULL, OPT_DELAY},
	{"unknown", required_argument, NULL, OPT_UNKNOWN},
	{"opted-out", required_argument, NULL, OPT_OPTED_OUT},
	{"inbox-off", required_argument, NULL, OPT_INBOX_OFF},
	{"failed", required_argument, NULL, OPT_FAILED},
	{"all-allowed", no_argument, NULL, OPT_ALL_ALLOWED},
	{"profile", required_argument, NULL, OPT_PROFILE},
	{"ledger", required_argument, NULL, OPT_LEDGER},
	{"ledger-body", no_argument, NULL, OPT_LEDGER_BODY},
	{"journal", required_argument, NULL, OPT_JOURNAL},
	{"port-file", required_argument, NULL, OPT_PORT_FILE},
	{"pid-file", required_argument, NULL, OPT_PID_FILE},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"idle-timeout-s", required_argument, NULL, OPT_IDLE},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0}
};

/* Reads a whole number within limits. */
static bool
read_integer(const char *text, int64_t low, int64_t high, int64_t *out)
{
	char	   *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= low &&
		*out <= high;
}

/* Reads a decimal number within limits. */
static bool
read_number(const char *text, double low, double high, double *out)
{
	char	   *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= low && *out <= high;
}

/* Takes the options of the citizens and their messages. */
static bool
take_citizen_option(Options *options, int code)
{
	ProfileShares *shares = &options->shares;

	switch (code)
	{
		case OPT_DELAY:
			return read_integer(optarg, 0, INT64_C(31536000000),
								&options->processing_delay_ms);
		case OPT_UNKNOWN:
			return read_number(optarg, 0, 1, &shares->unknown);
		case OPT_OPTED_OUT:
			return read_number(optarg, 0, 1, &shares->opted_out);
		case OPT_INBOX_OFF:
			return read_number(optarg, 0, 1, &shares->inbox_off);
		case OPT_FAILED:
			return read_number(optarg, 0, 1, &shares->failed);
		case OPT_ALL_ALLOWED:
			memset(shares, 0, sizeof(*shares));
			return true;
		case OPT_PROFILE:
			return sandbox_profiles_argument(optarg);
		default:
			return false;
	}
}

/* Takes the options that name a file. */
static bool
take_path_option(Options *options, int code)
{
	switch (code)
	{
		case OPT_CERT:
			options->certificate_path = optarg;
			return true;
		case OPT_KEY:
			options->key_path = optarg;
			return true;
		case OPT_CONFIG:
			options->config_path = optarg;
			return true;
		case OPT_LEDGER:
			options->ledger_path = optarg;
			return true;
		case OPT_JOURNAL:
			options->journal_path = optarg;
			return true;
		case OPT_PORT_FILE:
			options->port_path = optarg;
			return true;
		case OPT_PID_FILE:
			options->pid_path = optarg;
			return true;
		default:
			return take_citizen_option(options, code);
	}
}

/* Takes one option; false if its value is not right. */
static bool
take_option(Options *options, int code)
{
	int64_t		number;

	switch (code)
	{
		case OPT_LISTEN:
			options->front.listen_address = optarg;
			return true;
		case OPT_TLS:
			options->front.tls_priority = optarg;
			return true;
		case OPT_PORT:
			if (!read_integer(optarg, 0, 65535, &number))
				return false;
			options->front.port = (uint16_t) number;
			return true;
		case OPT_THREADS:
			if (!read_integer(optarg, 2, 64, &number))
				return false;
			options->front.threads = (unsigned) number;
			return true;
		case OPT_IDLE:
			if (!read_integer(optarg, 0, 86400, &number))
				return false;
			options->front.idle_timeout_s = (unsigned) number;
			return true;
		case OPT_SERVICE:
			if (options->service_count == 64)
				return false;
			options->service_args[options->service_count++] = optarg;
			return true;
		case OPT_QUOTA:
			return read_integer(optarg, 0, 1000000000,
								&options->quota_calls);
		case OPT_PERIOD:
			return read_integer(optarg, 1, 86400000,
								&options->quota_period_ms);
		case OPT_SCALE:
			return read_number(optarg, 0.001, 100000, &options->clock_scale);
		case OPT_LEDGER_BODY:
			options->ledger_body = true;
			return true;
		default:
			return take_path_option(options, code);
	}
}

/* Puts the values of a sandbox that was told nothing. */
static void
set_defaults(Options *options)
{
	memset(options, 0, sizeof(*options));
	options->front.listen_address = "127.0.0.1";
	options->front.port = 8080;
	options->front.threads = 4;
	options->front.idle_timeout_s = 120;
	options->quota_calls = 150;
	options->quota_period_ms = 5000;
	options->processing_delay_ms = 2000;
	options->clock_scale = 1.0;
	options->shares.unknown = 0.05;
	options->shares.opted_out = 0.02;
	options->shares.inbox_off = 0.01;
}

/* Reads the command line; false if the process is to end with a status. */
bool
sandbox_options_read(Options *options, int argc, char **argv,
					 int *exit_status)
{
	int			code;
	int			which = 0;

	set_defaults(options);
	*exit_status = 2;
	while ((code = getopt_long(argc, argv, "hV", long_options, &which)) != -1)
	{
		if (code == 'h' || code == 'V')
		{
			fputs(code == 'h' ? sandbox_help :
				  "io-sandbox " SANDBOX_VERSION "\n", stdout);
			*exit_status = 0;
			return false;
		}
		if (code == '?')
			return false;
		if (!take_option(options, code))
		{
			fprintf(stderr, "io-sandbox: invalid value \"%s\" for --%s\n",
					optarg, long_options[which].name);
			return false;
		}
	}
	if (optind < argc)
	{
		fprintf(stderr, "io-sandbox: unexpected argument \"%s\"\n",
				argv[optind]);
		return false;
	}
	if (!options->certificate_path != !options->key_path)
	{
		fputs("io-sandbox: --cert and --key go together\n", stderr);
		return false;
	}
	return true;
}
