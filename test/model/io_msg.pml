/*
 * io_msg.pml
 *		The drainer's protocol, for Spin: what may happen to a message between
 *		its enqueuing and its end, whatever dies in between.
 *
 * Each atomic step is what the database or IO sees at once: a transaction, a
 * POST, a crash.  Between any two of them anything else may come.  README.md
 * says which function of src/ each step stands for.
 *
 * What is verified, and with which defect, comes from the environment when
 * the verifier runs, so that it is compiled once:
 *	 IOMSG_MODE		the installation, see ALONE and so on
 *	 IOMSG_DEFECT	the defect, see SOUND and so on
 *	 IOMSG_MESSAGES	how many messages, 1 or 2
 *	 IOMSG_ORDERS	how often a person may have a message sent again
 *	 IOMSG_TWICE	1: only "never twice" is looked at
 *
 * Nothing else is bounded: any number of crashes, failed commits, starts,
 * attempts and acts of people, in any order.
 */

c_decl {
	\#include <stdlib.h>
	static int setting(const char *name)
	{
		const char *value = getenv(name);
		return value == NULL ? 0 : atoi(value);
	}
}

/* The installation. */
#define ALONE		0	/* one server; a drainer may outlive its place */
#define ASYNC		1	/* a standby, asynchronous; promotion holds */
#define SYNC_HOLD	2	/* a synchronous standby; promotion holds */
#define SYNC_TRUST	3	/* a synchronous standby; promotion trusts */
#define CLONE		4	/* a copy of the data directory is opened and armed */

/* The defect; each one must show. */
#define SOUND				0
#define MARK_NOT_FLUSHED	1	/* the mark is committed, not yet on disk */
#define ORPHAN_REQUEUED		2	/* what a dead drainer sent goes back */
#define NO_FENCE			3	/* the epoch is not compared */
#define GUARD_OFF			4	/* libcurl may repeat a POST by itself */
#define UNKNOWN_RETRIED		5	/* a 5xx that decides nothing is retried */
#define NO_HOLD				6	/* a promoted standby goes on as it was */
#define WAIT_CANCELLED		7	/* no look whether the standby has the mark */
#define MARK_AFTER_POST		8
#define LOCK_NOT_MARK		9	/* a row lock is all that says "sending" */
#define LEASE				10	/* what takes too long goes back by a timer */
#define CLONE_NOT_HELD		11	/* a copy goes on as it was */
#define LOST_MARK			12	/* a failed commit is taken for undone */
#define BATON_IGNORED		13	/* people cancel what is being sent */
#define REFUSAL_GUESSED		14	/* a cut connection is called a refusal */
#define RESULT_TWICE		15	/* what a failed commit wrote is written again */

#define N	2			/* messages */
#define ROW(n, m)	((n) * N + (m))
#define NODE(w)		((w) / 2)	/* drainers 0 and 1 are on server 0 */

/* outbox.status; UNC is uncertain, RESOLVED what a person said of it. */
#define NONE	0
#define QUEUED	1
#define SENT	2
#define FAILED	3
#define UNC		4
#define CANCELLED 5
#define RESOLVED 6

/* What a drainer has in hand of a message. */
#define NOTHING		0
#define UNSURE		1	/* was being marked when the commit failed */
#define UNCONFIRMED	2	/* marked here, not yet on the standby */
#define MARKED		3	/* may be posted */
#define ACCEPTED	4	/* from here on: DONE, to be written */
#define NOT_TAKEN	5	/* not sent, or IO said that it did not take it */
#define REFUSED		6	/* by IO for good, or often enough */
#define UNKNOWN		7
#define DONE(x)		((x) >= ACCEPTED)

typedef Row {
	byte status;
	bit pending;		/* has its row in io_msg.pending: the baton */
	bit in_flight;		/* is in io_msg.drainer.in_flight */
	bit orphan;			/* is in io_msg.drainer.orphans */
	bit held			/* of another timeline or generation */
};

/* Server 0 and its standby or copy, server 1: committed, and on disk. */
Row mem[4];
Row disk[4];
/* Whose epoch is the present one: the drainer that took over last. */
byte owner[2];
bit opened;				/* server 1 is promoted, or the copy open */
bit armed;				/* the copy, by a person */

/* Drainers 0 and 1 of server 0, drainer 2 of server 1. */
typedef Drainer {
	bit alive;
	bit unsure;			/* a commit failed: the database knows */
	byte item[N]
};
Drainer drainer[3];

/* What really happened, which nobody can look up. */
byte accepted[N];
byte orders[N];			/* a person accepted that it may be sent again */

byte mode, defect, messages, most_orders;
byte only_twice;
hidden byte i;
hidden byte outcome;
hidden byte applied;

#define STANDBY		(mode == ASYNC || mode == SYNC_HOLD || mode == SYNC_TRUST)
#define SYNC		(mode == SYNC_HOLD || mode == SYNC_TRUST)
#define IN_USE(n)	((n) == 0 || (opened && (mode != CLONE || armed || \
						defect == CLONE_NOT_HELD)))
#define CLAIMABLE(n, m) (mem[ROW(n, m)].pending && \
	(!mem[ROW(n, m)].held || defect == NO_HOLD || defect == CLONE_NOT_HELD))

/* ----------------------------------------------------------------------
 * What must hold after each step
 */

#define WHERE(r)	(mem[r].pending + mem[r].in_flight + mem[r].orphan)
/*
 * An asynchronous standby or a copy may know less than the server before it,
 * and a server whose synchronous standby was promoted is in charge no more.
 */
#define KNOWS(r)	(SYNC -> ((r) >= ROW(1, 0) || !opened) : !mem[r].held)
/* There its commits wait for ever. */
#define MAY_ACT(n)	((n) == 0 -> !(SYNC && opened) : opened)

inline check_row(r, m)
{
	/* Never lost: what waits is in exactly one place, what ended in none. */
	assert(mem[r].status != QUEUED || WHERE(r) == 1);
	assert(mem[r].status == QUEUED || WHERE(r) == 0);
	/* What is said of it is true. */
	assert(mem[r].status != SENT || accepted[m] > 0);
	assert(mem[r].status != FAILED || !KNOWS(r) || accepted[m] <= orders[m]);
	assert(mem[r].status != CANCELLED || !KNOWS(r) ||
		accepted[m] <= orders[m])
}

inline check()
{
	d_step {
		i = 0;
		do
		:: i < messages ->
			/* Never twice, unless a person has said so. */
			assert(accepted[i] <= 1 + orders[i]);
			if
			:: only_twice
			:: else ->
				/* Nothing is sent that was not committed. */
				assert(accepted[i] == 0 || opened ||
					mem[ROW(0, i)].status != NONE);
				check_row(ROW(0, i), i)
			fi;
			if
			:: opened && !only_twice -> check_row(ROW(1, i), i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* ----------------------------------------------------------------------
 * Disks, crashes, the standby
 */

inline copy_row(to, from)
{
	to.status = from.status;
	to.pending = from.pending;
	to.in_flight = from.in_flight;
	to.orphan = from.orphan;
	to.held = from.held
}

/* All that server n has committed is on its disk: the log is one sequence. */
inline flush(n)
{
	d_step {
		i = 0;
		do
		:: i < messages -> copy_row(disk[ROW(n, i)], mem[ROW(n, i)]); i++
		:: else -> break
		od;
		i = 0
	}
}

/* A drainer is gone, with all that it had in hand. */
inline forget(w)
{
	drainer[w].alive = 0;
	drainer[w].unsure = 0;
	drainer[w].item[0] = NOTHING;
	drainer[w].item[1] = NOTHING
}

/* Server n crashes and comes up with what its disk has. */
inline crash(n)
{
	d_step {
		i = 0;
		do
		:: i < messages -> copy_row(mem[ROW(n, i)], disk[ROW(n, i)]); i++
		:: else -> break
		od;
		i = 0
	}
}

#define MARK_SHIPPED(w, m) \
	if \
	:: drainer[w].item[m] == UNCONFIRMED -> drainer[w].item[m] = MARKED \
	:: else \
	fi

/* Server 1 has what server 0 has on its disk, and says so. */
inline ship()
{
	d_step {
		i = 0;
		do
		:: i < messages ->
			copy_row(mem[ROW(1, i)], disk[ROW(0, i)]);
			copy_row(disk[ROW(1, i)], disk[ROW(0, i)]);
			MARK_SHIPPED(0, i);
			MARK_SHIPPED(1, i);
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* Server 1 goes on, on a timeline or with a generation of its own. */
inline open_other()
{
	d_step {
		opened = 1;
		i = 0;
		do
		:: i < messages ->
			mem[ROW(1, i)].held = (mode != SYNC_TRUST &&
				mem[ROW(1, i)].status != NONE);
			i++
		:: else -> break
		od;
		i = 0
	}
	flush(1)
}

/* ----------------------------------------------------------------------
 * The drainer
 */

/* Take over: raise the epoch; what was in flight is nobody's: uncertain. */
inline take_over(w, n)
{
	d_step {
		owner[n] = w;
		drainer[w].alive = 1;
		i = 0;
		do
		:: i < messages ->
			mem[ROW(n, i)].orphan = mem[ROW(n, i)].orphan |
				mem[ROW(n, i)].in_flight;
			mem[ROW(n, i)].in_flight = 0;
			if
			:: mem[ROW(n, i)].orphan && mem[ROW(n, i)].status == QUEUED &&
				!mem[ROW(n, i)].pending ->
				if
				:: defect == ORPHAN_REQUEUED -> mem[ROW(n, i)].pending = 1
				:: else -> mem[ROW(n, i)].status = UNC
				fi
			:: else
			fi;
			mem[ROW(n, i)].orphan = 0;
			i++
		:: else -> break
		od;
		i = 0
	}
	flush(n)
}

/* Of one item that is DONE: what its row says from now on. */
inline write_result(r, x)
{
	if
	:: x == ACCEPTED -> mem[r].status = SENT
	:: x == REFUSED -> mem[r].status = FAILED
	:: x == UNKNOWN -> mem[r].status = UNC
	:: else -> mem[r].status = QUEUED; mem[r].pending = 1
	fi
}

/*
 * The rows' part of a turn: results are written where the row is still in
 * nobody's hands but ours, and in_flight becomes what is marked and not done.
 */
inline write_turn(w, n, first, second)
{
	d_step {
		i = 0;
		do
		:: i < messages ->
			if
			:: DONE(drainer[w].item[i]) && mem[ROW(n, i)].status == QUEUED ->
				write_result(ROW(n, i), drainer[w].item[i])
			:: else
			fi;
			/* SQL_MARK takes the baton, SQL_IN_FLIGHT notes it. */
			if
			:: ((i == 0 && first) || (i == 1 && second)) &&
				defect != LOCK_NOT_MARK && defect != MARK_AFTER_POST ->
				mem[ROW(n, i)].pending = 0;
				mem[ROW(n, i)].in_flight = 1
			:: else ->
				mem[ROW(n, i)].in_flight =
					(drainer[w].item[i] == MARKED ||
					 drainer[w].item[i] == UNCONFIRMED) &&
					defect != LOCK_NOT_MARK && defect != MARK_AFTER_POST
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* The drainer's part, once the commit is known to be there. */
inline finish_turn(w, first, second)
{
	d_step {
		i = 0;
		do
		:: i < messages ->
			if
			:: DONE(drainer[w].item[i]) -> drainer[w].item[i] = NOTHING
			:: else
			fi;
			if
			:: ((i == 0 && first) || (i == 1 && second)) ->
				drainer[w].item[i] = (SYNC && NODE(w) == 0 -> UNCONFIRMED :
					MARKED)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* The drainer's part, where the commit failed: perhaps it is there. */
inline fail_turn(w, first, second)
{
	drainer[w].unsure = 1;
	if
	:: first && defect != LOST_MARK -> drainer[w].item[0] = UNSURE
	:: else
	fi;
	if
	:: second && defect != LOST_MARK -> drainer[w].item[1] = UNSURE
	:: else
	fi
}

#define MAY_MARK(w, n, m)	(m < messages && CLAIMABLE(n, m) && \
	drainer[w].item[m] == NOTHING && \
	(defect != LOCK_NOT_MARK || drainer[1 - (w) % 2].item[m] == NOTHING))
#define IS_DONE(w)		(DONE(drainer[w].item[0]) || DONE(drainer[w].item[1]))

/* One turn's transaction; first and second: which messages it marks. */
inline turn(w, n, first, second)
{
	if
	:: owner[n] != w && defect != NO_FENCE ->
		/* The fence: another has taken over, nothing of this counts. */
		forget(w)
	:: else ->
		outcome = 0;
		applied = 1;
		if
		:: skip
		:: outcome = 1; applied = 0
		:: outcome = 1
		fi;
		if
		:: applied ->
			write_turn(w, n, first, second);
			if
			:: defect == MARK_NOT_FLUSHED
			:: else -> flush(n)
			fi
		:: else
		fi;
		if
		:: outcome == 0 -> finish_turn(w, first, second)
		:: else -> fail_turn(w, first, second)
		fi;
		outcome = 0;
		applied = 0
	fi
}

/*
 * A commit failed.  What the database has as in flight tells whether it is
 * there: what was marked goes back unsent, what was written is done with.
 */
inline resync(w, n)
{
	d_step {
		drainer[w].unsure = 0;
		i = 0;
		do
		:: i < messages ->
			if
			:: drainer[w].item[i] == UNSURE && mem[ROW(n, i)].in_flight ->
				drainer[w].item[i] = NOT_TAKEN
			:: drainer[w].item[i] == UNSURE && !mem[ROW(n, i)].in_flight ->
				drainer[w].item[i] = NOTHING
			:: DONE(drainer[w].item[i]) && !mem[ROW(n, i)].in_flight &&
				defect != RESULT_TWICE && defect != LOCK_NOT_MARK &&
				defect != MARK_AFTER_POST ->
				drainer[w].item[i] = NOTHING
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/*
 * One POST and what is learnt of it.  IO's part may come later than this, the
 * count is the same.  The guard lets one request go for each mark.
 */
inline post(w, m)
{
	if
	:: drainer[w].item[m] = NOT_TAKEN	/* not connected, guard's no, 429 */
	:: accepted[m]++; drainer[w].item[m] = ACCEPTED
	:: accepted[m]++; drainer[w].item[m] = UNKNOWN	/* the answer is lost */
	:: drainer[w].item[m] = UNKNOWN		/* it never arrived, who knows */
	:: drainer[w].item[m] = REFUSED		/* 400, 413, too many 500s */
	:: defect == UNKNOWN_RETRIED ->
		accepted[m]++; drainer[w].item[m] = NOT_TAKEN
	:: defect == REFUSAL_GUESSED ->
		accepted[m]++; drainer[w].item[m] = REFUSED
	:: defect == GUARD_OFF ->
		accepted[m] = accepted[m] + 2; drainer[w].item[m] = ACCEPTED
	fi
}

/* Two drainers on one server: the slot's lock is not relied upon alone. */
#define MAY_START(w, n)	(!drainer[w].alive && IN_USE(n) && \
	((w) != 1 || mode == ALONE))

proctype Work(byte w; byte n)
{
	do
	:: atomic { MAY_START(w, n) -> take_over(w, n); check() }
	/* It leaves: stopped, failed, or nothing to do. */
	:: atomic { drainer[w].alive -> forget(w) }
	:: atomic { drainer[w].unsure && (owner[n] == w ||
			defect == NO_FENCE) -> resync(w, n); check() }
	:: atomic { drainer[w].unsure && owner[n] != w &&
			defect != NO_FENCE -> forget(w) }
	/* Turns: settle alone, or settle and mark. */
	:: atomic { drainer[w].alive && !drainer[w].unsure && IS_DONE(w) ->
		turn(w, n, 0, 0); check() }
	:: atomic { drainer[w].alive && !drainer[w].unsure && MAY_MARK(w, n, 0) ->
		turn(w, n, 1, 0); check() }
	:: atomic { drainer[w].alive && !drainer[w].unsure && MAY_MARK(w, n, 1) ->
		turn(w, n, 0, 1); check() }
	:: atomic { drainer[w].alive && !drainer[w].unsure && MAY_MARK(w, n, 0) &&
			MAY_MARK(w, n, 1) -> turn(w, n, 1, 1); check() }
	/* What is marked is posted, or goes back unsent. */
	:: atomic { drainer[w].item[0] == MARKED -> post(w, 0); check() }
	:: atomic { drainer[w].item[1] == MARKED -> post(w, 1); check() }
	:: atomic { drainer[w].item[0] == MARKED ->
		drainer[w].item[0] = NOT_TAKEN }
	:: atomic { drainer[w].item[1] == MARKED ->
		drainer[w].item[1] = NOT_TAKEN }
	/* The wait for the standby is cancelled: not confirmed, so not sent. */
	:: atomic { drainer[w].item[0] == UNCONFIRMED ->
		drainer[w].item[0] = (defect == WAIT_CANCELLED -> MARKED : NOT_TAKEN) }
	:: atomic { drainer[w].item[1] == UNCONFIRMED ->
		drainer[w].item[1] = (defect == WAIT_CANCELLED -> MARKED : NOT_TAKEN) }
	od
}

/* ----------------------------------------------------------------------
 * People, on whichever server is in use
 */

/* The caller decides whether its own commit waits for the disk. */
inline commit_of_people(n)
{
	if
	:: flush(n)
	:: skip
	fi
}

proctype People(byte n; byte m)
{
	do
	:: atomic { n == 0 && mem[ROW(n, m)].status == NONE && m < messages ->
		mem[ROW(n, m)].status = QUEUED; mem[ROW(n, m)].pending = 1;
		commit_of_people(n); check() }
	/* io_cancel: takes the baton, or leaves the row alone. */
	:: atomic { MAY_ACT(n) &&
			mem[ROW(n, m)].status == QUEUED &&
			(mem[ROW(n, m)].pending || defect == BATON_IGNORED) ->
		mem[ROW(n, m)].status = CANCELLED; mem[ROW(n, m)].pending = 0;
		mem[ROW(n, m)].in_flight = 0;
		commit_of_people(n); check() }
	/* io_retry: IO has refused it.  Of another timeline: at one's own risk. */
	:: atomic { MAY_ACT(n) &&
			mem[ROW(n, m)].status == FAILED &&
			(KNOWS(ROW(n, m)) || orders[m] < most_orders) ->
		orders[m] = orders[m] + (KNOWS(ROW(n, m)) -> 0 : 1);
		mem[ROW(n, m)].status = QUEUED; mem[ROW(n, m)].pending = 1;
		mem[ROW(n, m)].held = 0;
		commit_of_people(n); check() }
	/* io_resolve, send_again: a person's order. */
	:: atomic { MAY_ACT(n) &&
			mem[ROW(n, m)].status == UNC && orders[m] < most_orders ->
		orders[m]++;
		mem[ROW(n, m)].status = QUEUED; mem[ROW(n, m)].pending = 1;
		mem[ROW(n, m)].held = 0;
		commit_of_people(n); check() }
	/* io_resolve, sent or not_sent: a person knows. */
	:: atomic { MAY_ACT(n) &&
			mem[ROW(n, m)].status == UNC ->
		mem[ROW(n, m)].status = RESOLVED;
		commit_of_people(n); check() }
	/* io_release: what was queued before may go, at a person's order. */
	:: atomic { n == 1 && opened && mem[ROW(n, m)].held &&
			mem[ROW(n, m)].status == QUEUED && mem[ROW(n, m)].pending &&
			orders[m] < most_orders ->
		orders[m]++;
		mem[ROW(n, m)].held = 0;
		commit_of_people(n); check() }
	od
}

/* ----------------------------------------------------------------------
 * What happens to servers
 */

proctype Fate()
{
	do
	:: atomic { crash(0); forget(0); forget(1); check() }
	:: atomic { opened ->
		crash(1); forget(2); check() }
	/* The server writes its log out by itself. */
	:: atomic { flush(0) }
	:: atomic { mode != ALONE && !opened -> ship() }
	/* Promotion, the old server left running; or the copy is opened. */
	:: atomic { mode != ALONE && !opened -> open_other(); check() }
	:: atomic { mode == CLONE && opened && !armed -> armed = 1 }
	/* A timer that knows nothing of who is at work. */
	:: atomic { defect == LEASE && mem[ROW(0, 0)].in_flight ->
		mem[ROW(0, 0)].in_flight = 0; mem[ROW(0, 0)].pending = 1; check() }
	od
}

init
{
	atomic {
		c_code {
			now.mode = setting("IOMSG_MODE");
			now.defect = setting("IOMSG_DEFECT");
			now.messages = setting("IOMSG_MESSAGES");
			now.most_orders = setting("IOMSG_ORDERS");
			now.only_twice = setting("IOMSG_TWICE");
		};
		run Work(0, 0);
		run Work(1, 0);
		run Work(2, 1);
		run People(0, 0);
		run People(0, 1);
		run People(1, 0);
		run People(1, 1);
		run Fate()
	}
}
