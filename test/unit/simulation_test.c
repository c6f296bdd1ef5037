/*
 * simulation_test.c
 *		Six patterns of traffic, hours of each, in virtual time.
 *
 * What io_msg promises of the quota, for each: no refusal while the account is
 * ours alone, nearly all of the quota used while there is work, one profile
 * and one message call a message and few status calls; and where others share
 * the account, or IO is slow, few refusals and full speed again afterwards.
 */
#include "simulation.h"
#include "tap.h"

/* What holds wherever the account is ours alone. */
static void
check_alone(const Pattern *pattern, const Result *r)
{
	tap_is_int(r->unknown, 0, pattern->name);
	tap_is_int(r->refused, 0, "  no call is refused");
	tap_ok(r->calls[SEND] == r->messages && r->calls[CHECK] == r->messages,
		   "  one profile and one message call each");
	tap_ok((double) r->calls[POLL] <= 1.2 * r->messages,
		   "  at most 1.2 status calls each");
}

static void
check_trickle(void)
{
	static const Pattern pattern = {
		"trickle", 360, 1, .spread = 7200 * SECOND, .clients = 1,
		.jitter = 50000
	};
	Result		r = simulation_run(&pattern);

	check_alone(&pattern, &r);
	tap_ok(r.slowest_start < SECOND, "  each leaves at once");
	tap_ok(r.half_s < 70, "  its status is known a minute later");
}

static void
check_lots(void)
{
	static const Pattern lots[] = {
		{"nightly lot", 12000, 1, .clients = 1, .jitter = 50000},
		{"nightly lot, more jitter", 12000, 1, .clients = 1, .jitter = 200000},
		{"month end, lots above the quota", 9000, 3,
			.burst_every = 800 * SECOND, .spread = 500 * SECOND,
		.clients = 1, .jitter = 50000},
		{"two services at once, in two databases", 12000, 1, .clients = 2,
		.jitter = 50000}
	};

	for (size_t i = 0; i < sizeof(lots) / sizeof(lots[0]); i++)
	{
		Result		r = simulation_run(&lots[i]);
		double		least = lots[i].jitter > 50000 ? 95 : 98;

		check_alone(&lots[i], &r);
		tap_ok(r.use >= least, "  at least %.0f %% of the quota", least);
	}
}

static void
check_shared(void)
{
	static const Pattern pattern = {
		"a quota shared with another system", 20000, 1, .clients = 1,
		.jitter = 50000, .others_from = 200 * SECOND,
		.others_to = 1000 * SECOND
	};
	Result		r = simulation_run(&pattern);
	long		all = r.calls[CHECK] + r.calls[SEND] + r.calls[POLL];

	tap_is_int(r.unknown, 0, pattern.name);
	tap_ok((double) r.refused < 0.01 * (double) all,
		   "  less than 1 %% of our calls are refused");
	tap_ok(r.use >= 85, "  the rest of the quota is ours");
}

static void
check_slow(void)
{
	static const Pattern pattern = {
		"answers that slow down", 12000, 1, .clients = 1, .jitter = 50000,
		.slow_from = 200 * SECOND, .slow_to = 600 * SECOND,
		.slow_us = 10 * SECOND
	};
	Result		r = simulation_run(&pattern);
	double		work_s = 2.0 * r.messages * PERIOD / SECOND / QUOTA;

	tap_is_int(r.unknown, 0, pattern.name);
	tap_is_int(r.refused, 0, "  no call is refused");
	tap_ok(r.calls[SEND] < r.messages * 1.05, "  few are sent again");
	tap_ok((double) r.last_sent / 1e6 < 400 + 1.05 * work_s,
		   "  afterwards it is as fast as before");
}

int
main(void)
{
	check_trickle();
	check_lots();
	check_shared();
	check_slow();
	return tap_done();
}
