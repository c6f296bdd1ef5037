/*
 * quota.c
 *	  The quota of each ente at IO, shared by all databases of this server.
 *
 * IO counts an ente's calls whichever service, key or machine makes them, so
 * the log of calls (core/limiter.h) lies in shared memory: two databases that
 * send for the same account pace themselves together, and a drainer that
 * starts again goes on where the last one stopped.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "core/limiter.h"
#include "quota.h"
#include "shmem.h"

/* Accounts at once; one that has been silent makes room for another. */
#define QUOTA_ACCOUNTS 32

/* When no room can be made, how long to wait before asking again. */
#define QUOTA_FULL_WAIT_US	INT64CONST(1000000)

/*
 * While there is something to send, a host that cannot be reached is tried
 * again each minute.  Failures before that say nothing about now.
 */
#define QUOTA_LATELY_US	INT64CONST(300000000)

typedef struct QuotaArray
{
	uint64		keys[QUOTA_ACCOUNTS];	/* 0: unused */
	int			failures[QUOTA_ACCOUNTS];	/* connections, in a row */
} QuotaArray;

static QuotaArray *array = NULL;
static char *limiters = NULL;
static LWLock *lock = NULL;

static Size
limiter_size(void)
{
	return MAXALIGN(iomsg_limiter_size(IOMSG_LIMITER_CAPACITY_MAX));
}

static void
attach(void *memory, LWLock *its_lock, bool fresh)
{
	array = memory;
	limiters = (char *) memory + MAXALIGN(sizeof(QuotaArray));
	lock = its_lock;
}

/*
 * Ask for the shared memory, while the library is preloaded.
 */
void
iomsg_quota_install(void)
{
	iomsg_shmem_add("io_msg quota",
					add_size(MAXALIGN(sizeof(QuotaArray)),
							 mul_size(limiter_size(), QUOTA_ACCOUNTS)),
					attach);
}

/*
 * The key of an account's quota, never 0.
 */
uint64
iomsg_quota_key(const char *name, const char *base_url)
{
	uint64		seed = hash_bytes_extended((const unsigned char *) base_url,
										   strlen(base_url), 0);

	return hash_bytes_extended((const unsigned char *) name, strlen(name),
							   seed) | 1;
}

static Limiter *
limiter_at(int i)
{
	return (Limiter *) (limiters + i * limiter_size());
}

static int
find_key(uint64 key)
{
	for (int i = 0; i < QUOTA_ACCOUNTS; i++)
	{
		if (array->keys[i] == key)
			return i;
	}
	return -1;
}

/*
 * A place that nobody uses, or one whose account has long been silent.
 */
static int
find_room(int64 now_us)
{
	for (int i = 0; i < QUOTA_ACCOUNTS; i++)
	{
		const Limiter *limiter = limiter_at(i);

		if (array->keys[i] == 0 ||
			(limiter->latest_us + 2 * limiter->period_us < now_us &&
			 limiter->pause_until_us < now_us))
			return i;
	}
	return -1;
}

/*
 * The limiter of an account, made if it is new; NULL when all are busy.
 */
static Limiter *
find_limiter(const IoMsgQuota *quota, int64 now_us)
{
	int			i = find_key(quota->key);
	Limiter    *limiter;

	if (i >= 0)
	{
		limiter = limiter_at(i);
		if (limiter->calls != quota->calls ||
			limiter->period_us != quota->period_ms * 1000)
			iomsg_limiter_configure(limiter, quota->period_ms, quota->calls);
		return limiter;
	}
	i = find_room(now_us);
	if (i < 0)
		return NULL;
	array->keys[i] = quota->key;
	array->failures[i] = 0;
	limiter = limiter_at(i);
	iomsg_limiter_init(limiter, IOMSG_LIMITER_CAPACITY_MAX,
					   quota->period_ms, quota->calls);
	return limiter;
}

/*
 * Take the right to one call now; where none may leave, return false and say
 * in *when_us when to ask again.
 */
bool
iomsg_quota_take(const IoMsgQuota *quota, int64 now_us, int64 *when_us)
{
	Limiter    *limiter;
	bool		taken = false;

	*when_us = now_us + QUOTA_FULL_WAIT_US;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	limiter = find_limiter(quota, now_us);
	if (limiter != NULL)
		taken = iomsg_limiter_take(limiter, now_us, when_us);
	LWLockRelease(lock);
	return taken;
}

/*
 * How many calls could leave now; *when_us says when the next one may.
 */
int
iomsg_quota_available(const IoMsgQuota *quota, int64 now_us, int64 *when_us)
{
	Limiter    *limiter;
	int			available = 0;

	*when_us = now_us + QUOTA_FULL_WAIT_US;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	limiter = find_limiter(quota, now_us);
	if (limiter != NULL)
	{
		available = iomsg_limiter_available(limiter, now_us);
		*when_us = iomsg_limiter_opening(limiter, now_us);
	}
	LWLockRelease(lock);
	return available;
}

/*
 * IO said 429: nothing of this account leaves for wait_ms.
 */
void
iomsg_quota_throttled(const IoMsgQuota *quota, int64 taken_us, int64 now_us,
					  int64 wait_ms)
{
	Limiter    *limiter;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	limiter = find_limiter(quota, now_us);
	if (limiter != NULL)
	{
		iomsg_limiter_refused(limiter, taken_us);
		iomsg_limiter_throttled(limiter, now_us, wait_ms);
	}
	LWLockRelease(lock);
}

/*
 * The answer to a call taken at taken_us has come, and it was not a 429.
 */
void
iomsg_quota_answered(const IoMsgQuota *quota, int kind, int64 taken_us,
					 int64 now_us)
{
	Limiter    *limiter;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	limiter = find_limiter(quota, now_us);
	if (limiter != NULL)
		iomsg_limiter_answered(limiter, kind, taken_us, now_us);
	LWLockRelease(lock);
}

/*
 * IO said how many calls remain, in the answer to one taken at taken_us.
 */
void
iomsg_quota_observe(const IoMsgQuota *quota, int64 taken_us, int64 now_us,
					int64 remaining)
{
	Limiter    *limiter;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	limiter = find_limiter(quota, now_us);
	if (limiter != NULL)
		iomsg_limiter_observe(limiter, taken_us, now_us, remaining);
	LWLockRelease(lock);
}

/*
 * How many connections to the account's host have failed in a row.
 */
int
iomsg_quota_failures(const IoMsgQuota *quota)
{
	int			failures = 0;
	int			i;

	LWLockAcquire(lock, LW_SHARED);
	i = find_key(quota->key);
	if (i >= 0)
		failures = array->failures[i];
	LWLockRelease(lock);
	return failures;
}

/*
 * Note them, for the drainers to come.
 */
void
iomsg_quota_set_failures(const IoMsgQuota *quota, int failures)
{
	int			i;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	i = find_key(quota->key);
	if (i >= 0)
		array->failures[i] = failures;
	LWLockRelease(lock);
}

/*
 * What keeps an account from calling at this moment; nothing where it is not
 * known here.
 */
void
iomsg_quota_read_troubles(uint64 key, int64 now_us,
						  IoMsgQuotaTroubles *troubles)
{
	int			i;

	troubles->failures = 0;
	troubles->pause_us = 0;
	if (array == NULL)
		return;
	LWLockAcquire(lock, LW_SHARED);
	i = find_key(key);
	if (i >= 0)
	{
		const Limiter *limiter = limiter_at(i);

		if (limiter->latest_us > now_us - QUOTA_LATELY_US)
			troubles->failures = array->failures[i];
		troubles->pause_us = Max(limiter->pause_until_us - now_us, 0);
	}
	LWLockRelease(lock);
}
