/*
 * core_key_line_test.c
 *		A line of the key file: what is one, what is none, what is in it.
 */
#include "key_line.h"
#include "tap.h"

#define N64 "n123456789n123456789n123456789n123456789n123456789n123456789n123"
#define K128 N64 N64

typedef struct Case
{
	const char *text;
	KeyLineKind want;
	const char *database;
	const char *service;
	const char *primary;
	const char *secondary;
} Case;

static const Case cases[] = {
	{"", KEY_LINE_BLANK, "", "", "", ""},
	{" \t\r", KEY_LINE_BLANK, "", "", "", ""},
	{"\ndb svc k", KEY_LINE_BLANK, "", "", "", ""},
	{"  # db svc k", KEY_LINE_BLANK, "", "", "", ""},
	{"db svc k1", KEY_LINE_KEYS, "db", "svc", "k1", ""},
	{"db svc k1 k2", KEY_LINE_KEYS, "db", "svc", "k1", "k2"},
	{"\tdb\t svc  k1\tk2 \r\nx y", KEY_LINE_KEYS, "db", "svc", "k1", "k2"},
	{"db svc k1 # k2", KEY_LINE_KEYS, "db", "svc", "k1", ""},
	{"db svc k1 k2 #", KEY_LINE_KEYS, "db", "svc", "k1", "k2"},
	{"db svc k#1", KEY_LINE_KEYS, "db", "svc", "k#1", ""},
	{"\"my db\" \"a\"\"b\" k1", KEY_LINE_KEYS, "my db", "a\"b", "k1", ""},
	{"\"#db\" svc \"k1\"", KEY_LINE_KEYS, "#db", "svc", "k1", ""},
	{"d\"b svc k1", KEY_LINE_KEYS, "d\"b", "svc", "k1", ""},
	{"d\xC3\xA8 svc k1", KEY_LINE_KEYS, "d\xC3\xA8", "svc", "k1", ""},
	{"\"\"\"\" svc k1", KEY_LINE_KEYS, "\"", "svc", "k1", ""},
	{N64 " " N64 " " K128 " " K128, KEY_LINE_KEYS, N64, N64, K128, K128},

	{"db", KEY_LINE_BAD, "", "", "", ""},
	{"db svc", KEY_LINE_BAD, "", "", "", ""},
	{"db svc #k1", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 k2 k3", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 k2 \"", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 k2 longer-than-any", KEY_LINE_BAD, "", "", "", ""},
	{"\"\" svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"db svc \"\"", KEY_LINE_BAD, "", "", "", ""},
	{"\"db svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"\"db\"\" svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 \"k2\"\"", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 \"k2\"\"\n", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 \"k2", KEY_LINE_BAD, "", "", "", ""},
	{"\"db\"x svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"\"db\"#", KEY_LINE_BAD, "", "", "", ""},
	{"d\x01 svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"\"d\tb\" svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k\xC3\xA8y", KEY_LINE_BAD, "", "", "", ""},
	{"db svc \"k 1\"", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 k\x7F", KEY_LINE_BAD, "", "", "", ""},
	{N64 "x svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"\"" N64 "x\" svc k1", KEY_LINE_BAD, "", "", "", ""},
	{"db " N64 "x k1", KEY_LINE_BAD, "", "", "", ""},
	{"db svc " K128 "x", KEY_LINE_BAD, "", "", "", ""},
	{"db svc k1 " K128 "x", KEY_LINE_BAD, "", "", "", ""},
};

/* Is what was read what stands there, and all else overwritten? */
static bool
is_same(const KeyLine *line, const Case *c)
{
	KeyLine		want;

	memset(&want, 0, sizeof(want));
	memcpy(want.database, c->database, strlen(c->database));
	memcpy(want.service, c->service, strlen(c->service));
	memcpy(want.primary, c->primary, strlen(c->primary));
	memcpy(want.secondary, c->secondary, strlen(c->secondary));
	return memcmp(line, &want, sizeof(want)) == 0;
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];
		KeyLine		line;

		memset(&line, 'x', sizeof(line));
		tap_ok(iomsg_key_line_parse(c->text, &line) == c->want &&
			   is_same(&line, c), "line %d", (int) i);
	}
	return tap_done();
}
