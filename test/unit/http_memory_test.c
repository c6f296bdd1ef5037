/*
 * http_memory_test.c
 *		src/http.c when memory is short, and what it leaves in memory.
 *
 * Each allocation of an exchange, libcurl's and ours, fails once in its turn.
 * Every time all is freed again, and a request that left is known to have
 * left.
 */
#include "http_fetch.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "http_client.h"
#include "tap.h"

#define CREATED \
	"HTTP/1.1 201 Created\r\nLocation: /messages/1\r\n" \
	"Content-Length: 2000\r\n\r\n%2000d"
#define KEY_START "Ocp-Apim-Subscription-Key: "

typedef struct Block
{
	size_t		size;
	size_t		is_counted;		/* as a leak, if it is not freed */
} Block;

static atomic_int live = 0;
static atomic_int keys_left = 0;
static int	given_up = 0;
static _Thread_local bool armed = false;
static _Thread_local long countdown = 0;
static _Thread_local long counted = 0;

extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t count, size_t size);
extern void *__wrap_realloc(void *memory, size_t size);
extern char *__wrap_strdup(const char *text);
extern void __wrap_free(void *memory);
extern void *__real_malloc(size_t size);
extern void __real_free(void *memory);

extern const char *__asan_default_options(void);

/* What is left allocated is counted here, and some is libcurl's own. */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Tells whether this allocation is the one that shall fail. */
static bool
fails_now(void)
{
	if (!armed)
		return false;
	counted++;
	return --countdown == 0;
}

/* Linked in place of malloc in our code; given to libcurl, too. */
void *
__wrap_malloc(size_t size)
{
	Block	   *block = NULL;

	if (!fails_now())
		block = __real_malloc(sizeof(Block) + size);
	if (block == NULL)
		return NULL;
	(void) memset(block + 1, 'm', size);
	block->size = size;
	block->is_counted = armed;
	live += (int) block->is_counted;
	return block + 1;
}

/* As malloc; notes a key that is left in what is given back. */
void
__wrap_free(void *memory)
{
	Block	   *block = memory;
	size_t		start = strlen(KEY_START);

	if (memory == NULL)
		return;
	block--;
	if (block->size > start && memcmp(memory, KEY_START, start) == 0)
		keys_left++;
	live -= (int) block->is_counted;
	__real_free(block);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	void	   *memory = __wrap_malloc(count * size);

	return memory == NULL ? NULL : memset(memory, 0, count * size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	void	   *other = __wrap_malloc(size);
	size_t		old_size;

	if (other != NULL && memory != NULL)
	{
		old_size = ((Block *) memory - 1)->size;
		memcpy(other, memory, old_size < size ? old_size : size);
		__wrap_free(memory);
	}
	return other;
}

char *
__wrap_strdup(const char *text)
{
	char	   *copy = __wrap_malloc(strlen(text) + 1);

	return copy == NULL ? NULL : memcpy(copy, text, strlen(text) + 1);
}

/*
 * Opens a client, sends two POSTs with different keys, one after the other,
 * and closes it.  Adds up the sendings that were reported.
 */
static int
send_two(const char *url)
{
	HttpSettings settings = {.max_connections = 2,.user_agent = "test"};
	const char *problem;
	HttpClient *client = iomsg_http_open(&settings, &problem);
	HttpRequest request = fetch_post(url);
	const HttpResult *result;
	int			sendings = 0;
	int			i;

	if (client == NULL)
		return problem == NULL ? -1000 : 0;
	for (i = 0; i < 2; i++)
	{
		request.key = i == 0 ? "canary-1" : "canary-2";
		request.deadline_us = iomsg_http_now_us() + 2000000;
		(void) iomsg_http_next(client);
		if (!iomsg_http_start(client, &request))
			continue;
		result = fetch_wait(client);
		if (result == NULL)
			return -1000;
		sendings += result->sendings;
	}
	given_up = client->given_up;
	iomsg_http_close(client);
	return sendings;
}

/* Fails the n-th allocation for each n, until n is more than there are. */
static void
test_each_allocation(const char *name, const char *url, Server *server)
{
	int			before = server_requests(server);
	int			sendings;
	int			reported = 0;
	int			leaks = 0;
	int			all_given_up = 0;
	long		n = 0;

	do
	{
		n++;
		counted = 0;
		countdown = n;
		armed = true;
		sendings = send_two(url);
		armed = false;
		reported += sendings;
		if (live != 0 && given_up == 0)
			leaks++;
		all_given_up += given_up;
		given_up = 0;
		live = 0;
	} while (counted >= n);
	printf("# %s: %ld allocations, libcurl was given up %d times\n", name,
		   n - 1, all_given_up);
	tap_ok(all_given_up < n / 5, "libcurl is hardly ever given up");
	tap_ok(n > 50, "%s: each allocation has failed once", name);
	tap_is_int(leaks, 0, "nothing was left allocated");
	fetch_sleep_ms(100);
	tap_ok(server_requests(server) - before <= reported,
		   "nothing left that was not known to have left");
	tap_is_int(sendings, 2, "without failure both are sent");
}

int
main(void)
{
	char		answer[2200];
	ServerAnswer script[] = {{answer, SERVER_KEEP}};
	Server	   *server;

	(void) snprintf(answer, sizeof(answer), CREATED, 0);
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, __wrap_free,
							 __wrap_realloc, __wrap_strdup,
							 __wrap_calloc) != CURLE_OK)
		return 1;
	server = server_start(script, 1, 0);
	live = 0;
	test_each_allocation("by address", fetch_url("http://127.0.0.1",
												 server_port(server)), server);
	test_each_allocation("by name", fetch_url("http://local.test",
											  server_port(server)), server);
	tap_is_int(keys_left, 0, "no header with a key was freed as it was");
	server_stop(server);
	curl_global_cleanup();
	return tap_done();
}
