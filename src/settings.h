/*
 * settings.h
 *	  The settings of io_msg (GUC variables).
 */
#ifndef IOMSG_SETTINGS_H
#define IOMSG_SETTINGS_H

#include "postgres.h"

/* Of io_msg.on_promotion. */
typedef enum OnPromotion
{
	ON_PROMOTION_HOLD,			/* what was queued before waits for a person */
	ON_PROMOTION_TRUST			/* the standby had all marks: go on */
} OnPromotion;

extern bool iomsg_enabled;
extern char *iomsg_keys_file;
extern char *iomsg_allowed_hosts;
extern char *iomsg_ca_file;
extern char *iomsg_instance;
extern int	iomsg_max_in_flight;
extern int	iomsg_max_databases;
extern int	iomsg_max_attempts;
extern int	iomsg_idle_exit_ms;
extern int	iomsg_shutdown_grace_ms;
extern int	iomsg_answer_timeout_ms;
extern int	iomsg_connect_timeout_ms;
extern int	iomsg_max_mark_age_ms;
extern int	iomsg_retry_pause_ms;
extern int	iomsg_poll_delay_ms;
extern int	iomsg_sweep_ms;
extern int	iomsg_uncertain_reminder_ms;	/* 0: never */
extern int	iomsg_on_promotion;

extern void iomsg_settings_define(void);
extern bool iomsg_settings_host_allowed(const char *url, bool *loopback);
extern bool iomsg_settings_proxy_allowed(const char *url);

#endif							/* IOMSG_SETTINGS_H */
