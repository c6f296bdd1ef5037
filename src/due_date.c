/*
 * due_date.c
 *	  The forms in which a due date comes, and the one in which it leaves.
 *
 * A date means the end of that day in Italy, 23:59:59 in Europe/Rome, by
 * PostgreSQL's own time zones.  A text is a date or a timestamp with a zone;
 * one without is refused, since nobody can know which zone was meant.  No
 * result depends on TimeZone or DateStyle.  Only finite times of the years 1
 * to 9999 in UTC pass: IO writes years with four digits.
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/datetime.h"

#include "compat.h"
#include "core/message.h"
#include "due_date.h"

#define LOCAL_TIME_ZONE "Europe/Rome"

/* longer ones name no time zone that there is */
#define TEXT_MAX 127

#define DATE_LENGTH 10			/* YYYY-MM-DD */

/*
 * Passes a time that IO can write, cut to its milliseconds.
 */
Problem
iomsg_due_date_from_timestamp(TimestampTz in, TimestampTz *out)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(in) ||
		timestamp2tm(in, NULL, &tm, &fsec, NULL, NULL) != 0 ||
		tm.tm_year < 1 || tm.tm_year > 9999)
		return PROBLEM_DUE_DATE_RANGE;
	*out = in - (fsec % 1000);
	return PROBLEM_NONE;
}

/*
 * The last second of a day in Italy.
 */
static Problem
end_of_day(int year, int month, int day, TimestampTz *out)
{
	pg_tz	   *zone = pg_tzset(LOCAL_TIME_ZONE);
	struct pg_tm tm = {0};
	int			offset_s;

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("time zone \"%s\" is not known to the server",
						LOCAL_TIME_ZONE),
				 errhint("Install the server's time zone data, or pass a timestamp with a time zone.")));

	tm.tm_year = year;
	tm.tm_mon = month;
	tm.tm_mday = day;
	tm.tm_hour = 23;
	tm.tm_min = 59;
	tm.tm_sec = 59;
	offset_s = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, 0, &offset_s, out) != 0)
		return PROBLEM_DUE_DATE_RANGE;
	return iomsg_due_date_from_timestamp(*out, out);
}

Problem
iomsg_due_date_from_date(DateADT in, TimestampTz *out)
{
	int			year;
	int			month;
	int			day;

	if (DATE_NOT_FINITE(in))
		return PROBLEM_DUE_DATE_RANGE;
	j2date(in + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (year < 1 || year > 9999)
		return PROBLEM_DUE_DATE_RANGE;
	return end_of_day(year, month, day, out);
}

/*
 * Whether a text begins with YYYY-MM-DD and goes on with a time, or ends: in
 * this form PostgreSQL reads year, month, day whatever DateStyle says.
 */
static bool
begins_with_date(const char *in, bool *only_date)
{
	static const char form[] = "dddd-dd-dd";

	for (int i = 0; form[i] != '\0'; i++)
	{
		if (form[i] == 'd' ? !isdigit((unsigned char) in[i]) :
			in[i] != form[i])
			return false;
	}
	in += DATE_LENGTH;
	*only_date = (*in == '\0');
	return *only_date ||
		((*in == 'T' || *in == 't' || *in == ' ') &&
		 isdigit((unsigned char) in[1]));
}

/*
 * Whether what follows the date has letters only in one word at its end, and
 * a name like Europe/Rome is known: PostgreSQL's parser answers an unknown one
 * with an error that shows it.
 */
static bool
has_harmless_tail(const char *in)
{
	static const char *const letters =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
	const char *tail = in + DATE_LENGTH + 1;
	const char *word = tail + strcspn(tail, letters);

	if (strspn(tail, "0123456789:.+- ") != word - tail ||
		strspn(word, letters) != strlen(word))
		return false;
	return strchr(word, '/') == NULL || pg_tzset(word) != NULL;
}

/*
 * Reads a text with PostgreSQL's parser; zone is NULL where the text must not
 * have one.
 */
static int
decode(const char *in, struct pg_tm *tm, fsec_t *fsec, int *zone_s)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			kind;
	int			error;

	error = ParseDateTime(in, work, sizeof(work), fields, types,
						  MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = iomsg_compat_decode_datetime(fields, types, nfields, &kind,
											 tm, fsec, zone_s);
	if (error == 0 && kind != DTK_DATE)
		error = DTERR_BAD_FORMAT;
	return error;
}

/*
 * Reads YYYY-MM-DD as the end of that day, and YYYY-MM-DD hh:mm with a zone in
 * any of PostgreSQL's ways.  Never shows the text: it may be anything.
 */
Problem
iomsg_due_date_from_text(const char *in, size_t len, TimestampTz *out)
{
	char		copy[TEXT_MAX + 1];
	struct pg_tm tm;
	fsec_t		fsec;
	int			zone_s = 0;
	bool		only_date;

	while (len > 0 && isspace((unsigned char) in[0]))
	{
		in++;
		len--;
	}
	while (len > 0 && isspace((unsigned char) in[len - 1]))
		len--;
	if (len == 0 || len > TEXT_MAX)
		return PROBLEM_DUE_DATE;
	memcpy(copy, in, len);
	copy[len] = '\0';

	/* so that these are told from garbage, as in the other forms */
	if (pg_strcasecmp(copy, "infinity") == 0 ||
		pg_strcasecmp(copy, "-infinity") == 0)
		return PROBLEM_DUE_DATE_RANGE;
	if (!begins_with_date(copy, &only_date) ||
		(!only_date && !has_harmless_tail(copy)))
		return PROBLEM_DUE_DATE;

	/* the parser refuses a zone where the caller has no room for one */
	if (decode(copy, &tm, &fsec, NULL) == 0)
	{
		if (!only_date)
			return PROBLEM_DUE_DATE_ZONE;
		if (tm.tm_year < 1 || tm.tm_year > 9999)
			return PROBLEM_DUE_DATE_RANGE;
		return end_of_day(tm.tm_year, tm.tm_mon, tm.tm_mday, out);
	}
	if (only_date || decode(copy, &tm, &fsec, &zone_s) != 0)
		return PROBLEM_DUE_DATE;
	if (tm2timestamp(&tm, fsec, &zone_s, out) != 0)
		return PROBLEM_DUE_DATE_RANGE;
	return iomsg_due_date_from_timestamp(*out, out);
}

/*
 * Reads IO's own form, as iomsg_message_check_due_date allows it.
 */
Problem
iomsg_due_date_from_json(const char *in, size_t len, TimestampTz *out)
{
	Problem		problem = iomsg_message_check_due_date(in, len);

	if (problem != PROBLEM_NONE)
		return problem;
	return iomsg_due_date_from_text(in, len, out);
}

/*
 * Writes a time in UTC as IO documents it.
 */
void
iomsg_due_date_write(TimestampTz in, char out[IOMSG_DUE_DATE_SIZE])
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(in, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	snprintf(out, IOMSG_DUE_DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			 tm.tm_year, tm.tm_mon, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec / 1000);
}
