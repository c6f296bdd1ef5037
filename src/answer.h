/*
 * answer.h
 *	  What IO's answer says: the few fields of its body and headers that count.
 */
#ifndef IOMSG_ANSWER_H
#define IOMSG_ANSWER_H

#include "postgres.h"

#include "core/verdict.h"
#include "work.h"

#define ANSWER_TEXT_SIZE 256

typedef struct IoAnswer
{
	char		title[ANSWER_TEXT_SIZE];
	char		detail[ANSWER_TEXT_SIZE];
	char		gateway_message[ANSWER_TEXT_SIZE];
	char		message_id[IOMSG_MESSAGE_ID_SIZE];
	char		io_status[IOMSG_STATUS_SIZE];
	char		read_status[IOMSG_STATUS_SIZE];
	char		payment_status[IOMSG_STATUS_SIZE];
	char		languages[ANSWER_TEXT_SIZE];	/* as text[], "" for none */
	SenderAllowed sender_allowed;
} IoAnswer;

extern void iomsg_answer_parse(const char *body, size_t length,
							   IoAnswer *answer);
extern void iomsg_answer_id_from_location(const char *location,
										  IoAnswer *answer);

#endif							/* IOMSG_ANSWER_H */
