/*
 * messages.c
 *		The messages that were accepted, and what became of them.
 *
 * Messages are kept in memory, in a search tree by id.  A status is worked
 * out when it is asked for, from the time of acceptance, so that nothing has
 * to run in the background.
 */
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

static pthread_mutex_t messages_lock = PTHREAD_MUTEX_INITIALIZER;
static void *messages;			/* tree of Message, by id */
static size_t message_count;
static int64_t processing_delay_ms;

/* Orders messages by id. */
static int
compare_ids(const void *a, const void *b)
{
	return memcmp(((const Message *) a)->id, ((const Message *) b)->id,
				  ULID_LENGTH);
}

/* Releases a message. */
static void
free_message(void *message)
{
	free(((Message *) message)->content);
	free(message);
}

/* Sets how long messages stay ACCEPTED, in scaled milliseconds. */
void
sandbox_messages_set_delay(int64_t delay_ms)
{
	__atomic_store_n(&processing_delay_ms, delay_ms, __ATOMIC_RELAXED);
}

/* Returns how long messages stay ACCEPTED, in scaled milliseconds. */
int64_t
sandbox_messages_delay(void)
{
	return __atomic_load_n(&processing_delay_ms, __ATOMIC_RELAXED);
}

/* Stores a copy of a message and takes over its content. */
bool
sandbox_messages_add(const Message *message)
{
	Message    *stored = malloc(sizeof(Message));
	void	   *node;

	if (stored == NULL)
		return false;
	*stored = *message;
	pthread_mutex_lock(&messages_lock);
	node = tsearch(stored, &messages, compare_ids);
	if (node)
		message_count++;
	pthread_mutex_unlock(&messages_lock);
	if (node == NULL)
		free(stored);
	return node != NULL;
}

/* Finds the message with an id; the lock must be held. */
static Message *
find_message(const char *id)
{
	Message		wanted;
	void	   *node;

	if (strlen(id) != ULID_LENGTH)
		return NULL;
	memcpy(wanted.id, id, ULID_LENGTH + 1);
	node = tfind(&wanted, &messages, compare_ids);
	return node ? *(Message **) node : NULL;
}

/* Takes a message away that could not be made durable. */
void
sandbox_messages_remove(const char *id)
{
	Message    *found;

	pthread_mutex_lock(&messages_lock);
	found = find_message(id);
	if (found)
	{
		tdelete(found, &messages, compare_ids);
		message_count--;
		free_message(found);
	}
	pthread_mutex_unlock(&messages_lock);
}

/* Copies the message with an id; the copy's content is the caller's. */
bool
sandbox_messages_find(const char *id, Message *copy)
{
	Message    *found;

	pthread_mutex_lock(&messages_lock);
	found = find_message(id);
	if (found)
	{
		*copy = *found;
		copy->content = strdup(found->content);
	}
	pthread_mutex_unlock(&messages_lock);
	return found != NULL;
}

/* Says in which status a message is at this moment. */
const char *
sandbox_messages_status(const Message *message)
{
	int64_t		age_us = sandbox_clock_now_us() - message->accepted_us;

	if (message->status)
		return message->status;
	if (age_us < sandbox_messages_delay() * 1000)
		return "ACCEPTED";
	return message->outcome;
}

/* Finds the constant that equals a word, among those of a list. */
static bool
find_word(const char *const *words, const json_t *value, const char **place)
{
	*place = NULL;
	if (value == NULL || json_is_null(value))
		return true;
	for (; *words; words++)
	{
		if (json_is_string(value) &&
			strcmp(*words, json_string_value(value)) == 0)
			*place = *words;
	}
	return *place != NULL;
}

/*
 * Sets "status", "read_status", "payment_status" of a message by hand; a null
 * gives a field back to the rules, one that is absent stays as it is.
 */
bool
sandbox_messages_change(const char *id, const json_t *changes, char *error,
						size_t size)
{
	static const char *const statuses[] = {
		"ACCEPTED", "THROTTLED", "PROCESSED", "REJECTED", "FAILED",
		"UNHEARD_OF", NULL
	};
	static const char *const reads[] = {
		"READ", "UNREAD", "UNAVAILABLE", "ERROR", NULL
	};
	static const char *const payments[] = {"PAID", "NOT_PAID", "ERROR", NULL};
	const json_t *status = json_object_get(changes, "status");
	const json_t *read = json_object_get(changes, "read_status");
	const json_t *payment = json_object_get(changes, "payment_status");
	const char *words[3];
	Message    *found;

	if (!find_word(statuses, status, &words[0]) ||
		!find_word(reads, read, &words[1]) ||
		!find_word(payments, payment, &words[2]) ||
		(!status && !read && !payment))
	{
		snprintf(error, size, "no or wrong \"status\", \"read_status\", "
				 "\"payment_status\"");
		return false;
	}
	pthread_mutex_lock(&messages_lock);
	found = find_message(id);
	if (found && status)
		found->status = words[0];
	if (found && read)
		found->read_status = words[1];
	if (found && payment)
		found->payment_status = words[2];
	pthread_mutex_unlock(&messages_lock);
	if (found == NULL)
		snprintf(error, size, "no message with this id");
	return found != NULL;
}

/* Returns the number of messages held. */
size_t
sandbox_messages_count(void)
{
	size_t		count;

	pthread_mutex_lock(&messages_lock);
	count = message_count;
	pthread_mutex_unlock(&messages_lock);
	return count;
}

/* Forgets all messages. */
void
sandbox_messages_reset(void)
{
	pthread_mutex_lock(&messages_lock);
	tdestroy(messages, free_message);
	messages = NULL;
	message_count = 0;
	pthread_mutex_unlock(&messages_lock);
}
