/*
 * answer_fuzz.c
 *		Fuzzes src/http_answer.c: what libcurl hands us of an answer.
 *
 * The input is a stream of bytes, cut into header lines as libcurl cuts them
 * and then into pieces of a body.  Beside it stand the bounds, a list of what
 * was handed over, and memory that runs out when the input says so.
 */
#include "fuzz.h"
#include "http_exchange.h"

#include <strings.h>

#define MAX_BODY	65536

static int64_t clock_us;
static bool memory_is_short;

extern void *__real_realloc(void *memory, size_t size);
extern void *__wrap_realloc(void *memory, size_t size);

/* Linked in place of realloc. */
void *
__wrap_realloc(void *memory, size_t size)
{
	return memory_is_short ? NULL : __real_realloc(memory, size);
}

/* In place of the client's own clock. */
int64_t
iomsg_http_now_us(void)
{
	return ++clock_us;
}

/* A kept value is plain, and shorter than its place. */
static void
check_kept(const char *kept, size_t size)
{
	size_t		length = strnlen(kept, size);

	MUST(length < size);
	for (size_t i = 0; i < length; i++)
		MUST(kept[i] >= ' ' && kept[i] <= '~');
	MUST(length == 0 || (kept[0] != ' ' && kept[length - 1] != ' '));
}

static void
check_result(const Exchange *e)
{
	const HttpResult *r = &e->result;

	check_kept(r->location, sizeof(r->location));
	check_kept(r->content_type, sizeof(r->content_type));
	check_kept(r->retry_after, sizeof(r->retry_after));
	check_kept(r->rate_limit_retry_after, sizeof(r->rate_limit_retry_after));
	check_kept(r->rate_limit_remaining, sizeof(r->rate_limit_remaining));
	MUST(r->status == 0 || (r->status >= 200 && r->status <= 999));
	MUST(!e->has_headers || r->status != 0);
	MUST(r->phase != HTTP_PHASE_HEADERS || e->has_headers);
	MUST(r->body_len <= MAX_BODY);
	MUST(r->body_len == 0 || r->body_len < e->answer_size);
}

/* Does the line name a header that decides, and with a plain value? */
static bool
has_plain_value(const char *line, size_t len, const char *name, size_t size)
{
	size_t		at = strlen(name);

	if (len < at + 3 || len - at > size ||
		strncasecmp(line, name, at) != 0 || line[at] != ':' ||
		line[at + 1] <= ' ' || line[at + 1] > '~')
		return false;
	for (at++; at < len - 1; at++)
		if (line[at] <= ' ' || line[at] > '~')
			return false;
	return line[len - 1] == '\n';
}

/* One line; the first value of a header is kept to the end. */
static bool
hand_line(Exchange *e, const uint8_t *bytes, size_t len)
{
	char	   *line = malloc(len > 0 ? len : 1);
	HttpResult	before = e->result;
	bool		had_headers = e->has_headers;
	bool		is_status = len > 5 && memcmp(bytes, "HTTP/", 5) == 0;
	size_t		taken;

	MUST(line != NULL);
	memcpy(line, bytes, len);
	taken = iomsg_http_answer_take_header(line, 1, len, e);
	MUST(taken == len || taken == 0);
	MUST((taken == len) == (e->header_bytes <= 32768 &&
							e->header_lines <= 200));
	if (had_headers || taken == 0)
		MUST(memcmp(&before, &e->result, sizeof(before)) == 0);
	else if (is_status)
		MUST(e->result.location[0] == '\0');
	else if (before.location[0] != '\0')
		MUST(strcmp(before.location, e->result.location) == 0);
	else if (has_plain_value(line, len, "Location", sizeof(before.location)))
		MUST(strlen(e->result.location) == len - strlen("Location:") - 1 &&
			 memcmp(e->result.location, line + strlen("Location:"),
					len - strlen("Location:") - 1) == 0);
	free(line);
	return taken == len;
}

/* All that is left, in pieces; what is kept is what came, from its start. */
static void
hand_body(Exchange *e, Input *input)
{
	const uint8_t *start = input->bytes;
	size_t		handed = 0;
	size_t		repeat = 0;

	while (input->left > 0)
	{
		size_t		piece = take_byte(input) * (size_t) 8 + 1;
		size_t		before = e->result.body_len;
		size_t		taken;

		memory_is_short = piece % 64 == 33;
		if (piece > input->left)
			piece = input->left;
		taken = iomsg_http_answer_take_body((char *) input->bytes, 1, piece,
											e);
		memory_is_short = false;
		MUST(taken == piece || taken == 0);
		MUST(e->result.body_cut == (taken < piece));
		MUST(e->result.body_len == before + piece || taken == 0);
		MUST(e->result.body_len - before <= piece);
		if (e->result.body_len > before)
			MUST(memcmp(e->answer + before, input->bytes,
						e->result.body_len - before) == 0);
		check_result(e);
		if (taken == 0)
			return;
		handed += piece;
		input->bytes += piece;
		input->left -= piece;
		/* Short inputs are handed again and again, to fill the bound. */
		if (input->left == 0 && repeat++ < 300 && handed > 2048)
		{
			input->left = (size_t) (input->bytes - start);
			input->bytes = start;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input		input = {data, size};
	Exchange	e;

	memset(&e, 0, sizeof(e));
	clock_us = 0;
	e.answer_timeout_us = (int64_t) take_byte(&input);
	e.deadline_us = (int64_t) take_byte(&input) * 4;
	while (input.left > 0 && !e.has_headers)
	{
		const uint8_t *end = memchr(input.bytes, '\n', input.left);
		size_t		len = end == NULL ? input.left :
			(size_t) (end - input.bytes) + 1;
		int64_t		deadline_us = e.deadline_us;

		if (!hand_line(&e, input.bytes, len))
			break;
		MUST(e.deadline_us <= deadline_us);
		check_result(&e);
		input.bytes += len;
		input.left -= len;
	}
	if (e.has_headers)
		hand_body(&e, &input);
	/* A trailer changes nothing. */
	if (e.has_headers)
		(void) hand_line(&e, (const uint8_t *) "Location: /x\r\n", 14);
	free(e.answer);
	return 0;
}
