/*
 * help.h
 *		The text of --help.
 */
#ifndef SANDBOX_HELP_H
#define SANDBOX_HELP_H

extern const char sandbox_help[];

#endif
