/*
 * fault.c
 *	  What goes wrong at a point of the drainer, when a test has ordered it.
 *
 * Nothing in an ordinary library.  The setting io_msg.fault is a list of
 * orders, point:action[:nth], separated by commas.  Actions:
 *
 *	  error[=SQLSTATE]	raise it (XX000)
 *	  crash				a segmentation fault
 *	  kill				SIGKILL, to itself
 *	  quit				an immediate shutdown of the server
 *	  exit				end, with status 1
 *	  stop				SIGSTOP, to itself; somebody continues it
 *	  cancel			a query cancel, as if it had got past the handler
 *	  sleep=MS			do nothing, not even look at signals
 *
 * nth is which time the point is met: "3", "2-4", "2-"; without it, each time.
 * It is counted in the file io_msg_fault.POINT of the data directory, one byte
 * a time, so that a crash does not begin anew; whoever orders removes it.
 */
#include "postgres.h"

#ifdef IOMSG_FAULTS

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "fault.h"
#include "http_fault.h"

/* A message whose content holds this meets the point "content". */
#define MARKER "[io_msg fault]"

typedef struct FaultOrder
{
	char		point[32];
	char		action[8];
	char		argument[8];
	long		first;			/* of the times the point is met */
	long		last;
} FaultOrder;

/* In libcurl nothing may be raised. */
static const struct
{
	const char *name;
	bool		in_http;
}			points[] = {
	{"before_key_read", false},
	{"after_key_read", false},
	{"before_orphans", false},
	{"before_orphan_commit", false},
	{"after_orphan_commit", false},
	{"before_claim", false},
	{"after_claim", false},
	{"before_mark_commit", false},
	{"after_mark_commit", false},
	{"before_content", false},
	{"content", false},
	{"before_request", false},
	{"in_guard", true},
	{"request_sent", true},
	{"after_status", true},
	{"after_body", true},
	{"before_result_commit", false},
	{"after_result_commit", false},
	{"at_stop", false}
};

static const char *const actions[] = {
	"error", "crash", "kill", "quit", "exit", "stop", "cancel", "sleep"
};

static char *orders = NULL;
static int	notes = 0;
static int *volatile nowhere = NULL;

/* ----------------------------------------------------------------------
 * Orders
 */

/*
 * Take "3", "2-4" or "2-" apart; false where it is none of them.
 */
static bool
parse_times(const char **text, FaultOrder *order)
{
	char	   *end;

	order->first = order->last = strtol(*text, &end, 10);
	if (end == *text || order->first < 1)
		return false;
	if (*end == '-')
	{
		*text = end + 1;
		order->last = strtol(*text, &end, 10);
		if (end == *text)
			order->last = LONG_MAX;
	}
	*text = end;
	return order->last >= order->first;
}

/*
 * Take the first order off a list; false where it is none.
 */
static bool
parse_order(const char **list, FaultOrder *order)
{
	int			used = 0;

	memset(order, 0, sizeof(*order));
	order->first = 1;
	order->last = LONG_MAX;
	*list += strspn(*list, ", ");
	if (sscanf(*list, "%31[a-z_]:%7[a-z]%n", order->point, order->action,
			   &used) != 2 || used == 0)
		return false;
	*list += used;
	if (**list == '=')
	{
		used = 0;
		if (sscanf(*list, "=%7[0-9A-Z]%n", order->argument, &used) != 1)
			return false;
		*list += used;
	}
	if (**list == ':')
	{
		(*list)++;
		if (!parse_times(list, order))
			return false;
	}
	return **list == '\0' || **list == ',';
}

/*
 * Can that be done there?
 */
static bool
is_possible(const FaultOrder *order)
{
	bool		raises = strcmp(order->action, "error") == 0 ||
		strcmp(order->action, "exit") == 0;
	bool		known = false;

	for (size_t i = 0; i < lengthof(actions); i++)
		known |= strcmp(order->action, actions[i]) == 0;
	if (!known || (strcmp(order->action, "sleep") == 0 &&
				   atoi(order->argument) <= 0))
		return false;
	if (strcmp(order->action, "error") == 0 && order->argument[0] != '\0' &&
		strlen(order->argument) != 5)
		return false;
	for (size_t i = 0; i < lengthof(points); i++)
	{
		if (strcmp(order->point, points[i].name) == 0)
			return !raises || !points[i].in_http;
	}
	return false;
}

static bool
check_orders(char **newval, void **extra, GucSource source)
{
	const char *list = *newval;
	FaultOrder	order;

	while (*list != '\0')
	{
		if (!parse_order(&list, &order) || !is_possible(&order))
		{
			GUC_check_errdetail("There is no such fault.");
			return false;
		}
	}
	return true;
}

/*
 * Define the setting, and listen to the HTTP client.
 */
void
iomsg_fault_define(void)
{
	DefineCustomStringVariable("io_msg.fault",
							   "What is to go wrong, for tests.",
							   "A list of point:action[:nth].",
							   &orders, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_orders, NULL, NULL);
	iomsg_http_fault_hook = iomsg_fault_meet;
}

/* ----------------------------------------------------------------------
 * Points
 */

/*
 * Which time a point is met, over all processes and restarts.
 */
static long
count_time(const char *point)
{
	char		path[64];
	struct stat st = {0};
	int			fd;

	snprintf(path, sizeof(path), "io_msg_fault.%s", point);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0;
	if (write(fd, ".", 1) != 1 || fstat(fd, &st) != 0)
		st.st_size = 0;
	close(fd);
	return (long) st.st_size;
}

static void
sleep_ms(long ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		 /* again */ ;
}

/*
 * An immediate shutdown: nobody is to block it.
 */
static void
quit_server(void)
{
	sigset_t	set;

	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(PostmasterPid, SIGQUIT);
	sleep_ms(60000);
}

static void
act(const FaultOrder *order)
{
	const char *state = order->argument;

	if (strcmp(order->action, "crash") == 0)
		*nowhere = 0;
	else if (strcmp(order->action, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(order->action, "quit") == 0)
		quit_server();
	else if (strcmp(order->action, "stop") == 0)
		kill(getpid(), SIGSTOP);
	else if (strcmp(order->action, "cancel") == 0)
		InterruptPending = QueryCancelPending = true;
	else if (strcmp(order->action, "sleep") == 0)
		sleep_ms(atol(order->argument));
	else if (strcmp(order->action, "exit") == 0)
		proc_exit(1);
	else
		ereport(ERROR,
				(errcode(state[0] == '\0' ? ERRCODE_INTERNAL_ERROR :
						 MAKE_SQLSTATE(state[0], state[1], state[2],
									   state[3], state[4])),
				 errmsg("fault point \"%s\"", order->point)));
}

/*
 * A point is met: do what was ordered for it.
 */
void
iomsg_fault_meet(const char *point)
{
	const char *list = orders;
	FaultOrder	order;
	long		time = 0;

	while (list != NULL && *list != '\0' && parse_order(&list, &order))
	{
		if (strcmp(order.point, point) != 0)
			continue;
		if (time == 0)
			time = count_time(point);
		if (time >= order.first && time <= order.last)
			act(&order);
	}
}

/*
 * The content of a message has been read.
 */
void
iomsg_fault_meet_content(const char *content)
{
	if (strstr(content, MARKER) != NULL)
		iomsg_fault_meet("content");
}

/* ----------------------------------------------------------------------
 * Commits
 */

/*
 * A transaction begins.
 */
void
iomsg_fault_begin(void)
{
	notes = 0;
}

/*
 * It has done this.
 */
void
iomsg_fault_note(int note)
{
	notes |= note;
}

/*
 * It is about to commit.
 */
void
iomsg_fault_before_commit(void)
{
	if (notes & FAULT_ORPHAN)
		iomsg_fault_meet("before_orphan_commit");
	if (notes & FAULT_RESULT)
		iomsg_fault_meet("before_result_commit");
	if (notes & FAULT_MARK)
		iomsg_fault_meet("before_mark_commit");
}

/*
 * It is durable.
 */
void
iomsg_fault_after_commit(void)
{
	int			noted = notes;

	notes = 0;
	if (noted & FAULT_ORPHAN)
		iomsg_fault_meet("after_orphan_commit");
	if (noted & FAULT_RESULT)
		iomsg_fault_meet("after_result_commit");
	if (noted & FAULT_MARK)
		iomsg_fault_meet("after_mark_commit");
}

#endif							/* IOMSG_FAULTS */
