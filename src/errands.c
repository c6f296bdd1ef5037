/*
 * errands.c
 *	  Small transactions beside those of the turn.  Where one fails, the turn
 *	  goes on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "doubt.h"
#include "signals.h"
#include "turn.h"

typedef void (*Errand) (Turn *turn);

/*
 * Run an errand in a transaction of its own; false, with why in the log,
 * where it failed.
 */
static bool
run(Turn *turn, Errand errand, const char *what)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool done = true;

	PG_TRY();
	{
		if (iomsg_outbox_begin(&turn->outbox) == OUTBOX_OPEN)
		{
			errand(turn);
			iomsg_signals_begin_commit();
			iomsg_outbox_commit(&turn->outbox);
			iomsg_signals_end_commit();
		}
	}
	PG_CATCH();
	{
		ErrorData  *error = iomsg_turn_abort(turn);

		ereport(LOG,
				(errmsg("io_msg could not %s: SQLSTATE %s", what,
						unpack_sql_state(error->sqlerrcode))));
		FreeErrorData(error);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return done;
}

static void
tell(Turn *turn)
{
	iomsg_doubt_tell();
}

/*
 * Tell listeners of messages that have become uncertain; once, or not at all.
 */
void
iomsg_errands_tell(Turn *turn)
{
	(void) run(turn, tell, "notify of uncertain messages");
	iomsg_doubt_forget();
}

static void
adopt(Turn *turn)
{
	uint64		messages = 0;

	turn->adopting = iomsg_adopt_some(&turn->outbox, &messages);
	if (messages > 0)
		iomsg_adopt_note(&turn->outbox, messages);
}

/*
 * Take up some of the rows from before a promotion.
 */
void
iomsg_errands_adopt(Turn *turn)
{
	if (!run(turn, adopt, "take up what was queued before a promotion"))
		turn->adopting = false;
	else
		turn->outbox.adopted_all = !turn->adopting;
	iomsg_work_probe_all(&turn->work, DT_NOBEGIN);
}

static void
retire(Turn *turn)
{
	iomsg_outbox_retire(&turn->outbox);
}

/*
 * A planned end, or nothing left to do: say that we were not cut off.  False
 * where that could not be written; it is to be tried again.
 */
bool
iomsg_errands_retire(Turn *turn)
{
	if (!turn->outbox.taken_over || turn->gone || turn->outbox.fenced)
		return true;
	if (!run(turn, retire, "note its planned end"))
		return turn->outbox.fenced;
	/* What comes after all begins anew. */
	turn->outbox.taken_over = false;
	return true;
}
