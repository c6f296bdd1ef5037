/*
 * clock.h
 *		The sandbox's clock, which may run faster than the real one, and the
 *		ids that are made from time.
 */
#ifndef SANDBOX_CLOCK_H
#define SANDBOX_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define ULID_LENGTH 26

extern void sandbox_clock_start(double scale);
extern double sandbox_clock_scale(void);
extern int64_t sandbox_clock_now_us(void);
extern int64_t sandbox_clock_to_real_us(int64_t scaled_us);
extern int64_t sandbox_clock_real_us(void);
extern int64_t sandbox_clock_monotonic_us(void);
extern void sandbox_clock_format(int64_t epoch_ms, char *out, size_t size);
extern void sandbox_clock_ulid(char *out);
extern uint64_t sandbox_clock_random(void);

#endif
