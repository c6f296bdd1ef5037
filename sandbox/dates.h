/*
 * dates.h
 *		Reads the date-times that IO takes.
 */
#ifndef SANDBOX_DATES_H
#define SANDBOX_DATES_H

#include <stdbool.h>
#include <stdint.h>

extern bool sandbox_dates_parse(const char *text, int64_t *epoch_ms);

#endif
