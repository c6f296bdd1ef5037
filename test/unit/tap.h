/*
 * tap.h
 *		The few functions with which a unit test prints TAP.
 *
 * A test calls the checks in any order and ends main() with
 * "return tap_done();", which prints the plan and fails if a check failed.
 */
#ifndef IOMSG_TAP_H
#define IOMSG_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int	tap_count = 0;
static int	tap_failed = 0;

/* Prints one line; the name is a format. */
__attribute__((format(printf, 2, 3), unused))
static bool
tap_ok(bool passed, const char *format,...)
{
	va_list		args;

	tap_count++;
	if (!passed)
		tap_failed++;
	printf("%sok %d - ", passed ? "" : "not ", tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return passed;
}

/* Passes where two whole numbers are equal. */
__attribute__((unused))
static bool
tap_is_int(int64_t got, int64_t wanted, const char *name)
{
	if (!tap_ok(got == wanted, "%s", name))
		printf("# got %" PRId64 ", wanted %" PRId64 "\n", got, wanted);
	return got == wanted;
}

/* Passes where two texts are equal; NULL is equal to NULL alone. */
__attribute__((unused))
static bool
tap_is_text(const char *got, const char *wanted, const char *name)
{
	bool		same = got == wanted ||
		(got != NULL && wanted != NULL && strcmp(got, wanted) == 0);

	if (!tap_ok(same, "%s", name))
		printf("# got %s, wanted %s\n", got != NULL ? got : "(null)",
			   wanted != NULL ? wanted : "(null)");
	return same;
}

/* A 64-bit random number of a fixed sequence (splitmix64). */
__attribute__((unused))
static uint64_t
tap_random(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Prints the plan; returns the exit status of the test. */
__attribute__((unused))
static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif							/* IOMSG_TAP_H */
