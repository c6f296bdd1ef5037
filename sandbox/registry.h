/*
 * registry.h
 *		The accounts and services that the sandbox knows, with their keys and
 *		what each may do.
 */
#ifndef SANDBOX_REGISTRY_H
#define SANDBOX_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "quota.h"

#define MAX_PAYMENT_AMOUNT INT64_C(9999999999)	/* euro cents */

/* An institution: one quota for all its services. */
typedef struct Account
{
	char	   *name;
	Quota		quota;
	struct Account *next;
} Account;

/* A service, which is what one pair of keys stands for. */
typedef struct Service
{
	char	   *name;
	char	   *service_id;
	char	   *organization_fiscal_code;
	char	   *primary_key;	/* NULL once revoked */
	char	   *secondary_key;
	Account    *account;
	bool		exists;			/* false: keys valid, service not found */
	bool		suspended;		/* keys refused by the gateway */
	bool		has_groups;
	bool		message_write;
	bool		message_read;
	bool		limited;		/* only to authorized_recipients */
	bool		advanced_write;
	bool		advanced_read;
	bool		payee;
	bool		third_party;
	bool		eu_covid_cert;
	bool		require_secure_channels;
	int64_t		max_allowed_payment_amount;
	json_t	   *authorized_recipients;	/* array of fiscal codes */
	json_t	   *authorized_cidrs;	/* array; empty = every address */
	json_t	   *configuration_ids;	/* array, or NULL = any */
	struct Service *next;
} Service;

typedef enum ConfigurationOwner
{
	CONFIGURATION_OWN,
	CONFIGURATION_FOREIGN,
	CONFIGURATION_UNKNOWN
} ConfigurationOwner;

extern void sandbox_registry_defaults(int64_t calls, int64_t period_ms);
extern void sandbox_registry_lock(bool for_write);
extern void sandbox_registry_unlock(void);
extern Account *sandbox_registry_account(const char *name, bool create);
extern Service *sandbox_registry_service(const char *name, bool create);
extern Account *sandbox_registry_first_account(void);
extern Service *sandbox_registry_first_service(void);
extern Service *sandbox_registry_by_key(const char *key, bool *secondary);
extern ConfigurationOwner sandbox_registry_owner(const Service *service,
												 const char *id);
extern void sandbox_registry_set_text(char **place, const char *value);
extern void sandbox_registry_free(void);

#endif
