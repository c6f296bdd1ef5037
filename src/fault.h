/*
 * fault.h
 *	  Points of the drainer at which a test can have something go wrong.
 *
 * Only in a library that was built with "make FAULTS=1"; in any other nothing
 * of this is left.
 */
#ifndef IOMSG_FAULT_H
#define IOMSG_FAULT_H

#ifdef IOMSG_FAULTS

/* What a transaction has done, so that the points of its commit are known. */
typedef enum FaultNote
{
	FAULT_MARK = 1,				/* marked messages */
	FAULT_RESULT = 2,			/* written what came of marked messages */
	FAULT_ORPHAN = 4			/* judged what a dead drainer has left */
} FaultNote;

extern void iomsg_fault_define(void);
extern void iomsg_fault_meet(const char *point);
extern void iomsg_fault_meet_content(const char *content);
extern void iomsg_fault_begin(void);
extern void iomsg_fault_note(int note);
extern void iomsg_fault_before_commit(void);
extern void iomsg_fault_after_commit(void);

#define FAULT_DEFINE() iomsg_fault_define()
#define FAULT_POINT(point) iomsg_fault_meet(point)
#define FAULT_CONTENT(content) iomsg_fault_meet_content(content)
#define FAULT_BEGIN() iomsg_fault_begin()
#define FAULT_NOTE(note) iomsg_fault_note(note)
#define FAULT_BEFORE_COMMIT() iomsg_fault_before_commit()
#define FAULT_AFTER_COMMIT() iomsg_fault_after_commit()

#else

#define FAULT_DEFINE() ((void) 0)
#define FAULT_POINT(point) ((void) 0)
#define FAULT_CONTENT(content) ((void) 0)
#define FAULT_BEGIN() ((void) 0)
#define FAULT_NOTE(note) ((void) 0)
#define FAULT_BEFORE_COMMIT() ((void) 0)
#define FAULT_AFTER_COMMIT() ((void) 0)

#endif

#endif							/* IOMSG_FAULT_H */
