/*
 * encoding.h
 *	  Texts of the server as they will leave: in UTF-8.
 */
#ifndef IOMSG_ENCODING_H
#define IOMSG_ENCODING_H

#include "postgres.h"

extern bool iomsg_encoding_to_utf8(const char *in, size_t len,
								   const char **out, size_t *out_len);

#endif							/* IOMSG_ENCODING_H */
