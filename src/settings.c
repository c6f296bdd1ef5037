/*
 * settings.c
 *	  The settings of io_msg (GUC variables) and what may be put into them.
 *
 * Whatever the worker reads is PGC_SIGHUP, so that a reload reaches it; what
 * decides where keys and citizens' data may go is for superusers' eyes.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "compat.h"
#include "settings.h"

bool		iomsg_enabled = true;
char	   *iomsg_keys_file = NULL;
char	   *iomsg_allowed_hosts = NULL;
char	   *iomsg_ca_file = NULL;
char	   *iomsg_instance = NULL;
int			iomsg_max_in_flight = 32;
int			iomsg_max_databases = 16;
int			iomsg_max_attempts = 6;
int			iomsg_idle_exit_ms = 2000;
int			iomsg_shutdown_grace_ms = 10000;
int			iomsg_answer_timeout_ms = 190000;
int			iomsg_connect_timeout_ms = 10000;
int			iomsg_max_mark_age_ms = 30000;
int			iomsg_retry_pause_ms = 30000;
int			iomsg_poll_delay_ms = 60000;
int			iomsg_sweep_ms = 60000;
int			iomsg_uncertain_reminder_ms = 3600000;
int			iomsg_on_promotion = ON_PROMOTION_HOLD;

static const struct config_enum_entry on_promotion_options[] = {
	{"hold", ON_PROMOTION_HOLD, false},
	{"trust", ON_PROMOTION_TRUST, false},
	{NULL, 0, false}
};

static bool check_allowed_hosts(char **newval, void **extra,
								GucSource source);

/*
 * A text setting that only superusers see and only a reload changes.
 */
static void
define_private_text(const char *name, const char *description,
					const char *details, char **variable,
					const char *boot_value, GucStringCheckHook check)
{
	DefineCustomStringVariable(name, description, details, variable,
							   boot_value, PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check, NULL, NULL);
}

/*
 * A time in milliseconds that a reload changes.
 */
static void
define_time(const char *name, const char *description, const char *details,
			int *variable, int min_ms, int max_ms)
{
	DefineCustomIntVariable(name, description, details, variable, *variable,
							min_ms, max_ms, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static void
define_texts(void)
{
	define_private_text("io_msg.keys_file",
						"The file with the keys of the services at IO.",
						"A relative name is taken from the directory of "
						"postgresql.conf. It may not be in the data directory "
						"and others may not read it.",
						&iomsg_keys_file, "io_msg.keys", NULL);
	define_private_text("io_msg.allowed_hosts",
						"Hosts that keys and messages may ever be sent to.",
						"Names, with :port or for any port, separated by "
						"commas. Loopback addresses only when listed here.",
						&iomsg_allowed_hosts,
						"api.io.pagopa.it, api-mtls.io.pagopa.it",
						check_allowed_hosts);
	define_private_text("io_msg.ca_file",
						"A file of certificate authorities to trust in place "
						"of the system's.",
						NULL, &iomsg_ca_file, "", NULL);
	define_private_text("io_msg.instance",
						"A name of this server, to tell it from its copies.",
						"Where it differs from the one noted by io_arm(), "
						"nothing is sent.",
						&iomsg_instance, "", NULL);
}

static void
define_numbers(void)
{
	DefineCustomBoolVariable("io_msg.enabled",
							 "Sends what is queued.",
							 "When off, calls still enqueue and nothing "
							 "leaves.",
							 &iomsg_enabled, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("io_msg.max_in_flight",
							"Requests to IO under way at once, per database.",
							NULL, &iomsg_max_in_flight, iomsg_max_in_flight,
							1, 512, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("io_msg.max_attempts",
							"Attempts after which a message that IO keeps "
							"refusing for now has failed.",
							"Attempts in which nothing was sent, and refusals "
							"by the quota, do not count.",
							&iomsg_max_attempts, iomsg_max_attempts,
							1, 100, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("io_msg.max_databases",
							"Databases that can have a worker at once.",
							NULL, &iomsg_max_databases, iomsg_max_databases,
							1, 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
define_choices(void)
{
	DefineCustomEnumVariable("io_msg.on_promotion",
							 "What happens to messages queued before a "
							 "promotion.",
							 "hold: they wait for io_release(). trust: they "
							 "are sent, where synchronous_standby_names is "
							 "set; not for servers whose backups are "
							 "restored to an earlier time.",
							 &iomsg_on_promotion, ON_PROMOTION_HOLD,
							 on_promotion_options, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
}

static void
define_times(void)
{
	define_time("io_msg.idle_exit",
				"How long a worker lingers when nothing is due.",
				"From 5 s on, DROP DATABASE may find it still connected.",
				&iomsg_idle_exit_ms, 0, 3600 * 1000);
	define_time("io_msg.shutdown_grace",
				"How long a planned stop waits for answers under way.",
				NULL, &iomsg_shutdown_grace_ms, 0, 3600 * 1000);
	define_time("io_msg.answer_timeout",
				"How long to wait for the answer to a request.",
				"IO's gateway gives up after 180 s: a shorter time only makes "
				"uncertain messages.",
				&iomsg_answer_timeout_ms, 100, 3600 * 1000);
	define_time("io_msg.connect_timeout",
				"How long a connection to IO may take.",
				NULL, &iomsg_connect_timeout_ms, 10, 600 * 1000);
	define_time("io_msg.max_mark_age",
				"How old a message's mark may be when it is sent.",
				"After a stall of this length the message goes back to the "
				"queue unsent.",
				&iomsg_max_mark_age_ms, 100, 3600 * 1000);
	define_time("io_msg.retry_delay",
				"The first pause before trying again; it doubles each time.",
				NULL, &iomsg_retry_pause_ms, 1, 3600 * 1000);
	define_time("io_msg.poll_delay",
				"How long after sending IO is first asked for the status.",
				"Later times follow in proportion: 5, 30, 120 and 720 times "
				"this, then daily.",
				&iomsg_poll_delay_ms, 1, 24 * 3600 * 1000);
	define_time("io_msg.sweep",
				"How often a database is looked at without being asked.",
				NULL, &iomsg_sweep_ms, 100, 3600 * 1000);
	define_time("io_msg.uncertain_reminder",
				"How often the log is told of uncertain messages.",
				"While there are any; 0 says it never.",
				&iomsg_uncertain_reminder_ms, 0, 7 * 24 * 3600 * 1000);
}

/*
 * Define all settings and reserve their prefix.
 */
void
iomsg_settings_define(void)
{
	define_texts();
	define_numbers();
	define_times();
	define_choices();
	MarkGUCPrefixReserved("io_msg");
}

/*
 * io_msg.allowed_hosts must be a list that can be taken apart.
 */
static bool
check_allowed_hosts(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *hosts;
	bool		valid = SplitGUCList(copy, ',', &hosts);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(hosts);
	pfree(copy);
	return valid;
}

/*
 * Take the host, and ":port" if given, out of a URL as the account table has
 * it.  Returns false for anything but plain names and addresses, so that no
 * other reader of the URL can see another host.
 */
static bool
url_host(const char *url, char *host, size_t size, const char **port,
		 bool *https)
{
	const char *start;
	size_t		length;

	start = strstr(url, "://");
	if (start == NULL)
		return false;
	start += 3;
	*https = strncmp(url, "https://", 8) == 0;
	if (*start == '[')
		length = strspn(start + 1, "0123456789abcdefABCDEF:.") + 2;
	else
		length = strspn(start, "abcdefghijklmnopqrstuvwxyz"
						"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	if (length == 0 || length >= size || length > strlen(start))
		return false;
	if (*start == '[' && start[length - 1] != ']')
		return false;
	memcpy(host, start, length);
	host[length] = '\0';
	*port = start + length;
	if (**port == ':')
		return strspn(*port + 1, "0123456789") > 0;
	return **port == '/' || **port == '\0';
}

static bool
is_loopback(const char *host)
{
	return pg_strcasecmp(host, "localhost") == 0 ||
		strncmp(host, "127.", 4) == 0 ||
		strcmp(host, "[::1]") == 0;
}

/*
 * Does one entry of io_msg.allowed_hosts name this host and port?
 */
static bool
entry_matches(const char *entry, const char *host, const char *port)
{
	size_t		length = strlen(host);
	size_t		port_length = *port == ':' ?
		strspn(port + 1, "0123456789") + 1 : 0;

	if (pg_strncasecmp(entry, host, length) != 0)
		return false;
	if (entry[length] == '\0')
		return true;
	return strlen(entry + length) == port_length &&
		strncmp(entry + length, port, port_length) == 0;
}

static bool
is_listed(const char *host, const char *port)
{
	char	   *copy;
	List	   *entries;
	ListCell   *cell;
	bool		allowed = false;

	copy = pstrdup(iomsg_allowed_hosts);
	if (SplitGUCList(copy, ',', &entries))
	{
		foreach(cell, entries)
			allowed |= entry_matches((char *) lfirst(cell), host, port);
	}
	list_free(entries);
	pfree(copy);
	return allowed;
}

/*
 * May requests go to this URL?  It must be https, or http to a loopback
 * address, and its host must be in io_msg.allowed_hosts.  Sets *loopback.
 */
bool
iomsg_settings_host_allowed(const char *url, bool *loopback)
{
	char		host[256];
	const char *port;
	bool		https;

	*loopback = false;
	if (!url_host(url, host, sizeof(host), &port, &https))
		return false;
	*loopback = is_loopback(host);
	if (!https && (!*loopback || strncmp(url, "http://", 7) != 0))
		return false;
	return is_listed(host, port);
}

/*
 * May requests go through this proxy?  Its host must be listed, too.
 */
bool
iomsg_settings_proxy_allowed(const char *url)
{
	char		host[256];
	const char *port;
	bool		https;

	return url_host(url, host, sizeof(host), &port, &https) &&
		is_listed(host, port);
}
