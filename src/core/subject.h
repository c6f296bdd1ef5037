/*
 * subject.h
 *		Finds personal data in the subject of a message.
 *
 * IO's manual and AgID's guidelines forbid personal data in a subject, which
 * is shown on locked screens and in e-mail.  Notice numbers of 18 digits,
 * dates, amounts and years are not taken for telephone numbers.
 */
#ifndef IOMSG_SUBJECT_H
#define IOMSG_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

/* bits of the answer of iomsg_subject_find */
#define IOMSG_SUBJECT_FISCAL_CODE	0x01
#define IOMSG_SUBJECT_EMAIL			0x02
#define IOMSG_SUBJECT_IBAN			0x04
#define IOMSG_SUBJECT_TELEPHONE		0x08

/* The kinds of personal data that a text holds, as bits; 0 for none. */
extern unsigned int iomsg_subject_find(const char *utf8, size_t len);

/* The problem that stands for one bit; PROBLEM_NONE for any other number. */
extern Problem iomsg_subject_problem(unsigned int bit);

/* Whether the text holds one kind of personal data. */
extern bool iomsg_subject_has_email(const char *utf8, size_t len);
extern bool iomsg_subject_has_iban(const char *utf8, size_t len);
extern bool iomsg_subject_has_telephone(const char *utf8, size_t len);

#endif							/* IOMSG_SUBJECT_H */
