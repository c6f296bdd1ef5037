/*
 * messages.h
 *		The messages that were accepted, and what became of them.
 */
#ifndef SANDBOX_MESSAGES_H
#define SANDBOX_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "clock.h"
#include "registry.h"

typedef struct Message
{
	char		id[ULID_LENGTH + 1];
	char		fiscal_code[17];
	bool		advanced;
	bool		has_payment;
	int			time_to_live_s;
	int64_t		created_ms;		/* real time since the epoch */
	int64_t		accepted_us;	/* scaled time */
	const char *outcome;		/* status once processed */
	const char *status;			/* set over the admin path, or NULL */
	const char *read_status;	/* likewise */
	const char *payment_status; /* likewise */
	const Service *service;
	char	   *content;		/* JSON text, own memory */
} Message;

extern void sandbox_messages_set_delay(int64_t delay_ms);
extern int64_t sandbox_messages_delay(void);
extern bool sandbox_messages_add(const Message *message);
extern void sandbox_messages_remove(const char *id);
extern bool sandbox_messages_find(const char *id, Message *copy);
extern const char *sandbox_messages_status(const Message *message);
extern bool sandbox_messages_change(const char *id, const json_t *changes,
									char *error, size_t size);
extern size_t sandbox_messages_count(void);
extern void sandbox_messages_reset(void);

#endif
