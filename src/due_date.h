/*
 * due_date.h
 *	  The forms in which a due date comes, and the one in which it leaves.
 */
#ifndef IOMSG_DUE_DATE_H
#define IOMSG_DUE_DATE_H

#include "postgres.h"

#include "core/problem.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* YYYY-MM-DDThh:mm:ss.mmmZ and a NUL */
#define IOMSG_DUE_DATE_SIZE 25

extern Problem iomsg_due_date_from_timestamp(TimestampTz in,
											 TimestampTz *out);
extern Problem iomsg_due_date_from_date(DateADT in, TimestampTz *out);
extern Problem iomsg_due_date_from_text(const char *in, size_t len,
										TimestampTz *out);
extern Problem iomsg_due_date_from_json(const char *in, size_t len,
										TimestampTz *out);
extern void iomsg_due_date_write(TimestampTz in,
								 char out[IOMSG_DUE_DATE_SIZE]);

#endif							/* IOMSG_DUE_DATE_H */
