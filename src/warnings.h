/*
 * warnings.h
 *	  Warnings that a transaction gives once, when it commits.
 */
#ifndef IOMSG_WARNINGS_H
#define IOMSG_WARNINGS_H

#include "postgres.h"

extern void iomsg_warnings_add(unsigned int subject_kinds,
							   bool has_discarded);

#endif							/* IOMSG_WARNINGS_H */
