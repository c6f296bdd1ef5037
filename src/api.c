/*
 * api.c
 *	  The SQL-callable functions that check a message and put it into the
 *	  outbox.
 *
 * Each checks everything before it inserts anything.  Nothing is sent from
 * here: the drainer is asked, at commit, to look.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access.h"
#include "body.h"
#include "compat.h"
#include "core/fiscal_code.h"
#include "enqueue.h"
#include "request.h"
#include "service.h"
#include "wake.h"
#include "warnings.h"

IOMSG_SQL_FUNCTION(iomsg_api_enqueue_timestamptz);
IOMSG_SQL_FUNCTION(iomsg_api_enqueue_date);
IOMSG_SQL_FUNCTION(iomsg_api_enqueue_text);
IOMSG_SQL_FUNCTION(iomsg_api_enqueue_jsonb);
IOMSG_SQL_FUNCTION(iomsg_api_validate_timestamptz);
IOMSG_SQL_FUNCTION(iomsg_api_validate_date);
IOMSG_SQL_FUNCTION(iomsg_api_validate_text);
IOMSG_SQL_FUNCTION(iomsg_api_validate_jsonb);
IOMSG_SQL_FUNCTION(iomsg_api_check_profile);
IOMSG_SQL_FUNCTION(iomsg_api_settings_changed);
IOMSG_SQL_FUNCTION(iomsg_api_wake);
IOMSG_SQL_FUNCTION(iomsg_api_caller);

/* The form of a message's arguments; the first three are of DueDateForm. */
typedef enum MessageForm
{
	FORM_TIMESTAMPTZ = DUE_DATE_TIMESTAMPTZ,
	FORM_DATE = DUE_DATE_DATE,
	FORM_TEXT = DUE_DATE_TEXT,
	FORM_JSONB
} MessageForm;

/* One call of a function that takes a message. */
typedef struct Call
{
	IoMsgScope	scope;
	IoMsgCaller caller;
	IoMsgOptions options;
	IoMsgService service;
	IoMsgFindings findings;
	IoMsgBody	body;
	TimestampTz now;
} Call;

/*
 * Reads and checks the arguments of a message; findings say what is wrong.
 */
static void
check_message(FunctionCallInfo fcinfo, MessageForm form, Call *call)
{
	IoMsgFinding no_service;

	iomsg_request_options(fcinfo, form == FORM_JSONB, &call->options);
	call->now = GetCurrentTimestamp();
	iomsg_findings_init(&call->findings,
						form == FORM_JSONB ? "" : "content.");
	memset(&call->body, 0, sizeof(IoMsgBody));
	call->body.findings = &call->findings;
	call->body.rules = iomsg_body_any_rules;
	if (iomsg_service_find(call->options.service, &call->caller,
						   &call->service))
		call->body.rules = call->service.rules;
	else
	{
		iomsg_service_unknown(call->options.service, &call->caller,
							  &no_service);
		iomsg_findings_add_own(&call->findings, &no_service);
	}

	if (form == FORM_JSONB)
		iomsg_request_jsonb(fcinfo, &call->body);
	else
		iomsg_request_fields(fcinfo, (DueDateForm) form, &call->body);
	iomsg_request_check_options(&call->options, call->now, &call->findings);
}

/*
 * From here to end_call the extension's owner acts; writes, if given, says
 * what the call would write.
 */
static void
begin_call(FunctionCallInfo fcinfo, Call *call, const char *writes)
{
	iomsg_access_hide(&call->scope);
	if (writes)
		iomsg_access_require_writable(writes);
	iomsg_access_caller(fcinfo, &call->caller);
	iomsg_access_become_owner(&call->scope, &call->caller);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

static void
end_call(Call *call)
{
	SPI_finish();
	iomsg_access_leave(&call->scope);
	iomsg_access_unhide(&call->scope);
}

static int64
enqueue(FunctionCallInfo fcinfo, MessageForm form)
{
	Call		call;
	bool		is_new;
	int64		id;

	begin_call(fcinfo, &call, "enqueue a message");
	check_message(fcinfo, form, &call);
	iomsg_findings_raise(&call.findings);
	id = iomsg_enqueue_message(&call.caller, &call.service, &call.options,
							   &call.body, call.now, &is_new);
	if (is_new)
		iomsg_warnings_add(call.body.subject_kinds, call.body.has_discarded);
	end_call(&call);
	return id;
}

/*
 * io_enqueue_message(fiscal_code, subject, markdown, due_date timestamptz,
 * ...)
 */
Datum
iomsg_api_enqueue_timestamptz(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(enqueue(fcinfo, FORM_TIMESTAMPTZ));
}

/*
 * io_enqueue_message(fiscal_code, subject, markdown, due_date date, ...)
 */
Datum
iomsg_api_enqueue_date(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(enqueue(fcinfo, FORM_DATE));
}

/*
 * io_enqueue_message(fiscal_code, subject, markdown, due_date text, ...)
 */
Datum
iomsg_api_enqueue_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(enqueue(fcinfo, FORM_TEXT));
}

/*
 * io_enqueue_message(message jsonb, ...)
 */
Datum
iomsg_api_enqueue_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(enqueue(fcinfo, FORM_JSONB));
}

static Datum
validate(FunctionCallInfo fcinfo, MessageForm form)
{
	Call		call;

	begin_call(fcinfo, &call, NULL);
	check_message(fcinfo, form, &call);
	iomsg_findings_return(&call.findings, fcinfo);
	end_call(&call);
	return (Datum) 0;
}

/*
 * io_validate_message in each form of io_enqueue_message: all problems as
 * rows.
 */
Datum
iomsg_api_validate_timestamptz(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, FORM_TIMESTAMPTZ);
}

Datum
iomsg_api_validate_date(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, FORM_DATE);
}

Datum
iomsg_api_validate_text(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, FORM_TEXT);
}

Datum
iomsg_api_validate_jsonb(PG_FUNCTION_ARGS)
{
	return validate(fcinfo, FORM_JSONB);
}

/*
 * io_check_profile(fiscal_code, service): queues the question whether IO
 * knows a person and whether that person wants to hear from the service.
 */
Datum
iomsg_api_check_profile(PG_FUNCTION_ARGS)
{
	Call		call;
	char		fiscal_code[IOMSG_FISCAL_CODE_LENGTH + 1] = "";
	char	   *name = NULL;
	Problem		problem = PROBLEM_FIELD_MISSING;
	int64		id;

	begin_call(fcinfo, &call, "enqueue a profile check");
	if (!PG_ARGISNULL(1))
		name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	iomsg_findings_init(&call.findings, "");
	if (!iomsg_service_find(name, &call.caller, &call.service))
	{
		IoMsgFinding no_service;

		iomsg_service_unknown(name, &call.caller, &no_service);
		iomsg_findings_add_own(&call.findings, &no_service);
	}
	if (!PG_ARGISNULL(0))
	{
		text	   *in = PG_GETARG_TEXT_PP(0);

		problem = iomsg_fiscal_code_normalize(VARDATA_ANY(in),
											  VARSIZE_ANY_EXHDR(in),
											  fiscal_code) == FISCAL_CODE_OK ?
			PROBLEM_NONE : PROBLEM_FISCAL_CODE;
	}
	iomsg_findings_add(&call.findings, problem, "fiscal_code");
	iomsg_findings_raise(&call.findings);
	id = iomsg_enqueue_profile(&call.caller, &call.service, fiscal_code,
							   GetCurrentTimestamp());
	end_call(&call);
	PG_RETURN_INT64(id);
}

/*
 * Trigger on the tables of settings: the drainer shall look at everything
 * anew when this transaction commits.
 */
Datum
iomsg_api_settings_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"settings_changed")));
	iomsg_wake_all_at_commit();
	PG_RETURN_POINTER(NULL);
}

/*
 * io_msg.wake(): the same, for functions that people call.
 */
Datum
iomsg_api_wake(PG_FUNCTION_ARGS)
{
	iomsg_wake_all_at_commit();
	PG_RETURN_VOID();
}

/*
 * io_msg.caller(): the role in force outside of SECURITY DEFINER functions.
 */
Datum
iomsg_api_caller(PG_FUNCTION_ARGS)
{
	Name		name = palloc0(sizeof(NameData));

	namestrcpy(name, GetUserNameFromId(GetOuterUserId(), false));
	PG_RETURN_NAME(name);
}
