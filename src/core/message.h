/*
 * message.h
 *		The limits of a message, field by field, as IO's back end checks them.
 *
 * Every check is a pure function of the field; it returns PROBLEM_NONE or the
 * first problem.  Texts are bytes with a length and need no NUL.  Limits are
 * IO's (OpenAPI: NewMessage, MessageContent, PaymentData, ThirdPartyData).
 */
#ifndef IOMSG_MESSAGE_H
#define IOMSG_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problem.h"

/* lengths are in UTF-16 code units, both ends allowed */
#define IOMSG_SUBJECT_MIN			10
#define IOMSG_SUBJECT_MAX			120
#define IOMSG_MARKDOWN_MIN			80
#define IOMSG_MARKDOWN_MAX			10000
#define IOMSG_AMOUNT_MIN			INT64_C(1)	/* euro cents */
#define IOMSG_AMOUNT_MAX			INT64_C(9999999999)
#define IOMSG_NOTICE_NUMBER_LENGTH	18
#define IOMSG_ULID_LENGTH			26
#define IOMSG_TIME_TO_LIVE_MIN_S	3600
#define IOMSG_TIME_TO_LIVE_MAX_S	604800
#define IOMSG_NRE_LENGTH			15
#define IOMSG_IUP_MIN				1
#define IOMSG_IUP_MAX				16

/* Length in UTF-16 code units, or -1 where the bytes are not valid UTF-8. */
extern int64_t iomsg_message_utf16_length(const char *utf8, size_t len);

/* Whether the text is a ULID as IO writes it (case does not matter). */
extern bool iomsg_message_ulid_valid(const char *in, size_t len);

/* The recipient's code: IO's pattern, once trimmed and in upper case. */
extern Problem iomsg_message_check_fiscal_code(const char *in, size_t len);

/* Length and fiscal code; see subject.h for the rest of personal data. */
extern Problem iomsg_message_check_subject(const char *in, size_t len);
extern Problem iomsg_message_check_markdown(const char *in, size_t len);
extern Problem iomsg_message_check_time_to_live(int64_t seconds);
extern Problem iomsg_message_check_feature_level_type(const char *in,
													  size_t len);
extern Problem iomsg_message_check_email(const char *in, size_t len);

/* maximum_cents is the service's; the limits of IO are checked first. */
extern Problem iomsg_message_check_amount(int64_t cents,
										  int64_t maximum_cents);
extern Problem iomsg_message_check_notice_number(const char *in, size_t len);
extern Problem iomsg_message_check_payee_fiscal_code(const char *in,
													 size_t len);

/*
 * A timestamp as text: YYYY-MM-DDThh:mm:ss[.f] with Z or an offset +hh:mm,
 * a day that exists, a year from 0001 to 9999.  IO also takes texts without a
 * zone and 30 February; both are refused here, since IO changes their meaning.
 */
extern Problem iomsg_message_check_due_date(const char *in, size_t len);
extern Problem iomsg_message_check_original_receipt_date(const char *in,
														 size_t len);

/* Texts that may be anything but empty. */
extern Problem iomsg_message_check_third_party_id(const char *in, size_t len);
extern Problem iomsg_message_check_original_sender(const char *in, size_t len);
extern Problem iomsg_message_check_summary(const char *in, size_t len);

/* sender_mail_from and message_unique_id of the legal data. */
extern Problem iomsg_message_check_legal_text(const char *in, size_t len);

/* A ULID; in is NULL where the field is absent, which IO refuses. */
extern Problem iomsg_message_check_configuration_id(const char *in,
													size_t len);
extern Problem iomsg_message_check_has_precondition(const char *in,
													size_t len);

/* IO sends attachments with ADVANCED messages alone. */
extern Problem iomsg_message_check_attachments(bool has_attachments,
											   bool advanced);

/* Of prescription data, which IO still checks and then discards. */
extern Problem iomsg_message_check_nre(const char *in, size_t len);
extern Problem iomsg_message_check_iup(const char *in, size_t len);
extern Problem iomsg_message_check_prescriber_fiscal_code(const char *in,
														  size_t len);

#endif							/* IOMSG_MESSAGE_H */
