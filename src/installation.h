/*
 * installation.h
 *	  Which copy of which database this is, and who owns the extension here.
 */
#ifndef IOMSG_INSTALLATION_H
#define IOMSG_INSTALLATION_H

#include "postgres.h"

typedef struct IoMsgIdentity
{
	uint64		system_identifier;
	Oid			database;
	const char *instance;
	uint32		timeline;		/* 0 on a standby */
} IoMsgIdentity;

extern void iomsg_installation_identity(IoMsgIdentity *identity);

/* InvalidOid where the extension does not exist in this database. */
extern Oid	iomsg_installation_extension(void);
extern Oid	iomsg_installation_owner_of(Oid extension, char **version);
extern Oid	iomsg_installation_owner(void);

#endif							/* IOMSG_INSTALLATION_H */
