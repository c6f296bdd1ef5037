/*
 * faultspec.c
 *		The JSON form of a fault.
 *
 * A field that no fault has is refused by name, so that a slip of the pen in
 * a test is not taken for a fault that never struck.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faultspec.h"

#define MAX_BYTES INT64_C(1000000000000)

typedef struct KindInfo
{
	const char *name;
	FaultMoment moment;			/* unless "when" says otherwise */
	bool		work;			/* unless "accepted" says otherwise */
} KindInfo;

static const KindInfo kinds[] = {
	[FAULT_NONE] = {"none", MOMENT_AFTER, true},
	[FAULT_LATENCY] = {"latency", MOMENT_AFTER, true},
	[FAULT_HANG] = {"hang", MOMENT_AFTER, true},
	[FAULT_CLOSE] = {"close", MOMENT_AFTER, true},
	[FAULT_ERROR] = {"error", MOMENT_BEFORE, false},
	[FAULT_RATE_LIMIT] = {"rate_limit", MOMENT_BEFORE, false},
	[FAULT_TRUNCATED] = {"truncated", MOMENT_AFTER, true},
	[FAULT_HUGE] = {"huge", MOMENT_AFTER, true},
	[FAULT_DRIP] = {"drip", MOMENT_AFTER, true},
	[FAULT_HTML] = {"html", MOMENT_BEFORE, false},
	[FAULT_NO_ID] = {"no_id", MOMENT_AFTER, true},
	[FAULT_NO_CONTENT] = {"no_content", MOMENT_BEFORE, false},
	[FAULT_REDIRECT] = {"redirect", MOMENT_BEFORE, false},
	[FAULT_ANSWER] = {"answer", MOMENT_BEFORE, false},
	[FAULT_HEADERS] = {"headers", MOMENT_AFTER, true},
	[FAULT_INTERIM] = {"interim", MOMENT_AFTER, true},
	[FAULT_ENDLESS] = {"endless", MOMENT_AFTER, true},
	[FAULT_RAW] = {"raw", MOMENT_BEFORE, false},
};

static const char *const moments[] = {
	[MOMENT_CONNECT] = "connect",
	[MOMENT_HEADERS] = "before_reading",
	[MOMENT_BEFORE] = "after_reading",
	[MOMENT_AFTER] = "after_accepting",
};

/* The fields, each with the first letter of its type. */
static const char *const known_fields[] = {
	"skind", "icount", "iskip", "nprobability", "smethod", "spath",
	"sfiscal_code", "sservice", "inth_request", "swhen", "baccepted",
	"ims", "imin_ms", "imax_ms", "breset", "istatus", "sshape", "stitle",
	"sdetail", "sdialect", "iseconds", "svalue", "ibytes", "slocation",
	"xbody", "oheaders", "scontent_type", "bkeep_location", "bbinary",
	"shead", "stail", "itimes", "safter", "bwhole", NULL
};

/* Returns the name of a kind of fault. */
const char *
sandbox_faults_kind_name(FaultKind kind)
{
	return kinds[kind].name;
}

/* Says whether a value has the type that a letter stands for. */
static bool
has_type(const json_t *value, char letter)
{
	switch (letter)
	{
		case 's':
			return json_is_string(value);
		case 'i':
			return json_is_integer(value);
		case 'n':
			return json_is_number(value);
		case 'b':
			return json_is_boolean(value);
		case 'o':
			return json_is_object(value);
		default:
			return true;
	}
}

/* Checks the names and types of all fields. */
static bool
check_fields(json_t *spec, char *error, size_t size)
{
	const char *key;
	json_t	   *value;

	json_object_foreach(spec, key, value)
	{
		const char *const *field = known_fields;

		while (*field && strcmp(*field + 1, key) != 0)
			field++;
		if (*field == NULL)
			snprintf(error, size, "unknown field \"%s\" of a fault", key);
		else if (!has_type(value, **field))
			snprintf(error, size, "field \"%s\" has a wrong type", key);
		else
			continue;
		return false;
	}
	return true;
}

/* Reads an integer field, or takes the default. */
static int64_t
get_integer(const json_t *spec, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(spec, name);

	return value ? json_integer_value(value) : fallback;
}

/* Reads the kind and the moment of a fault. */
static bool
read_kind(Fault *fault, const json_t *spec, char *error, size_t size)
{
	const char *kind = json_string_value(json_object_get(spec, "kind"));
	const char *when = json_string_value(json_object_get(spec, "when"));
	const json_t *accepted = json_object_get(spec, "accepted");
	int			k;
	int			m;

	for (k = FAULT_RAW; kind && k > 0 && strcmp(kinds[k].name, kind) != 0;)
		k--;
	if (kind == NULL || k == 0)
	{
		snprintf(error, size, "unknown \"kind\" of fault");
		return false;
	}
	fault->kind = (FaultKind) k;
	fault->moment = kinds[k].moment;
	fault->work = accepted ? json_is_true(accepted) : kinds[k].work;
	if (when && strcmp(when, "before") == 0)
		when = "after_reading";
	if (when && strcmp(when, "after") == 0)
		when = "after_accepting";
	for (m = MOMENT_AFTER; when && m >= 0 && strcmp(moments[m], when) != 0;)
		m--;
	if (when && (m < 0 || (m < MOMENT_BEFORE && k != FAULT_CLOSE)))
	{
		snprintf(error, size, "wrong \"when\" for this kind of fault");
		return false;
	}
	if (when)
		fault->moment = (FaultMoment) m;
	if (when && !accepted)
		fault->work = fault->moment == MOMENT_AFTER ||
			k == FAULT_LATENCY || k == FAULT_HANG;
	return true;
}

/* Reads how often and how long a fault strikes. */
static bool
read_measure(Fault *fault, const json_t *spec, char *error, size_t size)
{
	const json_t *probability = json_object_get(spec, "probability");
	const char *path = json_string_value(json_object_get(spec, "path"));

	fault->min_ms = get_integer(spec, "min_ms", get_integer(spec, "ms", 0));
	fault->max_ms = get_integer(spec, "max_ms", fault->min_ms);
	fault->left = get_integer(spec, "count", -1);
	fault->skip = get_integer(spec, "skip", 0);
	fault->nth_request = (unsigned) get_integer(spec, "nth_request", 0);
	fault->probability = probability ? json_number_value(probability) : 1.0;
	if (fault->min_ms < 0 || fault->max_ms < fault->min_ms ||
		get_integer(spec, "bytes", 0) < 0 ||
		get_integer(spec, "bytes", 0) > MAX_BYTES ||
		get_integer(spec, "times", 0) < 0 ||
		fault->probability < 0.0 || fault->probability > 1.0)
	{
		snprintf(error, size, "a number of the fault is out of its range");
		return false;
	}
	if (path && path[0] == '~')
	{
		if (regcomp(&fault->pattern, path + 1, REG_EXTENDED | REG_NOSUB) != 0)
		{
			snprintf(error, size, "\"path\" is not a right expression");
			return false;
		}
		fault->has_pattern = true;
	}
	return true;
}

/* Makes a fault from its JSON form, or says what is wrong with it. */
Fault *
sandbox_faultspec_read(json_t *spec, char *error, size_t size)
{
	Fault	   *fault;

	if (!json_is_object(spec))
	{
		snprintf(error, size, "a fault is a JSON object");
		return NULL;
	}
	if (!check_fields(spec, error, size))
		return NULL;
	fault = calloc(1, sizeof(Fault));
	if (fault == NULL || !read_kind(fault, spec, error, size) ||
		!read_measure(fault, spec, error, size))
	{
		free(fault);
		return NULL;
	}
	fault->spec = json_deep_copy(spec);
	return fault;
}

/* Releases a fault. */
void
sandbox_faultspec_free(Fault *fault)
{
	if (fault->has_pattern)
		regfree(&fault->pattern);
	json_decref(fault->spec);
	free(fault);
}
