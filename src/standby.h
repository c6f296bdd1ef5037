/*
 * standby.h
 *	  Does a synchronous standby have what was committed last?
 */
#ifndef IOMSG_STANDBY_H
#define IOMSG_STANDBY_H

#include "postgres.h"

extern bool iomsg_standby_wanted(void);
extern bool iomsg_standby_confirmed(void);

#endif							/* IOMSG_STANDBY_H */
