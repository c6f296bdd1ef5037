/*
 * raw_curl.c
 *		What libcurl can do on this machine: POSTs, many at once, nothing else.
 *
 * The reference for the drain: libcurl's multi interface on one epoll
 * descriptor, easy handles and connections reused, one thread, no database.
 * Prints one JSON object; fails unless every answer was 201.
 *
 *		raw_curl URL COUNT IN-FLIGHT BODY-FILE [CA-FILE]
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX	65536
#define EVENTS		256

static CURLM *multi;
static int	epoll_fd;
static int64_t timer_at_us = -1;
static long wanted;
static long started;
static long finished;
static long connects;
static int64_t mark_us[2];		/* when 10 % and 90 % had been answered */
static long marks[2];

static void
fail(const char *what)
{
	fprintf(stderr, "raw_curl: %s\n", what);
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* libcurl says which sockets to watch. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event event = {.data.fd = fd};

	(void) easy;
	(void) arg;
	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
		(what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
				  &event) != 0)
		fail("epoll_ctl");
	if (!known)
		curl_multi_assign(multi, fd, &epoll_fd);
	return 0;
}

static int
on_timer(CURLM *m, long timeout_ms, void *arg)
{
	(void) m;
	(void) arg;
	timer_at_us = timeout_ms < 0 ? -1 : now_us() + timeout_ms * 1000;
	return 0;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	return size * n;
}

static CURL *
make_easy(const char *url, const char *body, const char *ca_file,
		  struct curl_slist *headers)
{
	CURL	   *easy = curl_easy_init();

	if (easy == NULL)
		fail("curl_easy_init");
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) strlen(body));
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	if (ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
	return easy;
}

/* Notes an answer, and uses the handle again while there is something left. */
static void
finish(CURL *easy, CURLcode code)
{
	long		status = 0;
	long		fresh = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &fresh);
	if (code != CURLE_OK || status != 201)
	{
		fprintf(stderr, "raw_curl: %s, status %ld\n",
				curl_easy_strerror(code), status);
		exit(1);
	}
	finished++;
	connects += fresh;
	for (int i = 0; i < 2; i++)
	{
		if (finished == wanted * (i == 0 ? 1 : 9) / 10)
		{
			mark_us[i] = now_us();
			marks[i] = finished;
		}
	}
	curl_multi_remove_handle(multi, easy);
	if (started < wanted)
	{
		started++;
		curl_multi_add_handle(multi, easy);
	}
	else
		curl_easy_cleanup(easy);
}

static void
collect(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
			finish(message->easy_handle, message->data.result);
	}
}

static void
run(void)
{
	struct epoll_event events[EVENTS];
	int			running;

	while (finished < wanted)
	{
		int64_t		left_us = timer_at_us < 0 ? 1000000 :
			timer_at_us - now_us();
		int			n = epoll_wait(epoll_fd, events, EVENTS, left_us <= 0 ? 0 :
								   (int) ((left_us + 999) / 1000));

		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < n; i++)
			curl_multi_socket_action(multi, events[i].data.fd,
									 (events[i].events & EPOLLIN ?
									  CURL_CSELECT_IN : 0) |
									 (events[i].events & EPOLLOUT ?
									  CURL_CSELECT_OUT : 0) |
									 (events[i].events & (EPOLLERR | EPOLLHUP) ?
									  CURL_CSELECT_ERR : 0), &running);
		if (timer_at_us >= 0 && now_us() >= timer_at_us)
		{
			timer_at_us = -1;
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		collect();
	}
}

static char *
read_body(const char *path)
{
	static char body[BODY_MAX];
	FILE	   *file = fopen(path, "r");
	size_t		length;

	if (file == NULL)
		fail("cannot read the body");
	length = fread(body, 1, sizeof(body) - 1, file);
	fclose(file);
	body[length] = '\0';
	return body;
}

static double
used_cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
		(double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	int			in_flight = argc > 3 ? atoi(argv[3]) : 0;
	struct curl_slist *headers;
	char	   *body;
	int64_t		begin_us;
	double		cpu_s;

	wanted = argc > 2 ? atol(argv[2]) : 0;
	if (argc < 5 || wanted < 10 || in_flight < 1 || wanted < in_flight)
		fail("usage: raw_curl URL COUNT IN-FLIGHT BODY-FILE [CA-FILE]");
	curl_global_init(CURL_GLOBAL_ALL);
	multi = curl_multi_init();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (multi == NULL || epoll_fd < 0)
		fail("no multi handle");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) in_flight);
	body = read_body(argv[4]);
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Ocp-Apim-Subscription-Key: key");
	headers = curl_slist_append(headers, "Expect:");

	begin_us = now_us();
	cpu_s = used_cpu_s();
	for (int i = 0; i < in_flight; i++)
	{
		started++;
		curl_multi_add_handle(multi, make_easy(argv[1], body,
											   argc > 5 ? argv[5] : NULL,
											   headers));
	}
	run();
	printf("{\"rate\": %.1f, \"seconds\": %.4f, \"cpu_us\": %.2f, "
		   "\"connections\": %ld}\n",
		   (double) (marks[1] - marks[0]) * 1e6 /
		   (double) (mark_us[1] - mark_us[0]),
		   (double) (now_us() - begin_us) / 1e6,
		   (used_cpu_s() - cpu_s) * 1e6 / (double) wanted, connects);
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	return 0;
}
