/*
 * answer.h
 *		An HTTP answer before it is sent: status, headers, body.
 */
#ifndef SANDBOX_ANSWER_H
#define SANDBOX_ANSWER_H

#include <stddef.h>

#include <jansson.h>

#define ANSWER_HEADERS 24

typedef struct Answer
{
	int			status;			/* 0 = none yet */
	char	   *body;			/* own memory, or NULL */
	size_t		body_len;
	int			header_count;
	char	   *names[ANSWER_HEADERS];
	char	   *values[ANSWER_HEADERS];
} Answer;

extern void sandbox_answer_clear(Answer *answer);
extern void sandbox_answer_header(Answer *answer, const char *name,
								  const char *value);
extern void sandbox_answer_text(Answer *answer, int status,
								const char *type, const char *body);
extern void sandbox_answer_json(Answer *answer, int status, json_t *body);
extern void sandbox_answer_problem(Answer *answer, int status,
								   const char *title, const char *detail);
extern void sandbox_answer_gateway(Answer *answer, int status,
								   const char *message);
extern void sandbox_answer_html(Answer *answer, int status);

#endif
