/*
 * access.c
 *	  Who calls, what that role may do, and working as the extension's owner.
 *
 * The functions that write are SECURITY INVOKER: who calls is read first, its
 * right is checked, and only then is the owner's right to the tables used, so
 * that a row can say who it came from.  Whose right counts is the current
 * user: inside a SECURITY DEFINER function that is the function's owner, so
 * that an application's own role need not hold the right itself.  What a row
 * shows is the role in force outside of such functions.
 *
 * Errors need no clean-up: the end of the (sub)transaction restores the user
 * and the settings, as it does for PostgreSQL's own maintenance commands.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"

#include "access.h"
#include "installation.h"

/*
 * Keeps the statement, which may hold a citizen's data, and the context out
 * of the server log for every error within our functions, also for those that
 * PostgreSQL raises.
 */
static void
hide_statement(void *arg)
{
	errhidestmt(true);
	errhidecontext(true);
}

/*
 * From here to iomsg_access_unhide no error writes the statement to the log.
 */
void
iomsg_access_hide(IoMsgScope *scope)
{
	scope->errors.callback = hide_statement;
	scope->errors.arg = NULL;
	scope->errors.previous = error_context_stack;
	error_context_stack = &scope->errors;
}

void
iomsg_access_unhide(IoMsgScope *scope)
{
	error_context_stack = scope->errors.previous;
}

/*
 * Reads who calls.  The extension's owner is looked up once for each place
 * that calls in a statement.
 */
void
iomsg_access_caller(FunctionCallInfo fcinfo, IoMsgCaller *caller)
{
	FmgrInfo   *function = fcinfo->flinfo;
	IoMsgCallSite *site = function->fn_extra;

	if (site == NULL)
	{
		site = MemoryContextAllocZero(function->fn_mcxt,
									  sizeof(IoMsgCallSite));
		site->context = function->fn_mcxt;
		site->owner = iomsg_installation_owner();
		if (!OidIsValid(site->owner))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("extension \"io_msg\" does not exist in this database")));
		function->fn_extra = site;
	}

	caller->current = GetUserId();
	caller->outer = GetOuterUserId();
	caller->session = GetSessionUserId();
	caller->site = site;
	caller->is_owner = has_privs_of_role(caller->current, site->owner);
}

/*
 * From here to iomsg_access_leave the extension's owner acts, restricted as in
 * maintenance commands and with a search path that no caller can choose.
 */
void
iomsg_access_become_owner(IoMsgScope *scope, const IoMsgCaller *caller)
{
	GetUserIdAndSecContext(&scope->userid, &scope->sec_context);
	scope->guc_level = NewGUCNestLevel();
	SetUserIdAndSecContext(caller->site->owner,
						   scope->sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

void
iomsg_access_leave(IoMsgScope *scope)
{
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->userid, scope->sec_context);
}

/*
 * Whether the caller has the rights of a role; false for one that is gone.
 */
bool
iomsg_access_has_role(const IoMsgCaller *caller, const char *role_name)
{
	Oid			role = get_role_oid(role_name, true);

	return OidIsValid(role) && has_privs_of_role(caller->current, role);
}

/*
 * Refuses on a standby and in a read-only transaction; what completes the
 * sentence "cannot ...".
 */
void
iomsg_access_require_writable(const char *what)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot %s on a standby server", what),
				 errhint("Connect to the primary server.")));
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot %s in a read-only transaction", what),
				 errhint("Use a transaction that may write.")));
}
