/*
 * body.h
 *	  The JSON body that IO gets, checked while it is built.
 */
#ifndef IOMSG_BODY_H
#define IOMSG_BODY_H

#include "postgres.h"

#include "body_fields.h"
#include "core/fiscal_code.h"
#include "findings.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* What a service may send. */
typedef struct IoMsgRules
{
	bool		premium;
	bool		payee;
	bool		third_party;
	int64		max_allowed_payment_amount; /* euro cents */
} IoMsgRules;

typedef struct IoMsgBody
{
	/* set by the caller */
	IoMsgFindings *findings;
	IoMsgRules	rules;

	/* what the message turned out to be */
	char		fiscal_code[IOMSG_FISCAL_CODE_LENGTH + 1];
	bool		advanced;
	bool		has_payment;
	bool		has_payee;
	bool		has_third_party;
	bool		has_attachments;
	bool		has_due_date;
	TimestampTz due_date;
	unsigned int subject_kinds; /* bits of core/subject.h */
	bool		has_discarded;	/* fields that IO drops */

	StringInfoData json;		/* as it will leave, but for its encoding */
} IoMsgBody;

/*
 * Where the fields of an object come from: an object of jsonb, or values in
 * the order of the object's description, NULL where absent.
 */
typedef struct IoMsgSource
{
	JsonbContainer *container;
	JsonbValue **values;
	const struct IoMsgSource *content;	/* of the one object in values */
} IoMsgSource;

extern const IoMsgRules iomsg_body_any_rules;

extern void iomsg_body_build(IoMsgBody *body, const BodyObject *object,
							 const IoMsgSource *source);
extern void iomsg_body_check_whole(IoMsgBody *body);
extern bool iomsg_body_source(Jsonb *in, IoMsgSource *source);
extern JsonbValue *iomsg_body_text_value(const text *in);
extern JsonbValue *iomsg_body_jsonb_value(Jsonb *in);
extern JsonbValue *iomsg_body_bool_value(bool in);
extern JsonbValue *iomsg_body_int64_value(int64 in);
extern JsonbValue *iomsg_body_time_value(TimestampTz in);

#endif							/* IOMSG_BODY_H */
