/*
 * core_due_date_test.c
 *		Timestamps as texts: which ones IO takes without changing their
 *		meaning.
 */
#include "message.h"
#include "tap.h"

typedef struct Case
{
	Problem		(*check) (const char *in, size_t len);
	const char *in;
	Problem		want;
} Case;

static const Case cases[] = {
	{iomsg_message_check_due_date, "2026-12-31T22:59:59Z", PROBLEM_NONE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59.123456Z",
	PROBLEM_NONE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59.5+01:00",
	PROBLEM_NONE},
	{iomsg_message_check_due_date, "2026-12-31T00:00:00-11:30", PROBLEM_NONE},
	{iomsg_message_check_due_date, "2024-02-29T00:00:00Z", PROBLEM_NONE},
	{iomsg_message_check_due_date, "2000-02-29T00:00:00Z", PROBLEM_NONE},
	{iomsg_message_check_due_date, "0001-01-01T00:00:00Z", PROBLEM_NONE},
	{iomsg_message_check_due_date, "9999-12-31T23:59:59Z", PROBLEM_NONE},
	{iomsg_message_check_due_date, "0000-01-01T00:00:00Z",
	PROBLEM_DUE_DATE_RANGE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59",
	PROBLEM_DUE_DATE_ZONE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59.1",
	PROBLEM_DUE_DATE_ZONE},
	{iomsg_message_check_due_date, "2026-12-31", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31 22:59:59Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59+01",
	PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59+0100",
	PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59+24:00",
	PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59+01:60",
	PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59Z ", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59:59.Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T22:59Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T24:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T23:60:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-12-31T23:59:60Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-02-30T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2100-02-29T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-13-01T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-00-01T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-01-00T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-01/01T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026/01-01T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "12026-01-01T00:00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "2026-01-01T00-00:00Z", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "infinity", PROBLEM_DUE_DATE},
	{iomsg_message_check_due_date, "", PROBLEM_DUE_DATE},
	{iomsg_message_check_original_receipt_date, "2026-12-31T22:59:59Z",
	PROBLEM_NONE},
	{iomsg_message_check_original_receipt_date, "2026-12-31T22:59:59",
	PROBLEM_ORIGINAL_RECEIPT_DATE},
};

/* A timestamp that ends anywhere before its zone, or with a wrong byte. */
static void
check_cut_due_date(void)
{
	const char	whole[] = "2026-12-31T22:59:59+01:00";
	char		in[sizeof(whole)];
	int			wrong = 0;

	for (size_t len = 0; len < sizeof(whole) - 1; len++)
	{
		Problem		want = len == 19 ? PROBLEM_DUE_DATE_ZONE :
			PROBLEM_DUE_DATE;

		wrong += iomsg_message_check_due_date(whole, len) != want;
		for (const char *byte = "x /+Z"; *byte != '\0'; byte++)
		{
			memcpy(in, whole, sizeof(whole));
			if (in[len] == *byte)
				continue;
			in[len] = *byte;
			wrong += iomsg_message_check_due_date(in, sizeof(whole) - 1) ==
				PROBLEM_NONE;
		}
	}
	tap_is_int(wrong, 0, "a due date that is cut or spoilt is none");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tap_is_int(cases[i].check(cases[i].in, strlen(cases[i].in)),
				   cases[i].want, cases[i].in);
	check_cut_due_date();
	return tap_done();
}
