/*
 * moved_clock.c
 *		A clock that is wrong, for LD_PRELOAD: the time of day is off by the
 *		seconds in the file that MOVED_CLOCK names, eight bytes that may change
 *		while the program runs.
 *
 * faketime does not do for a server: its library leaves the time alone while
 * select() waits, and with it whatever the postmaster starts from a signal
 * handler meanwhile, as it starts the workers.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Of all processes, since they come from one. */
static const volatile int64_t *seconds_off;

__attribute__((constructor))
static void
map_seconds_off(void)
{
	const char *path = getenv("MOVED_CLOCK");
	int			fd = path != NULL ? open(path, O_RDONLY) : -1;
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		seconds_off = map;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			status = (int) syscall(SYS_clock_gettime, clock, now);

	if (status == 0 && seconds_off != NULL &&
		(clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *seconds_off;
	return status;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *now)
{
	struct timespec precise;

	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	if (now != NULL)
		*now = precise.tv_sec;
	return precise.tv_sec;
}
