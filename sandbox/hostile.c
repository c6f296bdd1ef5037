/*
 * hostile.c
 *		What an answer consists of that no HTTP library would send.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"

#define MAX_HEADER (64 * 1024 * 1024)

/*
 * Copies a text of a fault, NULL if there is none; with "binary" each of its
 * characters, of which U+00FF is the last, is one byte.
 */
char *
sandbox_hostile_text(const json_t *spec, const char *name, size_t *length)
{
	const json_t *value = json_object_get(spec, name);
	const char *text = json_string_value(value);
	size_t		size = json_string_length(value);
	char	   *copy = text ? malloc(size + 1) : NULL;

	*length = 0;
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, size);
	if (!json_is_true(json_object_get(spec, "binary")))
		*length = size;
	else
	{
		for (size_t i = 0; i < size; i++)
		{
			unsigned char c = (unsigned char) text[i];

			if ((c == 0xc2 || c == 0xc3) && i + 1 < size)
				copy[(*length)++] = (char) (((c & 3) << 6) |
											(text[++i] & 0x3f));
			else
				copy[(*length)++] = text[i];
		}
	}
	copy[*length] = '\0';
	return copy;
}

/* Prints an answer's status line and headers, without the empty line. */
static void
print_head(FILE *out, const Answer *answer)
{
	fprintf(out, "HTTP/1.1 %d %s\r\n", answer->status,
			MHD_get_reason_phrase_for((unsigned) answer->status));
	for (int i = 0; i < answer->header_count; i++)
		fprintf(out, "%s: %s\r\n", answer->names[i], answer->values[i]);
}

/* Prints the rest: the length, the empty line, the body. */
static void
print_rest(FILE *out, const Answer *answer)
{
	fprintf(out, "Content-Length: %zu\r\n\r\n", answer->body_len);
	fwrite(answer->body, 1, answer->body_len, out);
}

/* Puts the accepted message's id wherever a text says {id}. */
static void
fill_in_id(char **text, size_t *length, const char *id)
{
	char	   *filled = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&filled, &size);
	const char *from = *text;
	const char *place;

	while (from && (place = strstr(from, "{id}")) != NULL)
	{
		fwrite(from, 1, (size_t) (place - from), out);
		fputs(id, out);
		from = place + 4;
	}
	if (from)
		fwrite(from, 1, *length - (size_t) (from - *text), out);
	fclose(out);
	free(*text);
	*text = filled;
	*length = size;
}

/* Cuts the answer after a part of its status line, headers or body. */
static void
cut_answer(HostileAnswer *made, const json_t *spec)
{
	const char *after = json_string_value(json_object_get(spec, "after"));
	const json_t *bytes = json_object_get(spec, "bytes");
	size_t		head = (size_t) (strstr(made->head, "\r\n\r\n") - made->head);
	size_t		keep = made->head_len - head - 4;

	keep = bytes ? (size_t) json_integer_value(bytes) : keep / 2;
	if (after && strcmp(after, "status") == 0)
		keep = strcspn(made->head, "\r") - 4;
	else if (after && strcmp(after, "headers") == 0)
		keep = head - 1;
	else
		keep += head + 4;
	if (keep < made->head_len)
		made->head_len = keep;
}

/* Makes the unit that the flood of a fault repeats. */
static void
make_unit(HostileAnswer *made, const json_t *spec, FaultKind kind)
{
	const json_t *bytes = json_object_get(spec, "bytes");
	FILE	   *out = open_memstream(&made->unit, &made->unit_len);
	json_int_t	width = bytes ? json_integer_value(bytes) : 16;

	if (kind == FAULT_HEADERS)
		fprintf(out, "X-Flood: %0*d\r\n",
				(int) (width < MAX_HEADER ? width : MAX_HEADER), 0);
	else if (kind == FAULT_INTERIM)
		fputs("HTTP/1.1 103 Early Hints\r\nLink: </early>\r\n\r\n", out);
	else
		fprintf(out, "1000\r\n%4096s\r\n", "");
	fclose(out);
}

/* Prints an answer with a flood in it, before its end or before all of it. */
static void
flood_answer(HostileAnswer *made, const json_t *spec, FaultKind kind)
{
	const Answer *answer = &made->request->answer;
	FILE	   *out = open_memstream(&made->head, &made->head_len);

	if (kind != FAULT_INTERIM)
		print_head(out, answer);
	if (kind == FAULT_ENDLESS)
		fprintf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n",
				answer->body_len, (int) answer->body_len, answer->body);
	fclose(out);
	make_unit(made, spec, kind);
	if (json_object_get(spec, "times") == NULL)
		made->times = kind == FAULT_ENDLESS ? HOSTILE_WITHOUT_END : 1000000;
	if (kind == FAULT_ENDLESS)
		return;
	out = open_memstream(&made->tail, &made->tail_len);
	if (kind == FAULT_INTERIM)
		print_head(out, answer);
	print_rest(out, answer);
	fclose(out);
}

/* Takes the texts of a fault as they are. */
static void
take_texts(HostileAnswer *made, const json_t *spec)
{
	const char *id = made->request->accepted_id;

	made->head = sandbox_hostile_text(spec, "head", &made->head_len);
	fill_in_id(&made->head, &made->head_len, id);
	made->unit = sandbox_hostile_text(spec, "body", &made->unit_len);
	made->tail = sandbox_hostile_text(spec, "tail", &made->tail_len);
	fill_in_id(&made->tail, &made->tail_len, id);
}

/* Makes what is to be written of a request's answer and its fault. */
HostileAnswer *
sandbox_hostile_make(Request *request)
{
	const FaultPlan *plan = &request->plan;
	const json_t *times = json_object_get(plan->spec, "times");
	HostileAnswer *made = calloc(1, sizeof(HostileAnswer));
	FILE	   *out;

	if (made == NULL)
		return NULL;
	made->request = request;
	made->times = times ? (uint64_t) json_integer_value(times) : 1;
	if (times && made->times == 0)
		made->times = HOSTILE_WITHOUT_END;
	made->pause_ms = json_integer_value(json_object_get(plan->spec, "ms"));
	made->reset = json_is_true(json_object_get(plan->spec, "reset"));
	if (plan->kind == FAULT_RAW)
		take_texts(made, plan->spec);
	else if (plan->kind == FAULT_DRIP || plan->kind == FAULT_TRUNCATED)
	{
		out = open_memstream(&made->head, &made->head_len);
		print_head(out, &request->answer);
		print_rest(out, &request->answer);
		fclose(out);
		if (plan->kind == FAULT_TRUNCATED)
			cut_answer(made, plan->spec);
		else if (made->pause_ms == 0)
			made->pause_ms = 1000;
	}
	else
		flood_answer(made, plan->spec, plan->kind);
	return made;
}

/* Says whether a request's fault is one for the bare socket. */
bool
sandbox_hostile_is_wanted(const Request *request)
{
	const json_t *spec = request->plan.spec;

	switch (request->plan.kind)
	{
		case FAULT_RAW:
		case FAULT_HEADERS:
		case FAULT_INTERIM:
		case FAULT_ENDLESS:
			return true;
		case FAULT_TRUNCATED:
			return json_object_get(spec, "after") != NULL ||
				json_is_true(json_object_get(spec, "reset"));
		case FAULT_DRIP:
			return json_is_true(json_object_get(spec, "whole"));
		default:
			return false;
	}
}

/* Releases an answer. */
void
sandbox_hostile_free(HostileAnswer *made)
{
	free(made->head);
	free(made->unit);
	free(made->tail);
	free(made);
}
