/*
 * problem.h
 *		What can be wrong with a message, and how it is said.
 *
 * Each problem has an identifier that never changes, the field of IO's API it
 * belongs to, and a text that never holds a value of the message.
 */
#ifndef IOMSG_PROBLEM_H
#define IOMSG_PROBLEM_H

#include <stdbool.h>

typedef enum Problem
{
	PROBLEM_NONE,

	/* the shape of the JSON form; the field is the caller's to name */
	PROBLEM_FIELD_UNKNOWN,
	PROBLEM_FIELD_MISSING,
	PROBLEM_FIELD_NULL,
	PROBLEM_FIELD_TYPE,
	PROBLEM_FIELD_DISCARDED,	/* warning: IO drops it */
	PROBLEM_TEXT_ENCODING,		/* not valid UTF-8 */

	PROBLEM_FISCAL_CODE,
	PROBLEM_SUBJECT_TOO_SHORT,
	PROBLEM_SUBJECT_TOO_LONG,
	PROBLEM_SUBJECT_HAS_FISCAL_CODE,
	PROBLEM_SUBJECT_HAS_EMAIL,	/* warnings */
	PROBLEM_SUBJECT_HAS_IBAN,
	PROBLEM_SUBJECT_HAS_TELEPHONE,
	PROBLEM_MARKDOWN_TOO_SHORT,
	PROBLEM_MARKDOWN_TOO_LONG,
	PROBLEM_DUE_DATE,
	PROBLEM_DUE_DATE_ZONE,		/* no time zone */
	PROBLEM_DUE_DATE_RANGE,		/* infinity, BC, year over 9999 */
	PROBLEM_TIME_TO_LIVE,
	PROBLEM_FEATURE_LEVEL_TYPE,
	PROBLEM_EMAIL,

	PROBLEM_AMOUNT,
	PROBLEM_NOTICE_NUMBER,
	PROBLEM_PAYEE_FISCAL_CODE,

	PROBLEM_THIRD_PARTY_ID,
	PROBLEM_CONFIGURATION_ID_MISSING,
	PROBLEM_CONFIGURATION_ID,
	PROBLEM_HAS_PRECONDITION,
	PROBLEM_ATTACHMENTS_NOT_ADVANCED,
	PROBLEM_ORIGINAL_SENDER,
	PROBLEM_SUMMARY,
	PROBLEM_ORIGINAL_RECEIPT_DATE,

	PROBLEM_NRE,
	PROBLEM_IUP,
	PROBLEM_PRESCRIBER_FISCAL_CODE,
	PROBLEM_LEGAL_DATA,			/* a text of it is empty */

	/* what the service may do */
	PROBLEM_AMOUNT_OVER_MAXIMUM,
	PROBLEM_PREMIUM_NOT_ALLOWED,
	PROBLEM_PAYEE_NOT_ALLOWED,
	PROBLEM_THIRD_PARTY_NOT_ALLOWED,

	PROBLEM_COUNT				/* not a problem */
} Problem;

typedef struct ProblemText
{
	const char *identifier;		/* stable, [a-z_]+ */
	const char *field;			/* IO's path, or NULL: the caller names it */
	const char *problem;		/* an errmsg: lower case, no period */
	const char *hint;			/* a sentence, or NULL */
	bool		warning;		/* IO would accept it */
} ProblemText;

/* The text of a problem; never NULL, whatever the number. */
extern const ProblemText *iomsg_problem_text(Problem problem);

#endif							/* IOMSG_PROBLEM_H */
