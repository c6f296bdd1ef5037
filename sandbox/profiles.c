/*
 * profiles.c
 *		The citizens: who is on IO, who wants to be written to, by rule and
 *		by name.
 *
 * The rule is a hash of the fiscal code, so that the same citizen has the
 * same profile in each run and on each machine.  What is set by name goes
 * before the rule.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "profiles.h"

static const char *const state_names[] = {
	"allowed", "unknown", "opted_out", "inbox_off", NULL
};
static const char *const read_names[] = {
	"READ", "UNREAD", "UNAVAILABLE", "ERROR", NULL
};
static const char *const payment_names[] = {
	"PAID", "NOT_PAID", "ERROR", NULL
};
static const char *const outcome_names[] = {
	"ACCEPTED", "THROTTLED", "PROCESSED", "REJECTED", "FAILED", NULL
};

static pthread_mutex_t profiles_lock = PTHREAD_MUTEX_INITIALIZER;
static ProfileShares profile_shares;
static json_t *citizens;		/* fiscal code to an object of settings */

/* Returns the place of a text in a list of names, or -1. */
static int
find_name(const char *const *names, const char *text)
{
	for (int i = 0; text && names[i]; i++)
	{
		if (strcmp(names[i], text) == 0)
			return i;
	}
	return -1;
}

/* Maps a fiscal code to a number from 0 to 1 (FNV-1a, then mixed). */
static double
hash_fiscal_code(const char *fiscal_code, uint64_t seed)
{
	uint64_t	hash = UINT64_C(14695981039346656037) ^ seed;

	for (const char *c = fiscal_code; *c; c++)
		hash = (hash ^ (uint8_t) *c) * UINT64_C(1099511628211);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	return (double) (hash >> 11) / 9007199254740992.0;
}

/* Sets the shares of the rule. */
void
sandbox_profiles_set_shares(const ProfileShares *shares)
{
	pthread_mutex_lock(&profiles_lock);
	profile_shares = *shares;
	pthread_mutex_unlock(&profiles_lock);
}

/* Reads the shares of the rule. */
void
sandbox_profiles_get_shares(ProfileShares *shares)
{
	pthread_mutex_lock(&profiles_lock);
	*shares = profile_shares;
	pthread_mutex_unlock(&profiles_lock);
}

/* Checks one setting of a citizen. */
static bool
check_setting(const char *key, const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_null(value))
		return true;
	if (strcmp(key, "profile") == 0)
		return find_name(state_names, text) >= 0;
	if (strcmp(key, "read_status") == 0)
		return find_name(read_names, text) >= 0;
	if (strcmp(key, "payment_status") == 0)
		return find_name(payment_names, text) >= 0;
	if (strcmp(key, "outcome") == 0)
		return find_name(outcome_names, text) >= 0;
	return strcmp(key, "opted_out_of") == 0 && json_is_array(value);
}

/*
 * Changes the settings of a citizen; a null takes one away.  Fields: profile,
 * opted_out_of (array of service names), outcome, read_status,
 * payment_status.
 */
bool
sandbox_profiles_set(const char *fiscal_code, json_t *changes, char *error,
					 size_t size)
{
	const char *key;
	json_t	   *value;
	json_t	   *settings;

	if (!json_is_object(changes))
	{
		snprintf(error, size, "not a JSON object");
		return false;
	}
	json_object_foreach(changes, key, value)
	{
		if (!check_setting(key, value))
		{
			snprintf(error, size, "field \"%s\" is unknown or wrong", key);
			return false;
		}
	}
	pthread_mutex_lock(&profiles_lock);
	if (citizens == NULL)
		citizens = json_object();
	settings = json_object_get(citizens, fiscal_code);
	if (settings == NULL)
	{
		settings = json_object();
		json_object_set_new(citizens, fiscal_code, settings);
	}
	json_object_foreach(changes, key, value)
	{
		if (json_is_null(value))
			json_object_del(settings, key);
		else
			json_object_set_new(settings, key, json_deep_copy(value));
	}
	pthread_mutex_unlock(&profiles_lock);
	return true;
}

/* Takes an argument "CF=unknown|opted_out|inbox_off|allowed". */
bool
sandbox_profiles_argument(const char *text)
{
	const char *equals = strchr(text, '=');
	char		fiscal_code[17];
	char		error[80];
	json_t	   *changes;
	bool		good;

	if (equals == NULL || equals - text != 16)
		return false;
	memcpy(fiscal_code, text, 16);
	fiscal_code[16] = '\0';
	changes = json_pack("{s:s}", "profile", equals + 1);
	good = sandbox_profiles_set(fiscal_code, changes, error, sizeof(error));
	json_decref(changes);
	return good;
}

/* Copies a setting of a citizen; false if there is none. */
bool
sandbox_profiles_text(const char *fiscal_code, const char *field, char *out,
					  size_t size)
{
	const char *text;

	pthread_mutex_lock(&profiles_lock);
	text = json_string_value(json_object_get(json_object_get(citizens,
															 fiscal_code),
											 field));
	if (text)
		snprintf(out, size, "%s", text);
	pthread_mutex_unlock(&profiles_lock);
	return text != NULL;
}

/* Says whether a citizen has turned off one service by name. */
static bool
opted_out_of(const char *fiscal_code, const char *service)
{
	json_t	   *names;
	json_t	   *name;
	size_t		i;
	bool		found = false;

	pthread_mutex_lock(&profiles_lock);
	names = json_object_get(json_object_get(citizens, fiscal_code),
							"opted_out_of");
	json_array_foreach(names, i, name)
	{
		if (json_is_string(name) &&
			strcmp(json_string_value(name), service) == 0)
			found = true;
	}
	pthread_mutex_unlock(&profiles_lock);
	return found;
}

/* Says how a citizen stands to a service. */
ProfileState
sandbox_profiles_state(const char *fiscal_code, const char *service)
{
	ProfileShares shares;
	char		text[16];
	double		point;

	if (opted_out_of(fiscal_code, service))
		return PROFILE_OPTED_OUT;
	if (sandbox_profiles_text(fiscal_code, "profile", text, sizeof(text)))
		return (ProfileState) find_name(state_names, text);
	sandbox_profiles_get_shares(&shares);
	point = hash_fiscal_code(fiscal_code, 0);
	if (point < shares.unknown)
		return PROFILE_UNKNOWN;
	if (point < shares.unknown + shares.opted_out)
		return PROFILE_OPTED_OUT;
	if (point < shares.unknown + shares.opted_out + shares.inbox_off)
		return PROFILE_INBOX_OFF;
	return PROFILE_ALLOWED;
}

/* Says which status a message to a citizen reaches once processed. */
const char *
sandbox_profiles_outcome(const char *fiscal_code, const char *service)
{
	ProfileShares shares;
	char		text[16];

	if (sandbox_profiles_text(fiscal_code, "outcome", text, sizeof(text)))
		return outcome_names[find_name(outcome_names, text)];
	if (sandbox_profiles_state(fiscal_code, service) != PROFILE_ALLOWED)
		return "REJECTED";
	sandbox_profiles_get_shares(&shares);
	if (hash_fiscal_code(fiscal_code, 1) < shares.failed)
		return "FAILED";
	return "PROCESSED";
}

/* Returns how a citizen stands, with what is set by name. */
json_t *
sandbox_profiles_show(const char *fiscal_code)
{
	ProfileState state = sandbox_profiles_state(fiscal_code, "");
	json_t	   *shown = json_pack("{s:s, s:s}", "fiscal_code", fiscal_code,
								  "profile", state_names[state]);

	pthread_mutex_lock(&profiles_lock);
	json_object_update(shown, json_object_get(citizens, fiscal_code));
	pthread_mutex_unlock(&profiles_lock);
	return shown;
}

/* Forgets what was set by name. */
void
sandbox_profiles_reset(void)
{
	pthread_mutex_lock(&profiles_lock);
	json_decref(citizens);
	citizens = NULL;
	pthread_mutex_unlock(&profiles_lock);
}
