/*
 * body_fields.h
 *	  The fields of IO's NewMessage: names, types, what may be left out.
 */
#ifndef IOMSG_BODY_FIELDS_H
#define IOMSG_BODY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"

typedef enum BodyType
{
	BODY_STRING,
	BODY_INTEGER,
	BODY_BOOLEAN,
	BODY_OBJECT
} BodyType;

/* Fields that mean more than their own check. */
typedef enum BodyMeaning
{
	MEANS_NOTHING,
	MEANS_FISCAL_CODE,
	MEANS_SUBJECT,
	MEANS_DUE_DATE,
	MEANS_RECEIPT_DATE,
	MEANS_FEATURE_LEVEL_TYPE,
	MEANS_TIME_TO_LIVE,
	MEANS_AMOUNT,
	MEANS_PAYMENT_DATA,
	MEANS_PAYEE,
	MEANS_THIRD_PARTY_DATA,
	MEANS_HAS_ATTACHMENTS,
	MEANS_DISCARDED				/* IO takes it and drops it */
} BodyMeaning;

typedef struct BodyObject BodyObject;

typedef struct BodyField
{
	const char *name;
	BodyType	type;
	BodyMeaning meaning;
	Problem		absent;			/* PROBLEM_NONE: may be left out */
	bool		null_ok;		/* IO takes null for the default */
	Problem		(*check) (const char *utf8, size_t len);	/* BODY_STRING */
	const BodyObject *object;	/* BODY_OBJECT */
} BodyField;

struct BodyObject
{
	const char *path;			/* "" or ends with a dot */
	int			nfields;
	const BodyField *fields;
};

extern const BodyObject iomsg_body_fields_message;
extern const BodyObject iomsg_body_fields_content;
extern const BodyObject iomsg_body_fields_payment_data;
extern const BodyObject iomsg_body_fields_payee;
extern const BodyObject iomsg_body_fields_third_party_data;

/*
 * Places in the objects above, for callers that have values in order.  It is
 * the order of the fields in what leaves, too, and so of what the hash of a
 * dedup_key is made of: new ones go last.
 */
enum
{
	MESSAGE_FISCAL_CODE, MESSAGE_FEATURE_LEVEL_TYPE, MESSAGE_CONTENT,
	MESSAGE_TIME_TO_LIVE, MESSAGE_DEFAULT_ADDRESSES, MESSAGE_NFIELDS
};
enum
{
	CONTENT_SUBJECT, CONTENT_MARKDOWN, CONTENT_DUE_DATE,
	CONTENT_PAYMENT_DATA, CONTENT_THIRD_PARTY_DATA,
	CONTENT_REQUIRE_SECURE_CHANNELS, CONTENT_EU_COVID_CERT,
	CONTENT_PRESCRIPTION_DATA, CONTENT_LEGAL_DATA, CONTENT_NFIELDS
};
enum
{
	PAYMENT_AMOUNT, PAYMENT_NOTICE_NUMBER, PAYMENT_INVALID_AFTER_DUE_DATE,
	PAYMENT_PAYEE, PAYMENT_NFIELDS
};
enum
{
	THIRD_PARTY_ID, THIRD_PARTY_CONFIGURATION_ID,
	THIRD_PARTY_HAS_REMOTE_CONTENT, THIRD_PARTY_HAS_ATTACHMENTS,
	THIRD_PARTY_HAS_PRECONDITION, THIRD_PARTY_ORIGINAL_SENDER,
	THIRD_PARTY_ORIGINAL_RECEIPT_DATE, THIRD_PARTY_SUMMARY,
	THIRD_PARTY_NFIELDS
};

#endif							/* IOMSG_BODY_FIELDS_H */
