/*
 * warnings.c
 *	  Warnings that a transaction gives once, when it commits.
 *
 * A campaign of 10,000 messages with a telephone number in each subject is
 * worth one WARNING with a count, not 10,000.  What a savepoint has rolled
 * back does not count.  The callbacks are registered once per backend.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "core/subject.h"
#include "warnings.h"

/* What one subtransaction has enqueued that is worth a warning. */
typedef struct Counts
{
	SubTransactionId subtransaction;
	int			subjects;
	int			emails;
	int			ibans;
	int			telephones;
	int			discarded;
} Counts;

/* Grows with the subtransaction's id; in TopTransactionContext. */
static Counts *counts = NULL;
static int	used = 0;
static int	room = 0;
static bool callbacks_registered = false;

static void
add_counts(Counts *into, const Counts *from)
{
	into->subjects += from->subjects;
	into->emails += from->emails;
	into->ibans += from->ibans;
	into->telephones += from->telephones;
	into->discarded += from->discarded;
}

static void
forget(void)
{
	counts = NULL;
	used = room = 0;
}

static void
warn_of_subjects(const Counts *all)
{
	ereport(WARNING,
			(errmsg_plural("%d message of this transaction seems to have personal data in its subject",
						   "%d messages of this transaction seem to have personal data in their subjects",
						   all->subjects, all->subjects),
			 errdetail("E-mail addresses: %d, IBANs: %d, telephone numbers: %d.",
					   all->emails, all->ibans, all->telephones),
			 errhint("Personal data must not be in the subject."),
			 errhidestmt(true),
			 errhidecontext(true)));
}

static void
warn_of_discarded(const Counts *all)
{
	ereport(WARNING,
			(errmsg_plural("%d message of this transaction has fields that IO accepts and discards",
						   "%d messages of this transaction have fields that IO accepts and discards",
						   all->discarded, all->discarded),
			 errhint("Leave out default_addresses, prescription_data and legal_data: nobody will read them."),
			 errhidestmt(true),
			 errhidecontext(true)));
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	Counts		all = {0};

	for (int i = 0; i < used; i++)
		add_counts(&all, &counts[i]);
	/* In any case: even where none is left, they have their memory. */
	forget();
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		return;
	if (all.subjects > 0)
		warn_of_subjects(&all);
	if (all.discarded > 0)
		warn_of_discarded(&all);
}

/*
 * Subtransactions of a rolled-back one have greater ids than it.
 */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (used > 0 && counts[used - 1].subtransaction >= id)
			used--;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB && used > 0 &&
			 counts[used - 1].subtransaction >= id)
	{
		counts[used - 1].subtransaction = parent;
		if (used > 1 && counts[used - 2].subtransaction >= parent)
		{
			add_counts(&counts[used - 2], &counts[used - 1]);
			used--;
		}
	}
}

/* The counts of the present subtransaction. */
static Counts *
present_counts(void)
{
	SubTransactionId id = GetCurrentSubTransactionId();

	if (!callbacks_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		callbacks_registered = true;
	}
	if (used > 0 && counts[used - 1].subtransaction == id)
		return &counts[used - 1];
	if (used == room)
	{
		int			new_room = room > 0 ? room * 2 : 8;

		if (counts == NULL)
			counts = MemoryContextAlloc(TopTransactionContext,
										new_room * sizeof(Counts));
		else
			counts = repalloc(counts, new_room * sizeof(Counts));
		room = new_room;
	}
	memset(&counts[used], 0, sizeof(Counts));
	counts[used].subtransaction = id;
	return &counts[used++];
}

/*
 * Counts a message that was enqueued: the kinds of personal data in its
 * subject (bits of core/subject.h), and whether IO will drop part of it.
 */
void
iomsg_warnings_add(unsigned int subject_kinds, bool has_discarded)
{
	Counts	   *now;

	if (subject_kinds == 0 && !has_discarded)
		return;
	now = present_counts();
	now->subjects += subject_kinds != 0;
	now->emails += (subject_kinds & IOMSG_SUBJECT_EMAIL) != 0;
	now->ibans += (subject_kinds & IOMSG_SUBJECT_IBAN) != 0;
	now->telephones += (subject_kinds & IOMSG_SUBJECT_TELEPHONE) != 0;
	now->discarded += has_discarded;
}
