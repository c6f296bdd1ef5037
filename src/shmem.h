/*
 * shmem.h
 *	  Pieces of shared memory, each with a lock of its own.
 */
#ifndef IOMSG_SHMEM_H
#define IOMSG_SHMEM_H

#include "postgres.h"

#include "storage/lwlock.h"

/* Called in each process; fresh where the memory holds nothing yet. */
typedef void (*IoMsgShmemAttach) (void *memory, LWLock *lock, bool fresh);

extern void iomsg_shmem_add(const char *name, Size size,
							IoMsgShmemAttach attach);
extern void iomsg_shmem_install(void);

#endif							/* IOMSG_SHMEM_H */
