/*
 * simulation.c
 *		A model of IO, and of a client that uses the limiter and the schedules.
 *
 * IO counts calls in a sliding window and takes its time to process a message;
 * the network has jitter.  The client is as simple as can be: sends before
 * checks before polls, a bounded number in flight.  When a call leaves, and
 * when a status is asked for, the real code of core decides.
 */
#include "simulation.h"

#include <stdlib.h>

#include "limiter.h"
#include "polls.h"
#include "retry.h"
#include "tap.h"
#include "throttle.h"

#define NONE		(-1)

typedef enum EventKind
{
	ENQUEUE,					/* a message becomes ready for its step */
	AT_IO,						/* its call reaches IO */
	ANSWER,						/* and the answer us */
	WAKE,						/* the limiter may let a client go on */
	OTHERS						/* somebody else calls IO */
} EventKind;

typedef struct Message
{
	int64_t		enqueued;
	int64_t		taken;
	int64_t		sent;
	int64_t		processed;		/* at IO */
	int64_t		known;			/* to us */
	int			client;
	int			attempts;
	int			next;			/* in its queue */
	int			remaining;		/* as the answer says */
	int64_t		wait_s;			/* of a 429; 0: it was none */
	bool		failed;			/* a 500 */
	Step		step;
} Message;

static const Pattern *pattern;
static Limiter *limiter;
static Message *messages;
static Result result;
static int	first[CLIENTS][STEPS];
static int	last[CLIENTS][STEPS];
static int	in_flight[CLIENTS];
static int64_t wake_at[CLIENTS];
static int64_t window[QUOTA];	/* the last calls that IO counted */
static int	window_next;
static long counted;
static uint64_t seed;

static int64_t
draw(int64_t below)
{
	return below > 0 ? (int64_t) (tap_random(&seed) % (uint64_t) below) : 0;
}

static void
push(int m)
{
	Message    *message = &messages[m];
	int		   *tail = &last[message->client][message->step];

	message->next = NONE;
	if (first[message->client][message->step] == NONE)
		first[message->client][message->step] = m;
	else
		messages[*tail].next = m;
	*tail = m;
}

static bool
is_slow(int64_t now)
{
	return now >= pattern->slow_from && now < pattern->slow_to;
}

/* 20 ms, and half of the jitter. */
static int64_t
draw_way(void)
{
	return 20000 + draw(pattern->jitter / 2 + 1);
}

/* Starts all calls that the limiter lets go. */
static void
pump(int client, int64_t now)
{
	while (in_flight[client] < IN_FLIGHT)
	{
		static const Step order[STEPS] = {SEND, CHECK, POLL};
		int			m = NONE;
		int64_t		when;

		for (int i = 0; i < STEPS && m == NONE; i++)
			m = first[client][order[i]];
		if (m == NONE)
			return;
		if (!iomsg_limiter_take(limiter, now, &when))
		{
			if (wake_at[client] <= now || when < wake_at[client])
			{
				wake_at[client] = when;
				simulation_plan(when, WAKE, client);
			}
			return;
		}
		first[client][messages[m].step] = messages[m].next;
		messages[m].taken = now;
		in_flight[client]++;
		result.calls[messages[m].step]++;
		simulation_plan(now + draw_way(), AT_IO, m);
	}
}

/* Counts a call as IO does; returns what remains, or NONE for a 429. */
static int
count_call(int64_t now, int64_t *wait_s)
{
	int64_t		oldest = window[window_next];
	int			remaining = 0;

	if (now - oldest < PERIOD)
	{
		*wait_s = (oldest + PERIOD - now + SECOND - 1) / SECOND;
		return NONE;
	}
	window[window_next] = now;
	window_next = (window_next + 1) % QUOTA;
	for (int i = 0; i < QUOTA; i++)
		remaining += now - window[i] >= PERIOD;
	counted++;
	return remaining;
}

/* How long IO takes to process a message: seconds, for some minutes. */
static int64_t
draw_processing(int64_t now)
{
	int64_t		share = draw(100);

	if (share == 0 || (is_slow(now) && share < 20))
		return 60 * SECOND + draw(540 * SECOND);
	return share < 10 ? 10 * SECOND + draw(40 * SECOND) :
		SECOND + draw(9 * SECOND);
}

static void
arrive(int m, int64_t now)
{
	Message    *message = &messages[m];
	bool		slow = is_slow(now);

	message->wait_s = 0;
	message->remaining = count_call(now, &message->wait_s);
	message->failed = message->remaining != NONE && slow && draw(50) == 0;
	if (message->remaining != NONE && !message->failed &&
		message->step == SEND)
		message->processed = now + draw_processing(now);
	simulation_plan(now + draw_way() + (slow ? pattern->slow_us : 30000),
					ANSWER, m);
}

/* When to ask for the status, on the grid that lets calls share a row. */
static void
plan_poll(Message *message, int m, int64_t now, const char *status)
{
	PollFacts	facts = {
		.age_ms = (now - message->sent) / 1000, .io_status = status
	};
	int64_t		next_ms = iomsg_polls_next_ms(&facts, IOMSG_POLLS_BASE_MS,
											  (uint32_t) (now / SECOND));
	int64_t		due = message->sent + next_ms * 1000;
	int64_t		grid = (due - now) / 64 > 1000 ? (due - now) / 64 : 1000;

	if (next_ms == IOMSG_POLLS_NEVER)
		return;
	message->step = POLL;
	simulation_plan((due / grid + 1) * grid, ENQUEUE, m);
}

static void
note_refused(const Message *message, int64_t now)
{
	char		text[32];
	ThrottleHints hints = {.x_rate_limit_retry_after = text, .default_s = 5};

	snprintf(text, sizeof(text), "%" PRId64, message->wait_s);
	result.refused++;
	iomsg_limiter_refused(limiter, message->taken);
	iomsg_limiter_throttled(limiter, now,
							iomsg_throttle_wait_s(&hints) * 1000);
}

/* An answer has come: learn from it, and take the message's next step. */
static void
answer(int m, int64_t now)
{
	Message    *message = &messages[m];

	in_flight[message->client]--;
	if (message->wait_s > 0)
	{
		note_refused(message, now);
		simulation_plan(now + message->wait_s * SECOND, ENQUEUE, m);
		return;
	}
	iomsg_limiter_answered(limiter, (int) message->step, message->taken, now);
	iomsg_limiter_observe(limiter, message->taken, now, message->remaining);
	if (message->failed)
	{
		message->attempts++;
		simulation_plan(now + 1000 *
						iomsg_retry_delay_ms(message->attempts, 30000,
											 21600000,
											 (uint32_t) draw(1 << 30)),
						ENQUEUE, m);
	}
	else if (message->step == CHECK)
	{
		message->step = SEND;
		push(m);
	}
	else if (message->step == SEND)
	{
		message->sent = result.last_sent = now;
		result.counted_busy = counted;
		result.sent_by[message->client]++;
		plan_poll(message, m, now, "ACCEPTED");
	}
	else if (now >= message->processed)
		message->known = now;
	else
		plan_poll(message, m, now, "ACCEPTED");
}

/* Another system's call, at a third of the quota. */
static void
call_of_others(int64_t now)
{
	int64_t		wait_s;

	result.refused_others += count_call(now, &wait_s) == NONE;
	if (now < pattern->others_to)
		simulation_plan(now + PERIOD / (QUOTA / 3) + draw(20000), OTHERS, 0);
}

static void
set_up(const Pattern *p)
{
	pattern = p;
	result = (Result) {.messages = p->messages * p->bursts};
	limiter = malloc(iomsg_limiter_size(IOMSG_LIMITER_CAPACITY_MAX));
	messages = calloc((size_t) result.messages, sizeof(Message));
	if (limiter == NULL || messages == NULL)
		abort();
	iomsg_limiter_init(limiter, IOMSG_LIMITER_CAPACITY_MAX, PERIOD / 1000,
					   QUOTA);
	window_next = 0;
	counted = 0;
	seed = 1;
	for (int i = 0; i < QUOTA; i++)
		window[i] = -PERIOD;
	for (int c = 0; c < CLIENTS; c++)
	{
		in_flight[c] = 0;
		wake_at[c] = -1;
		for (int s = 0; s < STEPS; s++)
			first[c][s] = NONE;
	}
	for (int m = 0; m < result.messages; m++)
	{
		messages[m].client = m % p->clients;
		messages[m].enqueued = m / p->messages * p->burst_every +
			p->spread * (m % p->messages) / p->messages;
		simulation_plan(messages[m].enqueued, ENQUEUE, m);
	}
	if (p->others_to > 0)
		simulation_plan(p->others_from, OTHERS, 0);
}

static int
compare(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a;
	int64_t		y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

static void
sum_up(void)
{
	int			n = result.messages;
	int64_t    *took = malloc((size_t) n * sizeof(int64_t));

	if (took == NULL)
		abort();
	for (int m = 0; m < n; m++)
	{
		took[m] = messages[m].known - messages[m].sent;
		result.unknown += messages[m].known == 0;
		if (messages[m].sent - messages[m].enqueued > result.slowest_start)
			result.slowest_start = messages[m].sent - messages[m].enqueued;
	}
	qsort(took, (size_t) n, sizeof(int64_t), compare);
	result.half_s = (double) took[n / 2] / 1e6;
	result.most_s = (double) took[(int) (0.95 * (n - 1))] / 1e6;
	result.use = 100.0 * (double) result.counted_busy /
		(double) (QUOTA * (result.last_sent / PERIOD + 1));
	free(took);
	free(messages);
	free(limiter);
}

static void
print_result(void)
{
	double		n = result.messages;

	printf("# %s: %d messages sent in %.0f s, quota used %.2f %%\n",
		   pattern->name, result.messages, (double) result.last_sent / 1e6,
		   result.use);
	printf("#   calls a message: %.3f profile, %.3f message, %.3f status; "
		   "%ld refused (%ld of others)\n", (double) result.calls[CHECK] / n,
		   (double) result.calls[SEND] / n, (double) result.calls[POLL] / n,
		   result.refused, result.refused_others);
	printf("#   known as PROCESSED after its sending: half in %.0f s, 95 %% "
		   "in %.0f s\n", result.half_s, result.most_s);
}

Result
simulation_run(const Pattern *p)
{
	Event		event;

	set_up(p);
	while (simulation_next(&event))
	{
		int			client = event.kind == WAKE ? event.subject :
			event.kind == OTHERS ? 0 : messages[event.subject].client;

		switch ((EventKind) event.kind)
		{
			case ENQUEUE:
				push(event.subject);
				break;
			case AT_IO:
				arrive(event.subject, event.at);
				break;
			case ANSWER:
				answer(event.subject, event.at);
				break;
			case OTHERS:
				call_of_others(event.at);
				break;
			case WAKE:
				break;
		}
		for (int c = 0; c < p->clients; c++)
			pump((client + c) % p->clients, event.at);
	}
	sum_up();
	print_result();
	return result;
}
