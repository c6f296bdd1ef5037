/*
 * polls.h
 *		When to ask IO for the status of a sent message.
 *
 * Asked 1 min, 5 min, 30 min, 2 h and 12 h after sending, then daily to the
 * seventh day, until a status that IO never changes.  ADVANCED messages are
 * then followed daily until they are read and paid.  base_ms stands for the
 * minute: a smaller one shrinks the whole schedule.
 */
#ifndef IOMSG_POLLS_H
#define IOMSG_POLLS_H

#include <stdbool.h>
#include <stdint.h>

#define IOMSG_POLLS_BASE_MS			INT64_C(60000)
#define IOMSG_POLLS_NEVER			INT64_C(-1)
#define IOMSG_POLLS_NOT_FOUND_MAX	5	/* 404s before it is an error */

/* What is known of a sent message.  Texts end with a NUL or are NULL. */
typedef struct PollFacts
{
	int64_t		age_ms;			/* since it was sent */
	const char *io_status;
	bool		advanced;		/* feature_level_type ADVANCED */
	bool		has_payment;
	const char *read_status;
	const char *payment_status;
	bool		has_due_date;
	int64_t		due_age_ms;		/* due_date minus time of sending */
} PollFacts;

/* Whether IO never changes this status; unknown texts and NULL are not. */
extern bool iomsg_polls_terminal(const char *io_status);

/*
 * Milliseconds from sending to the nth poll (the first is 1), jitter included,
 * or IOMSG_POLLS_NEVER after the last.  Grows with n for every random number.
 */
extern int64_t iomsg_polls_delay_ms(int n, int64_t base_ms, uint32_t random);

/*
 * Milliseconds from sending to the next poll, always later than facts->age_ms,
 * or IOMSG_POLLS_NEVER where there is nothing more to learn.
 */
extern int64_t iomsg_polls_next_ms(const PollFacts *facts, int64_t base_ms,
								   uint32_t random);

#endif							/* IOMSG_POLLS_H */
