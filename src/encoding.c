/*
 * encoding.c
 *	  Texts of the server as they will leave: in UTF-8.
 *
 * Never raises an error for the content of a text, and so never shows it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "encoding.h"

/*
 * Converts a text to UTF-8, without copying where it is that already; false
 * where it cannot be.  A SQL_ASCII database must hold UTF-8.
 */
bool
iomsg_encoding_to_utf8(const char *in, size_t len, const char **out,
					   size_t *out_len)
{
	int			encoding = GetDatabaseEncoding();
	size_t		room;
	char	   *converted;
	Oid			conversion;

	*out = in;
	*out_len = len;
	if (encoding == PG_UTF8)
		return true;
	if (encoding == PG_SQL_ASCII)
		return pg_verify_mbstr(PG_UTF8, in, len, true);

	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion) ||
		len + 2 >= MaxAllocSize / MAX_CONVERSION_GROWTH)
		return false;
	/* with less room the conversion would stop early */
	room = (len + 2) * MAX_CONVERSION_GROWTH;
	converted = palloc(room);
	if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8,
									  (unsigned char *) unconstify(char *, in),
									  len, (unsigned char *) converted, room,
									  true) != (int) len)
		return false;
	*out = converted;
	*out_len = strlen(converted);
	return true;
}
