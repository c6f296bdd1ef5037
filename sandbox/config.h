/*
 * config.h
 *		Accounts and services in their JSON form.
 */
#ifndef SANDBOX_CONFIG_H
#define SANDBOX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "registry.h"

extern bool sandbox_config_read(const char *path, char *error, size_t size);
extern bool sandbox_config_service(const json_t *object, char *error,
								   size_t size);
extern bool sandbox_config_quota(const json_t *object, char *error,
								 size_t size);
extern bool sandbox_config_keys(const json_t *object, char *error,
								size_t size);
extern bool sandbox_config_argument(const char *text);
extern json_t *sandbox_config_show(const Service *service);

#endif
