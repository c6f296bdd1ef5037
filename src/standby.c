/*
 * standby.c
 *	  Does a synchronous standby have what was committed last?
 */
#include "postgres.h"

#include "access/xact.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"

#include "standby.h"

/*
 * Does a commit of this process wait for a synchronous standby?
 */
bool
iomsg_standby_wanted(void)
{
	return SyncRepRequested() &&
		SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
}

/*
 * Has a synchronous standby, where one is asked for, what this process has
 * committed last?  A wait for it that was cut short ends as if it had.
 */
bool
iomsg_standby_confirmed(void)
{
	int			mode = synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_APPLY ?
		SYNC_REP_WAIT_APPLY : SYNC_REP_WAIT_FLUSH;
	bool		confirmed;

	/* Not the shared flag for it: minor releases differ in that. */
	if (!iomsg_standby_wanted())
		return true;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	confirmed = WalSndCtl->lsn[mode] >= XactLastCommitEnd;
	LWLockRelease(SyncRepLock);
	return confirmed;
}
