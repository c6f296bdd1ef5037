/*
 * faults.c
 *		The faults that were ordered over the admin path, and which of them a
 *		request meets.
 *
 * Faults are tried in the order in which they were added.  All delays that
 * match add up; of the others the first that matches is taken.  A count goes
 * down only when a fault really strikes.
 */
#include <pthread.h>
#include <string.h>

#include "clock.h"
#include "faults.h"
#include "faultspec.h"

static pthread_mutex_t faults_lock = PTHREAD_MUTEX_INITIALIZER;
static Fault *faults;
static int	fault_count;		/* read without the lock */
static int	last_id;

/* Adds a fault; returns its id as JSON, or NULL with an error. */
json_t *
sandbox_faults_add(json_t *spec, char *error, size_t size)
{
	Fault	   *fault = sandbox_faultspec_read(spec, error, size);
	Fault	  **end = &faults;
	int			id;

	if (fault == NULL)
		return NULL;
	pthread_mutex_lock(&faults_lock);
	while (*end)
		end = &(*end)->next;
	*end = fault;
	fault->id = id = ++last_id;
	__atomic_add_fetch(&fault_count, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&faults_lock);
	return json_integer(id);
}

/* Lists the faults, each with its id, how often it struck and will strike. */
json_t *
sandbox_faults_list(void)
{
	json_t	   *list = json_array();

	pthread_mutex_lock(&faults_lock);
	for (Fault *f = faults; f; f = f->next)
	{
		json_t	   *shown = json_pack("{s:i, s:I, s:o}", "id", f->id,
									  "fired", (json_int_t) f->fired,
									  "left", f->left < 0 ? json_null() :
									  json_integer(f->left));

		json_object_update_missing(shown, f->spec);
		json_array_append_new(list, shown);
	}
	pthread_mutex_unlock(&faults_lock);
	return list;
}

/* Removes the fault with an id, or all for id 0; returns how many went. */
int
sandbox_faults_remove(int id)
{
	Fault	  **place = &faults;
	int			removed = 0;

	pthread_mutex_lock(&faults_lock);
	while (*place)
	{
		Fault	   *fault = *place;

		if (id != 0 && fault->id != id)
		{
			place = &fault->next;
			continue;
		}
		*place = fault->next;
		sandbox_faultspec_free(fault);
		__atomic_sub_fetch(&fault_count, 1, __ATOMIC_RELEASE);
		removed++;
	}
	pthread_mutex_unlock(&faults_lock);
	return removed;
}

/* Says whether a field of a fault, if given, equals a text. */
static bool
field_allows(const Fault *fault, const char *name, const char *text)
{
	const char *wanted = json_string_value(json_object_get(fault->spec, name));

	return wanted == NULL || (text && strcmp(wanted, text) == 0);
}

/* Says whether a fault's path, a kind, prefix or expression, fits. */
static bool
path_allows(const Fault *fault, const FaultFacts *facts)
{
	const char *path = json_string_value(json_object_get(fault->spec, "path"));

	if (path == NULL)
		return true;
	if (facts->path == NULL)
		return false;
	if (fault->has_pattern)
		return regexec(&fault->pattern, facts->path, 0, NULL, 0) == 0;
	if (path[0] == '/')
		return strncmp(facts->path, path, strlen(path)) == 0;
	return strcmp(facts->route, path) == 0;
}

/* Says whether a fault meets a request at this moment. */
static bool
fault_meets(const Fault *fault, const FaultFacts *facts)
{
	FaultMoment moment = fault->moment < MOMENT_BEFORE ?
	fault->moment : MOMENT_BEFORE;

	return moment == facts->moment && fault->left != 0 &&
		(fault->nth_request == 0 ||
		 fault->nth_request == facts->request_number) &&
		field_allows(fault, "method", facts->method) &&
		field_allows(fault, "fiscal_code", facts->fiscal_code) &&
		field_allows(fault, "service", facts->service) &&
		path_allows(fault, facts);
}

/* Lets chance and the number of those to pass decide; counts a strike. */
static bool
fault_strikes(Fault *fault)
{
	double		dice = (double) (sandbox_clock_random() >> 11) /
	9007199254740992.0;

	if (dice >= fault->probability)
		return false;
	if (fault->skip > 0)
	{
		fault->skip--;
		return false;
	}
	if (fault->left > 0)
		fault->left--;
	fault->fired++;
	return true;
}

/* Adds a wait to the plan; one without a length lasts until released. */
static void
add_delay(const Fault *fault, FaultPlan *plan)
{
	int64_t    *delay_ms = fault->moment == MOMENT_BEFORE ?
	&plan->delay_before_ms : &plan->delay_after_ms;
	int64_t		span = fault->max_ms - fault->min_ms;
	int64_t		ms = fault->min_ms;

	if (span > 0)
		ms += (int64_t) (sandbox_clock_random() % (uint64_t) (span + 1));
	if (*delay_ms == INT64_MAX || (fault->kind == FAULT_HANG && ms == 0))
		*delay_ms = INT64_MAX;
	else
		*delay_ms += ms;
	if (plan->id == 0)
		plan->id = fault->id;
}

/*
 * Finds what befalls a request at a moment; true if anything does.  The plan
 * must have been cleared, and is to be given to sandbox_faults_forget().
 */
bool
sandbox_faults_choose(const FaultFacts *facts, FaultPlan *plan)
{
	if (__atomic_load_n(&fault_count, __ATOMIC_ACQUIRE) == 0)
		return false;
	pthread_mutex_lock(&faults_lock);
	for (Fault *f = faults; f; f = f->next)
	{
		bool		waits = f->kind == FAULT_LATENCY || f->kind == FAULT_HANG;

		if ((!waits && plan->kind != FAULT_NONE) ||
			!fault_meets(f, facts) || !fault_strikes(f))
			continue;
		if (waits)
		{
			add_delay(f, plan);
			continue;
		}
		plan->kind = f->kind;
		plan->moment = f->moment;
		plan->work = f->work;
		plan->id = f->id;
		plan->spec = json_incref(f->spec);
	}
	pthread_mutex_unlock(&faults_lock);
	return plan->id != 0;
}

/* Releases what a plan holds and clears it. */
void
sandbox_faults_forget(FaultPlan *plan)
{
	json_decref(plan->spec);
	memset(plan, 0, sizeof(*plan));
}
