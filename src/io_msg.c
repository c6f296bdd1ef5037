/*
 * io_msg.c
 *	  The front door: what happens when the library is loaded.
 *
 * Preloaded, it asks for shared memory and starts the launcher.  Loaded later
 * by a session, it defines its settings and functions only: calls enqueue, and
 * nothing is sent until the server is restarted with the library preloaded.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "fault.h"
#include "launcher.h"
#include "quota.h"
#include "settings.h"
#include "shmem.h"
#include "slots.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

/*
 * Called once per process that loads the library; by the postmaster when it is
 * preloaded.
 */
void
_PG_init(void)
{
	FAULT_DEFINE();
	iomsg_settings_define();

	/* pg_upgrade starts servers of its own: nothing may be sent from them. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	iomsg_slots_install(iomsg_max_databases);
	iomsg_quota_install();
	iomsg_shmem_install();
	iomsg_launcher_register();
}
