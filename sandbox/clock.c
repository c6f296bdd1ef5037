/*
 * clock.c
 *		The sandbox's clock, which may run faster than the real one, and the
 *		ids that are made from time.
 *
 * Scaled time starts at zero with the process and never goes back; real time
 * is the system's.  ULIDs are unique and rise within one process, also inside
 * one millisecond.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"

static double clock_scale = 1.0;
static int64_t clock_origin_us;
static pthread_mutex_t ulid_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t ulid_ms = -1;
static uint8_t ulid_random[10];

/* Reads the monotonic clock in microseconds. */
int64_t
sandbox_clock_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Starts the scaled clock at zero, running "scale" times as fast as real. */
void
sandbox_clock_start(double scale)
{
	clock_scale = scale;
	clock_origin_us = sandbox_clock_monotonic_us();
}

/* Returns how many times faster than real time the sandbox's clock runs. */
double
sandbox_clock_scale(void)
{
	return clock_scale;
}

/* Returns scaled microseconds since the start. */
int64_t
sandbox_clock_now_us(void)
{
	int64_t		elapsed_us = sandbox_clock_monotonic_us() - clock_origin_us;

	return (int64_t) ((double) elapsed_us * clock_scale);
}

/* Turns a length of scaled time into real microseconds. */
int64_t
sandbox_clock_to_real_us(int64_t scaled_us)
{
	return (int64_t) ((double) scaled_us / clock_scale);
}

/* Returns the system's time in microseconds since the epoch. */
int64_t
sandbox_clock_real_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Writes a time as IO does: UTC, milliseconds, "Z"; years 0 to 9999. */
void
sandbox_clock_format(int64_t epoch_ms, char *out, size_t size)
{
	int64_t		ms = epoch_ms % 1000;
	time_t		seconds;
	struct tm	parts;

	if (ms < 0)
		ms += 1000;
	seconds = (time_t) ((epoch_ms - ms) / 1000);
	gmtime_r(&seconds, &parts);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
			 parts.tm_hour, parts.tm_min, parts.tm_sec, (int) ms);
}

/* Returns 64 random bits, from a generator of its own for each thread. */
uint64_t
sandbox_clock_random(void)
{
	static __thread uint64_t state;
	uint64_t	mixed;

	while (state == 0)
	{
		if (getrandom(&state, sizeof(state), 0) < 0)
			state = (uint64_t) sandbox_clock_monotonic_us();
	}
	state += UINT64_C(0x9e3779b97f4a7c15);
	mixed = state;
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

/* Fills the ten random bytes anew. */
static void
draw_random(uint8_t *bytes)
{
	for (int i = 0; i < 10; i++)
		bytes[i] = (uint8_t) (sandbox_clock_random() >> 24);
	bytes[0] &= 0x7f;			/* leaves room to count up */
}

/* Writes 27 bytes: a new ULID, upper case, greater than all before it. */
void
sandbox_clock_ulid(char *out)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t		now_ms = sandbox_clock_real_us() / 1000;
	uint8_t		bytes[16];
	unsigned	bits = 0;
	int			have = 2;		/* 130 bits of text hold 128 of id */
	int			at = 0;

	pthread_mutex_lock(&ulid_lock);
	if (now_ms > ulid_ms)
	{
		ulid_ms = now_ms;
		draw_random(ulid_random);
	}
	else
	{
		for (int i = 9; i >= 0 && ++ulid_random[i] == 0; i--)
			;
	}
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t) (ulid_ms >> (8 * (5 - i)));
	for (int i = 0; i < 10; i++)
		bytes[6 + i] = ulid_random[i];
	pthread_mutex_unlock(&ulid_lock);

	for (int i = 0; i < 16; i++)
	{
		bits = (bits << 8) | bytes[i];
		for (have += 8; have >= 5; have -= 5)
			out[at++] = alphabet[(bits >> (have - 5)) & 31];
	}
	out[at] = '\0';
}
