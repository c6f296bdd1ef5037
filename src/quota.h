/*
 * quota.h
 *	  The quota of each ente at IO, shared by all databases of this server.
 */
#ifndef IOMSG_QUOTA_H
#define IOMSG_QUOTA_H

#include "postgres.h"

/* What names an account's quota, and what it allows. */
typedef struct IoMsgQuota
{
	uint64		key;			/* hash of base URL and account name */
	int			calls;			/* in any window ... */
	int64		period_ms;		/* ... of this length */
} IoMsgQuota;

/* What keeps an account from calling. */
typedef struct IoMsgQuotaTroubles
{
	int			failures;		/* connections, in a row, the last lately */
	int64		pause_us;		/* 429: nothing leaves for so long */
} IoMsgQuotaTroubles;

extern void iomsg_quota_install(void);
extern uint64 iomsg_quota_key(const char *name, const char *base_url);
extern void iomsg_quota_read_troubles(uint64 key, int64 now_us,
									  IoMsgQuotaTroubles *troubles);
extern bool iomsg_quota_take(const IoMsgQuota *quota, int64 now_us,
							 int64 *when_us);
extern int	iomsg_quota_available(const IoMsgQuota *quota, int64 now_us,
								  int64 *when_us);
extern int	iomsg_quota_failures(const IoMsgQuota *quota);
extern void iomsg_quota_set_failures(const IoMsgQuota *quota, int failures);
extern void iomsg_quota_throttled(const IoMsgQuota *quota, int64 taken_us,
								  int64 now_us, int64 wait_ms);
extern void iomsg_quota_answered(const IoMsgQuota *quota, int kind,
								 int64 taken_us, int64 now_us);
extern void iomsg_quota_observe(const IoMsgQuota *quota, int64 taken_us,
								int64 now_us, int64 remaining);

#endif							/* IOMSG_QUOTA_H */
