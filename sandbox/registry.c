/*
 * registry.c
 *		The accounts and services that the sandbox knows, with their keys and
 *		what each may do.
 *
 * Accounts and services are never removed while the sandbox runs, so that a
 * pointer to one stays good; what is in them is read and changed under the
 * registry's lock.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "registry.h"

static pthread_rwlock_t registry_lock = PTHREAD_RWLOCK_INITIALIZER;
static Account *accounts;
static Service *services;
static int64_t default_calls;
static int64_t default_period_ms;

/* Sets the quota of accounts that come without one of their own. */
void
sandbox_registry_defaults(int64_t calls, int64_t period_ms)
{
	default_calls = calls;
	default_period_ms = period_ms;
}

/* Takes the lock over all accounts and services. */
void
sandbox_registry_lock(bool for_write)
{
	if (for_write)
		pthread_rwlock_wrlock(&registry_lock);
	else
		pthread_rwlock_rdlock(&registry_lock);
}

/* Gives the lock back. */
void
sandbox_registry_unlock(void)
{
	pthread_rwlock_unlock(&registry_lock);
}

/* Returns the head of the list of accounts. */
Account *
sandbox_registry_first_account(void)
{
	return accounts;
}

/* Returns the head of the list of services. */
Service *
sandbox_registry_first_service(void)
{
	return services;
}

/* Replaces a text by a copy of another, which may be NULL. */
void
sandbox_registry_set_text(char **place, const char *value)
{
	free(*place);
	*place = value ? strdup(value) : NULL;
}

/* Finds an account by name, or makes it with the default quota. */
Account *
sandbox_registry_account(const char *name, bool create)
{
	Account   **end = &accounts;

	for (; *end; end = &(*end)->next)
	{
		if (strcmp((*end)->name, name) == 0)
			return *end;
	}
	if (!create)
		return NULL;
	*end = calloc(1, sizeof(Account));
	if (*end == NULL)
		return NULL;
	(*end)->name = strdup(name);
	sandbox_quota_init(&(*end)->quota, default_calls, default_period_ms);
	return *end;
}

/* Gives a new service its documented keys and every permission. */
static void
permit_everything(Service *service, const char *name)
{
	const char *prefix = strcmp(name, "default") == 0 ? "sandbox" : name;
	char		text[160];

	service->name = strdup(name);
	snprintf(text, sizeof(text), "sandbox-service-%s", name);
	service->service_id = strdup(text);
	service->organization_fiscal_code = strdup("01234567890");
	snprintf(text, sizeof(text), "%s-primary-key", prefix);
	service->primary_key = strdup(text);
	snprintf(text, sizeof(text), "%s-secondary-key", prefix);
	service->secondary_key = strdup(text);
	service->exists = service->has_groups = true;
	service->message_write = service->message_read = true;
	service->advanced_write = service->advanced_read = true;
	service->payee = service->third_party = service->eu_covid_cert = true;
	service->max_allowed_payment_amount = MAX_PAYMENT_AMOUNT;
	service->authorized_recipients = json_array();
	service->authorized_cidrs = json_array();
}

/*
 * Finds a service by name, or makes one of the account "default" that may do
 * everything, with the keys NAME-primary-key and NAME-secondary-key (for the
 * service "default": sandbox-primary-key and sandbox-secondary-key).
 */
Service *
sandbox_registry_service(const char *name, bool create)
{
	Service   **end = &services;

	for (; *end; end = &(*end)->next)
	{
		if (strcmp((*end)->name, name) == 0)
			return *end;
	}
	if (!create)
		return NULL;
	*end = calloc(1, sizeof(Service));
	if (*end == NULL)
		return NULL;
	permit_everything(*end, name);
	(*end)->account = sandbox_registry_account("default", true);
	return *end;
}

/* Finds the service to which a key belongs and which of the two it is. */
Service *
sandbox_registry_by_key(const char *key, bool *secondary)
{
	for (Service *s = services; s; s = s->next)
	{
		if (s->suspended)
			continue;
		*secondary = false;
		if (s->primary_key && strcmp(s->primary_key, key) == 0)
			return s;
		*secondary = true;
		if (s->secondary_key && strcmp(s->secondary_key, key) == 0)
			return s;
	}
	return NULL;
}

/* Tells whether an array of texts holds one, whatever its case. */
static bool
array_has_text(const json_t *array, const char *text)
{
	size_t		i;
	json_t	   *item;

	json_array_foreach(array, i, item)
	{
		const char *value = json_string_value(item);

		if (value && strcasecmp(value, text) == 0)
			return true;
	}
	return false;
}

/*
 * Says whose a remote-content configuration is.  An account owns those of all
 * its services; a service without a list knows every id that no other account
 * lists.
 */
ConfigurationOwner
sandbox_registry_owner(const Service *service, const char *id)
{
	bool		foreign = false;

	for (Service *s = services; s; s = s->next)
	{
		if (!array_has_text(s->configuration_ids, id))
			continue;
		if (s->account == service->account)
			return CONFIGURATION_OWN;
		foreign = true;
	}
	if (foreign)
		return CONFIGURATION_FOREIGN;
	return service->configuration_ids ?
		CONFIGURATION_UNKNOWN : CONFIGURATION_OWN;
}

/* Releases everything, at the end of the process. */
void
sandbox_registry_free(void)
{
	while (services)
	{
		Service    *s = services;

		services = s->next;
		free(s->name);
		free(s->service_id);
		free(s->organization_fiscal_code);
		free(s->primary_key);
		free(s->secondary_key);
		json_decref(s->authorized_recipients);
		json_decref(s->authorized_cidrs);
		json_decref(s->configuration_ids);
		free(s);
	}
	while (accounts)
	{
		Account    *a = accounts;

		accounts = a->next;
		free(a->name);
		free(a->quota.granted.times_us);
		free(a->quota.seen.times_us);
		pthread_mutex_destroy(&a->quota.lock);
		free(a);
	}
}
