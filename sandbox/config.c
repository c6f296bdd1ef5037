/*
 * config.c
 *		Accounts and services in their JSON form.
 *
 * One form serves the configuration file and the admin path: an object per
 * service in which every field but "name" may be left out.  A field that is
 * not known, or of a wrong type, is refused by name, and then nothing of the
 * object is applied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

typedef struct ConfigField
{
	const char *name;
	json_type	type;			/* JSON_TRUE stands for a boolean */
	size_t		offset;
} ConfigField;

#define FIELD(name, type) {#name, type, offsetof(Service, name)}

static const ConfigField service_fields[] = {
	FIELD(service_id, JSON_STRING),
	FIELD(organization_fiscal_code, JSON_STRING),
	FIELD(primary_key, JSON_STRING),
	FIELD(secondary_key, JSON_STRING),
	FIELD(exists, JSON_TRUE),
	FIELD(suspended, JSON_TRUE),
	FIELD(has_groups, JSON_TRUE),
	FIELD(message_write, JSON_TRUE),
	FIELD(message_read, JSON_TRUE),
	FIELD(limited, JSON_TRUE),
	FIELD(advanced_write, JSON_TRUE),
	FIELD(advanced_read, JSON_TRUE),
	FIELD(payee, JSON_TRUE),
	FIELD(third_party, JSON_TRUE),
	FIELD(eu_covid_cert, JSON_TRUE),
	FIELD(require_secure_channels, JSON_TRUE),
	FIELD(max_allowed_payment_amount, JSON_INTEGER),
	FIELD(authorized_recipients, JSON_ARRAY),
	FIELD(authorized_cidrs, JSON_ARRAY),
	FIELD(configuration_ids, JSON_ARRAY),
	{"account", JSON_STRING, 0},
	{"name", JSON_STRING, 0},
	{NULL, JSON_NULL, 0}
};

/* Finds the description of a field of a service. */
static const ConfigField *
find_field(const char *name)
{
	for (const ConfigField *f = service_fields; f->name; f++)
	{
		if (strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

/* Checks that an object has only known fields of their right types. */
static bool
check_fields(const json_t *object, char *error, size_t size)
{
	const char *key;
	json_t	   *value;

	if (json_string_value(json_object_get(object, "name")) == NULL)
	{
		snprintf(error, size, "a service needs a \"name\"");
		return false;
	}
	json_object_foreach((json_t *) object, key, value)
	{
		const ConfigField *f = find_field(key);
		bool		right;

		if (f == NULL)
		{
			snprintf(error, size, "unknown field \"%s\" of a service", key);
			return false;
		}
		right = f->type == JSON_TRUE ? json_is_boolean(value) :
			json_typeof(value) == f->type;
		if (json_is_null(value))
			right = f->type == JSON_ARRAY || strstr(key, "_key");
		if (!right)
		{
			snprintf(error, size, "field \"%s\" has a wrong type", key);
			return false;
		}
	}
	return true;
}

/* Puts one value into a service. */
static void
apply_field(Service *service, const ConfigField *field, json_t *value)
{
	char	   *place = (char *) service + field->offset;

	if (field->type == JSON_TRUE)
		*(bool *) place = json_is_true(value);
	else if (field->type == JSON_INTEGER)
		*(int64_t *) place = json_integer_value(value);
	else if (field->type == JSON_STRING)
		sandbox_registry_set_text((char **) place, json_string_value(value));
	else
	{
		json_decref(*(json_t **) place);
		*(json_t **) place = json_is_null(value) ? NULL :
			json_deep_copy(value);
	}
}

/* Creates or changes a service from its JSON form; the lock must be held. */
bool
sandbox_config_service(const json_t *object, char *error, size_t size)
{
	const char *name;
	const char *account;
	const char *key;
	json_t	   *value;
	Service    *service;

	if (!check_fields(object, error, size))
		return false;
	name = json_string_value(json_object_get(object, "name"));
	service = sandbox_registry_service(name, true);
	account = json_string_value(json_object_get(object, "account"));
	if (account)
		service->account = sandbox_registry_account(account, true);
	json_object_foreach((json_t *) object, key, value)
	{
		const ConfigField *f = find_field(key);

		if (f && f->offset != 0)
			apply_field(service, f, value);
	}
	return true;
}

/*
 * Sets the quota of the account that an object names by "account" or "name",
 * made if need be, or of all accounts; the lock must be held.
 */
bool
sandbox_config_quota(const json_t *object, char *error, size_t size)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	json_t	   *calls = json_object_get(object, "calls");
	json_t	   *period = json_object_get(object, "period_ms");

	if (name == NULL)
		name = json_string_value(json_object_get(object, "account"));
	if ((calls && json_integer_value(calls) < 0) ||
		(calls && !json_is_integer(calls)) ||
		(period && json_integer_value(period) < 1))
	{
		snprintf(error, size,
				 "\"calls\" and \"period_ms\" are positive integers");
		return false;
	}
	if (name)
		sandbox_registry_account(name, true);
	for (Account *a = sandbox_registry_first_account(); a; a = a->next)
	{
		if (name && strcmp(a->name, name) != 0)
			continue;
		sandbox_quota_set(&a->quota,
						  calls ? json_integer_value(calls) : a->quota.calls,
						  period ? json_integer_value(period) :
						  a->quota.period_us / 1000);
	}
	return true;
}

/*
 * Changes the keys of a service: {"service", "primary"?, "secondary"?,
 * "revoke"?: "primary"|"secondary"|"all"}; the lock must be held.
 */
bool
sandbox_config_keys(const json_t *object, char *error, size_t size)
{
	const char *name = json_string_value(json_object_get(object, "service"));
	const char *revoke = json_string_value(json_object_get(object, "revoke"));
	const char *primary = json_string_value(json_object_get(object, "primary"));
	const char *secondary =
	json_string_value(json_object_get(object, "secondary"));
	Service    *service;

	service = sandbox_registry_service(name ? name : "default", false);
	if (service == NULL || (!revoke && !primary && !secondary))
	{
		snprintf(error, size, "unknown service, or no key in the request");
		return false;
	}
	if (revoke && strcmp(revoke, "secondary") != 0)
		sandbox_registry_set_text(&service->primary_key, NULL);
	if (revoke && strcmp(revoke, "primary") != 0)
		sandbox_registry_set_text(&service->secondary_key, NULL);
	if (primary)
		sandbox_registry_set_text(&service->primary_key, primary);
	if (secondary)
		sandbox_registry_set_text(&service->secondary_key, secondary);
	return true;
}

/* Reads {"accounts": [...], "services": [...]} from a file. */
bool
sandbox_config_read(const char *path, char *error, size_t size)
{
	json_error_t why;
	json_t	   *root = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	size_t		i;
	json_t	   *item;
	bool		good = true;

	if (!json_is_object(root))
	{
		snprintf(error, size, "%s line %d: %s", path, why.line,
				 root ? "not a JSON object" : why.text);
		json_decref(root);
		return false;
	}
	json_array_foreach(json_object_get(root, "accounts"), i, item)
		good = good && sandbox_config_quota(item, error, size);
	json_array_foreach(json_object_get(root, "services"), i, item)
		good = good && sandbox_config_service(item, error, size);
	json_decref(root);
	return good;
}

/* Adds the service of an argument "name[:primary[:secondary[:account]]]". */
bool
sandbox_config_argument(const char *text)
{
	char	   *copy = strdup(text);
	char	   *rest = copy;
	char	   *parts[4] = {NULL, NULL, NULL, NULL};
	Service    *service;

	for (int i = 0; i < 4 && rest; i++)
		parts[i] = strsep(&rest, ":");
	if (parts[0] == NULL || parts[0][0] == '\0' || rest != NULL)
	{
		free(copy);
		return false;
	}
	service = sandbox_registry_service(parts[0], true);
	if (parts[1] && parts[1][0])
		sandbox_registry_set_text(&service->primary_key, parts[1]);
	if (parts[2] && parts[2][0])
		sandbox_registry_set_text(&service->secondary_key, parts[2]);
	if (parts[3] && parts[3][0])
		service->account = sandbox_registry_account(parts[3], true);
	free(copy);
	return true;
}

/* Returns a service in its JSON form. */
json_t *
sandbox_config_show(const Service *service)
{
	json_t	   *object = json_pack("{s:s, s:s}", "name", service->name,
								   "account", service->account->name);

	for (const ConfigField *f = service_fields; f->offset != 0; f++)
	{
		const char *place = (const char *) service + f->offset;
		json_t	   *value;

		if (f->type == JSON_TRUE)
			value = json_boolean(*(const bool *) place);
		else if (f->type == JSON_INTEGER)
			value = json_integer(*(const int64_t *) place);
		else if (f->type == JSON_STRING)
			value = *(char *const *) place ?
				json_string(*(char *const *) place) : json_null();
		else
			value = *(json_t *const *) place ?
				json_deep_copy(*(json_t *const *) place) : json_null();
		json_object_set_new(object, f->name, value);
	}
	return object;
}
