/*
 * keys.h
 *	  The file with the keys of the services, on the server, not in it.
 */
#ifndef IOMSG_KEYS_H
#define IOMSG_KEYS_H

#include "postgres.h"

#include "core/key_line.h"

#define IOMSG_KEY_MARK_SIZE 17	/* hexadecimal digits and NUL */

typedef enum IoMsgKeyState
{
	KEYS_OK,
	KEYS_NO_FILE,
	KEYS_UNREADABLE,			/* not permitted, no file, too big */
	KEYS_UNSAFE,				/* others can read it, or it is in a backup */
	KEYS_MALFORMED,				/* no line for the service, and a bad line */
	KEYS_NO_LINE				/* no line for the service */
} IoMsgKeyState;

typedef struct IoMsgKeys
{
	char		primary[IOMSG_KEY_SIZE];
	char		secondary[IOMSG_KEY_SIZE];	/* "" for none */
	char		mark[IOMSG_KEY_MARK_SIZE];	/* changes when a key does */
} IoMsgKeys;

typedef struct IoMsgKeyFile IoMsgKeyFile;

extern IoMsgKeyFile *iomsg_keys_load(void);
extern void iomsg_keys_free(IoMsgKeyFile *file);
extern bool iomsg_keys_changed(const IoMsgKeyFile *file);
extern IoMsgKeyState iomsg_keys_find(const IoMsgKeyFile *file,
									 const char *database,
									 const char *service, IoMsgKeys *keys);
extern const char *iomsg_keys_state_name(IoMsgKeyState state);

#endif							/* IOMSG_KEYS_H */
