/*
 * http_memory_test.c
 *		src/http.c when memory is short, and what it leaves in memory.
 *
 * Each allocation of a client's life, libcurl's and ours, fails once in its
 * turn.  Every time all is freed again, and each request has left at most
 * once and is known to have left.  HTTP_MEMORY_REQUESTS is how many requests a
 * client makes (4): the more, the more allocations there are.
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
#define REQUESTS 4
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
 * Sends a POST whose body is its number, with another key than the one before.
 * Returns how often it left, -1000 where that is not known.
 */
static int
send_one(HttpClient *client, const char *url, int number)
{
	HttpRequest request = fetch_post(url);
	const HttpResult *result;
	char		body[16];

	(void) snprintf(body, sizeof(body), "[%d]", number);
	request.body = body;
	request.body_len = strlen(body);
	request.key = number % 2 == 0 ? "canary-1" : "canary-2";
	request.deadline_us = iomsg_http_now_us() + 2000000;
	(void) iomsg_http_next(client);
	if (!iomsg_http_start(client, &request))
		return 0;
	result = fetch_wait(client);
	return result == NULL || result->sendings > 1 ? -1000 : result->sendings;
}

/* Opens a client, sends some POSTs and closes it; how many have left. */
static int
send_some(const char *url, int count)
{
	HttpSettings settings = {.max_connections = 2,.user_agent = "test"};
	const char *problem;
	HttpClient *client = iomsg_http_open(&settings, &problem);
	int			sendings = 0;
	int			i;

	if (client == NULL)
		return problem == NULL ? -1000 : 0;
	for (i = 0; i < count; i++)
		sendings += send_one(client, url, i);
	given_up = client->given_up;
	iomsg_http_close(client);
	return sendings;
}

/*
 * Fails the n-th allocation for each n, until n is more than there are.  What
 * the server has seen is what was reported as having left, or less where a
 * connection was cut before the request was on it; never more.
 */
static long
test_each_allocation(const char *name, const char *url, Server *server,
					 int count)
{
	int			sendings = 0;
	int			leaks = 0;
	int			reported = 0;
	int			before = server_requests(server);
	int			all_given_up = 0;
	long		n = 0;

	do
	{
		n++;
		counted = 0;
		countdown = n;
		armed = true;
		sendings = send_some(url, count);
		armed = false;
		reported += sendings;
		/* A thread that looks a name up frees what it has when it ends. */
		for (int wait = 0; live != 0 && given_up == 0 && wait < 400; wait++)
			fetch_sleep_ms(5);
		if (live != 0 && given_up == 0)
			leaks++;
		all_given_up += given_up;
		given_up = 0;
		live = 0;
	} while (counted >= n);
	printf("# %s, %d requests: %ld allocations, libcurl was given up %d"
		   " times\n", name, count, n - 1, all_given_up);
	tap_ok(all_given_up < n / 5, "libcurl is hardly ever given up");
	tap_is_int(leaks, 0, "nothing was left allocated");
	fetch_sleep_ms(100);
	tap_ok(server_requests(server) - before <= reported,
		   "nothing left twice, or was not known to have left");
	tap_is_int(sendings, count, "without failure all are sent");
	return n - 1;
}

int
main(void)
{
	char		answer[2200];
	ServerAnswer script[] = {{answer, SERVER_KEEP}};
	Server	   *server;
	const char *size = getenv("HTTP_MEMORY_REQUESTS");
	int			requests = size == NULL ? REQUESTS : atoi(size);
	long		allocations;

	(void) snprintf(answer, sizeof(answer), CREATED, 0);
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, __wrap_free,
							 __wrap_realloc, __wrap_strdup,
							 __wrap_calloc) != CURLE_OK)
		return 1;
	server = server_start(script, 1, 0);
	live = 0;
	(void) test_each_allocation("by name",
								fetch_url("http://local.test",
										  server_port(server)), server, 2);
	allocations = test_each_allocation("by address",
									   fetch_url("http://127.0.0.1",
												 server_port(server)),
									   server, requests);
	tap_ok(allocations > 50 + 10 * requests,
		   "each allocation has failed once");
	tap_is_int(keys_left, 0, "no header with a key was freed as it was");
	server_stop(server);
	curl_global_cleanup();
	return tap_done();
}
