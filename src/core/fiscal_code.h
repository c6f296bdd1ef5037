/*
 * fiscal_code.h
 *		The Italian fiscal codes of persons and organizations.
 *
 * Two depths of checking are kept apart: the pattern that IO asks for, which
 * says nothing about the day of birth or the check character, and the full
 * rule of the Ministry of Finance's decree of 23 December 1976.  Nothing here
 * keeps or shows a code.
 */
#ifndef IOMSG_FISCAL_CODE_H
#define IOMSG_FISCAL_CODE_H

#include <stdbool.h>
#include <stddef.h>

#define IOMSG_FISCAL_CODE_LENGTH				16
#define IOMSG_ORGANIZATION_FISCAL_CODE_LENGTH	11

typedef enum FiscalCodeCheck
{
	FISCAL_CODE_OK,
	FISCAL_CODE_LENGTH,			/* not 16 characters once trimmed */
	FISCAL_CODE_PATTERN,		/* not IO's pattern */
	FISCAL_CODE_CHECK_CHARACTER,	/* strict: the last letter is wrong */
	FISCAL_CODE_DATE			/* strict: no such day of birth */
} FiscalCodeCheck;

/*
 * Trims ASCII white space, upper-cases and checks IO's pattern; on
 * FISCAL_CODE_OK out holds the 16 characters and a NUL, otherwise "".
 */
extern FiscalCodeCheck iomsg_fiscal_code_normalize(const char *in, size_t len,
												   char out[17]);

/* As normalize, and the check character and the day of birth are right. */
extern FiscalCodeCheck iomsg_fiscal_code_check_strictly(const char *in,
														size_t len);

/* Whether the text is exactly 11 ASCII digits (IO: OrganizationFiscalCode). */
extern bool iomsg_organization_fiscal_code_valid(const char *in, size_t len);

/*
 * Whether the text holds a person's fiscal code as a word of its own, in any
 * case; letters and digits of ASCII are what makes a word.
 */
extern bool iomsg_fiscal_code_occurs_in(const char *utf8, size_t len);

#endif							/* IOMSG_FISCAL_CODE_H */
