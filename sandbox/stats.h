/*
 * stats.h
 *		The sandbox's figures and its journal of requests.
 */
#ifndef SANDBOX_STATS_H
#define SANDBOX_STATS_H

#include "request.h"

extern bool sandbox_stats_open_journal(const char *path);
extern void sandbox_stats_close_journal(void);
extern void sandbox_stats_connection(int change);
extern void sandbox_stats_begin(void);
extern void sandbox_stats_end(void);
extern void sandbox_stats_record(Request *request, int status);
extern const char *sandbox_stats_route_name(Route route);
extern json_t *sandbox_stats_show(void);
extern void sandbox_stats_reset(void);

#endif
