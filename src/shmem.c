/*
 * shmem.c
 *	  Pieces of shared memory, each with a lock of its own.
 *
 * They are asked for while the library is preloaded, and attached to when the
 * server has made them; zeroed at first.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "compat.h"
#include "shmem.h"

#define MAX_PIECES 2

typedef struct Piece
{
	const char *name;
	Size		size;
	IoMsgShmemAttach attach;
} Piece;

static Piece pieces[MAX_PIECES];
static int	npieces = 0;

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
#ifdef IOMSG_HAS_SHMEM_REQUEST_HOOK
static shmem_request_hook_type prev_shmem_request_hook = NULL;
#endif

/*
 * Have a piece of that size; to be called before iomsg_shmem_install.
 */
void
iomsg_shmem_add(const char *name, Size size, IoMsgShmemAttach attach)
{
	Assert(npieces < MAX_PIECES);
	pieces[npieces].name = name;
	pieces[npieces].size = size;
	pieces[npieces].attach = attach;
	npieces++;
}

static void
request_shmem(void)
{
#ifdef IOMSG_HAS_SHMEM_REQUEST_HOOK
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
#endif
	for (int i = 0; i < npieces; i++)
	{
		RequestAddinShmemSpace(pieces[i].size);
		RequestNamedLWLockTranche(pieces[i].name, 1);
	}
}

static void
startup_shmem(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < npieces; i++)
	{
		bool		found;
		void	   *memory = ShmemInitStruct(pieces[i].name, pieces[i].size,
											 &found);

		if (!found)
			memset(memory, 0, pieces[i].size);
		pieces[i].attach(memory,
						 &GetNamedLWLockTranche(pieces[i].name)->lock,
						 !found);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Ask for all pieces, while the library is preloaded.
 */
void
iomsg_shmem_install(void)
{
#ifdef IOMSG_HAS_SHMEM_REQUEST_HOOK
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
#else
	request_shmem();
#endif
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}
