/*
 * admin.c
 *		The admin path, over which tests and people change the sandbox while
 *		it runs.
 *
 * It asks for no key, so it answers clients on the loopback only.  Errors are
 * {"error": "..."} with 400, 403, 404 or 405; nothing is changed then.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin.h"
#include "config.h"
#include "decode.h"
#include "messages.h"
#include "profiles.h"
#include "stats.h"
#include "timer.h"

typedef void (*AdminHandler) (Request *request, const char *rest);

typedef struct AdminRoute
{
	const char *method;
	const char *path;			/* "/" at the end = more may follow */
	AdminHandler handler;
} AdminRoute;

static void (*shutdown_callback) (void);

/* Sets what POST /admin/shutdown calls. */
void
sandbox_admin_on_shutdown(void (*callback) (void))
{
	shutdown_callback = callback;
}

/* Answers an error of the admin path. */
static void
answer_error(Request *request, int status, const char *text)
{
	sandbox_answer_json(&request->answer, status,
						json_pack("{s:s}", "error", text));
}

/* Answers {"ok": true}, or the error. */
static void
answer_outcome(Request *request, bool good, const char *error)
{
	if (good)
		sandbox_answer_json(&request->answer, 200, json_pack("{s:b}", "ok",
															 1));
	else
		answer_error(request, 400, error);
}

/* POST /admin/faults: one fault, or an array of them. */
static void
add_faults(Request *request, const char *rest)
{
	json_t	   *ids = json_array();
	char		error[120] = "";
	bool		many = json_is_array(request->json);
	size_t		count = many ? json_array_size(request->json) : 1;

	(void) rest;
	for (size_t i = 0; i < count && !error[0]; i++)
	{
		json_t	   *id;

		id = sandbox_faults_add(many ? json_array_get(request->json, i) :
								request->json, error, sizeof(error));
		if (id)
			json_array_append_new(ids, id);
	}
	if (!error[0])
	{
		sandbox_answer_json(&request->answer, 201,
							json_pack("{s:o}", "ids", ids));
		return;
	}
	for (size_t i = 0; i < json_array_size(ids); i++)
		sandbox_faults_remove((int)
							  json_integer_value(json_array_get(ids, i)));
	json_decref(ids);
	answer_error(request, 400, error);
}

/* GET /admin/faults. */
static void
list_faults(Request *request, const char *rest)
{
	(void) rest;
	sandbox_answer_json(&request->answer, 200,
						json_pack("{s:o}", "faults", sandbox_faults_list()));
}

/* DELETE /admin/faults and /admin/faults/{id}. */
static void
remove_faults(Request *request, const char *rest)
{
	int			id = atoi(rest);

	if (*rest && id <= 0)
		answer_error(request, 404, "no such fault");
	else
		sandbox_answer_json(&request->answer, 200,
							json_pack("{s:i}", "removed",
									  sandbox_faults_remove(id)));
}

/* POST /admin/release: those that hang go on. */
static void
release_waiting(Request *request, const char *rest)
{
	(void) rest;
	sandbox_answer_json(&request->answer, 200,
						json_pack("{s:i}", "released",
								  sandbox_timer_release()));
}

/* GET /admin/stats. */
static void
show_stats(Request *request, const char *rest)
{
	(void) rest;
	sandbox_answer_json(&request->answer, 200, sandbox_stats_show());
}

/* POST /admin/reset: as just started, but for services, quotas and files. */
static void
reset_all(Request *request, const char *rest)
{
	(void) rest;
	sandbox_faults_remove(0);
	sandbox_messages_reset();
	sandbox_profiles_reset();
	sandbox_stats_reset();
	sandbox_registry_lock(false);
	for (Account *a = sandbox_registry_first_account(); a; a = a->next)
		sandbox_quota_reset(&a->quota);
	sandbox_registry_unlock();
	answer_outcome(request, true, NULL);
}

/* GET and PUT /admin/profiles/{fiscal_code}. */
static void
use_profile(Request *request, const char *rest)
{
	char		error[120] = "";

	if (!sandbox_decode_fiscal_code(rest))
		answer_error(request, 404, "not a fiscal code");
	else if (strcmp(request->method, "PUT") == 0 &&
			 !sandbox_profiles_set(rest, request->json, error,
								   sizeof(error)))
		answer_error(request, 400, error);
	else
		sandbox_answer_json(&request->answer, 200,
							sandbox_profiles_show(rest));
}

/* PUT /admin/messages/{id}. */
static void
change_message(Request *request, const char *rest)
{
	char		error[120];

	answer_outcome(request,
				   sandbox_messages_change(rest, request->json, error,
										   sizeof(error)), error);
}

/* GET /admin/messages/{id}. */
static void
show_message(Request *request, const char *rest)
{
	Message		message;

	if (!sandbox_messages_find(rest, &message))
	{
		answer_error(request, 404, "no message with this id");
		return;
	}
	sandbox_answer_json(&request->answer, 200,
						json_pack("{s:s, s:s, s:s, s:s, s:o}",
								  "id", message.id,
								  "fiscal_code", message.fiscal_code,
								  "service", message.service->name,
								  "status", sandbox_messages_status(&message),
								  "content", json_loads(message.content,
														JSON_ALLOW_NUL,
														NULL)));
	free(message.content);
}

/* Applies a change of the registry from the body, under its lock. */
static void
change_registry(Request *request,
				bool (*change) (const json_t *, char *, size_t))
{
	char		error[120];
	bool		good;

	sandbox_registry_lock(true);
	good = change(request->json, error, sizeof(error));
	sandbox_registry_unlock();
	answer_outcome(request, good, error);
}

/* PUT /admin/quota. */
static void
change_quota(Request *request, const char *rest)
{
	(void) rest;
	change_registry(request, sandbox_config_quota);
}

/* POST /admin/keys. */
static void
change_keys(Request *request, const char *rest)
{
	(void) rest;
	change_registry(request, sandbox_config_keys);
}

/* PUT /admin/services/{name}: the form of the configuration file. */
static void
change_service(Request *request, const char *rest)
{
	if (json_is_object(request->json))
		json_object_set_new(request->json, "name", json_string(rest));
	change_registry(request, sandbox_config_service);
}

/* GET /admin/services. */
static void
list_services(Request *request, const char *rest)
{
	json_t	   *list = json_array();

	(void) rest;
	sandbox_registry_lock(false);
	for (Service *s = sandbox_registry_first_service(); s; s = s->next)
		json_array_append_new(list, sandbox_config_show(s));
	sandbox_registry_unlock();
	sandbox_answer_json(&request->answer, 200,
						json_pack("{s:o}", "services", list));
}

/* Takes a share from a settings object; false if it is out of range. */
static bool
take_share(const json_t *settings, const char *name, double *share)
{
	const json_t *value = json_object_get(settings, name);

	if (value == NULL)
		return true;
	*share = json_number_value(value);
	return json_is_number(value) && *share >= 0.0 && *share <= 1.0;
}

/* GET and PUT /admin/settings: the shares and the delay of processing. */
static void
use_settings(Request *request, const char *rest)
{
	const json_t *delay =
	json_object_get(request->json, "processing_delay_ms");
	ProfileShares shares;

	(void) rest;
	sandbox_profiles_get_shares(&shares);
	if (!take_share(request->json, "unknown", &shares.unknown) ||
		!take_share(request->json, "opted_out", &shares.opted_out) ||
		!take_share(request->json, "inbox_off", &shares.inbox_off) ||
		!take_share(request->json, "failed", &shares.failed) ||
		(delay && (!json_is_integer(delay) ||
				   json_integer_value(delay) < 0)))
	{
		answer_error(request, 400, "a setting is out of its range");
		return;
	}
	sandbox_profiles_set_shares(&shares);
	if (delay)
		sandbox_messages_set_delay(json_integer_value(delay));
	sandbox_answer_json(&request->answer, 200,
						json_pack("{s:f, s:f, s:f, s:f, s:I}",
								  "unknown", shares.unknown,
								  "opted_out", shares.opted_out,
								  "inbox_off", shares.inbox_off,
								  "failed", shares.failed,
								  "processing_delay_ms",
								  (json_int_t) sandbox_messages_delay()));
}

/* POST /admin/shutdown. */
static void
shut_down(Request *request, const char *rest)
{
	(void) rest;
	answer_outcome(request, true, NULL);
	sandbox_answer_header(&request->answer, "Connection", "close");
	if (shutdown_callback)
		shutdown_callback();
}

static const AdminRoute routes[] = {
	{"POST", "/admin/faults", add_faults},
	{"GET", "/admin/faults", list_faults},
	{"DELETE", "/admin/faults", remove_faults},
	{"DELETE", "/admin/faults/", remove_faults},
	{"POST", "/admin/release", release_waiting},
	{"GET", "/admin/stats", show_stats},
	{"POST", "/admin/reset", reset_all},
	{"GET", "/admin/profiles/", use_profile},
	{"PUT", "/admin/profiles/", use_profile},
	{"GET", "/admin/messages/", show_message},
	{"PUT", "/admin/messages/", change_message},
	{"PUT", "/admin/quota", change_quota},
	{"POST", "/admin/keys", change_keys},
	{"GET", "/admin/services", list_services},
	{"PUT", "/admin/services/", change_service},
	{"GET", "/admin/settings", use_settings},
	{"PUT", "/admin/settings", use_settings},
	{"POST", "/admin/shutdown", shut_down},
	{NULL, NULL, NULL}
};

/* Says whether a request comes from the machine itself. */
static bool
comes_from_loopback(Request *request)
{
	const union MHD_ConnectionInfo *info =
	MHD_get_connection_info(request->connection,
							MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in *client =
	info ? (const struct sockaddr_in *) info->client_addr : NULL;

	return client && client->sin_family == AF_INET &&
		ntohl(client->sin_addr.s_addr) >> 24 == 127;
}

/* Answers a request of the admin path. */
void
sandbox_admin_answer(Request *request)
{
	json_error_t error;

	if (!comes_from_loopback(request))
	{
		answer_error(request, 403, "only from the loopback");
		return;
	}
	if (request->body_len)
	{
		request->json = json_loadb(request->body, request->body_len,
								   JSON_ALLOW_NUL, &error);
		if (request->json == NULL)
		{
			answer_error(request, 400, error.text);
			return;
		}
	}
	for (const AdminRoute *r = routes; r->path; r++)
	{
		size_t		length = strlen(r->path);
		bool		open = r->path[length - 1] == '/';

		if (strcmp(r->method, request->method) == 0 &&
			strncmp(r->path, request->path, length) == 0 &&
			(open || request->path[length] == '\0'))
		{
			r->handler(request, request->path + length);
			return;
		}
	}
	answer_error(request, 404, "no such admin path");
}
