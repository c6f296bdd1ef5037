/*
 * main.c
 *		Starts the sandbox, waits for the signal to end, and ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin.h"
#include "clock.h"
#include "config.h"
#include "decode.h"
#include "ledger.h"
#include "messages.h"
#include "options.h"
#include "stats.h"
#include "timer.h"
#include "wire.h"

/* Ends the process with a message on standard error. */
static void
give_up(const char *what, const char *why)
{
	fprintf(stderr, "io-sandbox: %s: %s\n", what, why);
	exit(1);
}

/* Reads a whole file into memory; gives up if it cannot. */
static char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "re");
	char	   *text = NULL;
	size_t		room = 0;

	if (file == NULL || getdelim(&text, &room, '\0', file) < 0)
		give_up(path, strerror(errno));
	fclose(file);
	return text;
}

/* Writes a number to a file that others wait for, all at once. */
static void
write_number(const char *path, long number)
{
	char		temporary[4096];
	FILE	   *file;

	if (path == NULL)
		return;
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (file == NULL || fprintf(file, "%ld\n", number) < 0 ||
		fclose(file) != 0 || rename(temporary, path) != 0)
		give_up(path, strerror(errno));
}

/* Allows as many connections as the system lets us have. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Ends the process as a signal would, for the admin path. */
static void
request_end(void)
{
	kill(getpid(), SIGTERM);
}

/* Sets up the services that the command line asks for. */
static void
set_up_services(const Options *options)
{
	char		error[256];

	sandbox_registry_defaults(options->quota_calls,
							  options->quota_period_ms);
	if (options->config_path == NULL)
		sandbox_registry_service("default", true);
	else if (!sandbox_config_read(options->config_path, error,
								  sizeof(error)))
		give_up("configuration", error);
	for (int i = 0; i < options->service_count; i++)
	{
		if (!sandbox_config_argument(options->service_args[i]))
			give_up("invalid --service", options->service_args[i]);
	}
}

/* Opens the files to which the sandbox writes. */
static void
open_records(const Options *options)
{
	if (options->ledger_path &&
		!sandbox_ledger_start(options->ledger_path, options->ledger_body))
		give_up(options->ledger_path, strerror(errno));
	if (options->journal_path &&
		!sandbox_stats_open_journal(options->journal_path))
		give_up(options->journal_path, strerror(errno));
}

/* Starts the server and tells that it is ready. */
static void
start_server(Options *options)
{
	uint16_t	port = 0;

	if (options->certificate_path)
	{
		options->front.certificate = read_file(options->certificate_path);
		options->front.private_key = read_file(options->key_path);
	}
	if (!sandbox_timer_start() ||
		!sandbox_front_start(&options->front, &port))
		give_up(options->front.listen_address, "cannot listen");
	write_number(options->pid_path, (long) getpid());
	write_number(options->port_path, port);
	printf("listening on %s://%s:%u/api/v1\n",
		   options->certificate_path ? "https" : "http",
		   options->front.listen_address, port);
	fflush(stdout);
}

/* Stops everything in an order in which nothing is left suspended. */
static void
stop_server(const Options *options)
{
	sandbox_timer_stop();
	sandbox_wire_stop();
	sandbox_ledger_stop();
	sandbox_front_stop();
	sandbox_stats_close_journal();
	sandbox_faults_remove(0);
	sandbox_messages_reset();
	sandbox_profiles_reset();
	sandbox_registry_free();
	sandbox_decode_free();
	free((char *) options->front.certificate);
	free((char *) options->front.private_key);
	if (options->pid_path)
		unlink(options->pid_path);
}

/* Runs a sandbox until it is told to end. */
int
main(int argc, char **argv)
{
	Options		options;
	sigset_t	signals;
	int			caught;
	int			status;

	json_object_seed(0);
	if (!sandbox_options_read(&options, argc, argv, &status))
		return status;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	raise_file_limit();
	sandbox_clock_start(options.clock_scale);
	sandbox_profiles_set_shares(&options.shares);
	sandbox_messages_set_delay(options.processing_delay_ms);
	set_up_services(&options);
	open_records(&options);
	sandbox_admin_on_shutdown(request_end);
	start_server(&options);
	do
		sigwait(&signals, &caught);
	while (caught == SIGHUP);
	stop_server(&options);
	return 0;
}
