/*
 * profiles.h
 *		The citizens: who is on IO, who wants to be written to, by rule and
 *		by name.
 */
#ifndef SANDBOX_PROFILES_H
#define SANDBOX_PROFILES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

typedef enum ProfileState
{
	PROFILE_ALLOWED,
	PROFILE_UNKNOWN,			/* not on IO */
	PROFILE_OPTED_OUT,			/* sender_allowed is false */
	PROFILE_INBOX_OFF			/* on IO, but without an inbox */
} ProfileState;

/* The parts of citizens, from 0 to 1, to whom a rule applies. */
typedef struct ProfileShares
{
	double		unknown;
	double		opted_out;
	double		inbox_off;
	double		failed;			/* their messages end as FAILED */
} ProfileShares;

extern void sandbox_profiles_set_shares(const ProfileShares *shares);
extern void sandbox_profiles_get_shares(ProfileShares *shares);
extern bool sandbox_profiles_argument(const char *text);
extern bool sandbox_profiles_set(const char *fiscal_code, json_t *changes,
								 char *error, size_t size);
extern json_t *sandbox_profiles_show(const char *fiscal_code);
extern ProfileState sandbox_profiles_state(const char *fiscal_code,
										   const char *service);
extern const char *sandbox_profiles_outcome(const char *fiscal_code,
											const char *service);
extern bool sandbox_profiles_text(const char *fiscal_code, const char *field,
								  char *out, size_t size);
extern void sandbox_profiles_reset(void);

#endif
