/*
 * http_server.c
 *		A server on loopback that answers exactly the bytes of a test.
 *
 * A thread for each connection, all signals blocked.  It reads whole requests
 * (headers and Content-Length), counts them, and keeps the last one.
 */
#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SERVED 4096
#define MAX_REQUEST 400000

struct Server
{
	int			listener;
	int			port;
	int			flags;
	SSL_CTX    *tls;			/* NULL: plain */
	const ServerAnswer *answers;
	int			answer_count;
	pthread_t	acceptor;
	pthread_mutex_t lock;
	int			connections;
	int			requests;
	char	   *last_request;
	pthread_t	threads[MAX_SERVED];
	int			sockets[MAX_SERVED];
};

typedef struct Served
{
	Server	   *server;
	int			number;
	int			fd;
	SSL		   *tls;
} Served;

/* Sleeps for so many milliseconds. */
static void
sleep_ms(int ms)
{
	struct timespec time = {ms / 1000, (long) (ms % 1000) * 1000000};

	if (ms > 0)
		(void) nanosleep(&time, NULL);
}

/* Reads what there is from a peer; 0 or less at its end. */
static ssize_t
receive(const Served *served, char *bytes, size_t size)
{
	return served->tls != NULL ? SSL_read(served->tls, bytes, (int) size) :
		recv(served->fd, bytes, size, 0);
}

/* Writes to a peer; 0 or less when it is gone. */
static ssize_t
transmit(const Served *served, const char *bytes, size_t len)
{
	return served->tls != NULL ? SSL_write(served->tls, bytes, (int) len) :
		send(served->fd, bytes, len, MSG_NOSIGNAL);
}

/* The length of the request at the start of a text, 0 if it is not whole. */
static size_t
request_length(const char *bytes, size_t len)
{
	const char *end = strstr(bytes, "\r\n\r\n");
	const char *line;
	size_t		whole;

	if (end == NULL)
		return 0;
	whole = (size_t) (end - bytes) + 4;
	for (line = bytes; line < end; line = strchr(line, '\n') + 1)
		if (strncasecmp(line, "content-length:", 15) == 0)
			whole += strtoul(line + 15, NULL, 10);
	return whole <= len ? whole : 0;
}

/* Reads one request; false when the peer has closed. */
static bool
read_request(const Served *served, char *bytes)
{
	size_t		len = 0;
	ssize_t		got;

	bytes[0] = '\0';
	while (request_length(bytes, len) == 0)
	{
		got = receive(served, bytes + len, MAX_REQUEST - len - 1);
		if (got <= 0)
			return false;
		len += (size_t) got;
		bytes[len] = '\0';
	}
	return true;
}

/* Sends an answer as its script says; false when the peer has closed. */
static bool
send_answer(const Served *served, const ServerAnswer *answer)
{
	size_t		len = answer->len > 0 ? answer->len : strlen(answer->bytes);
	size_t		sent = 0;
	ssize_t		count;

	sleep_ms(answer->delay_ms);
	while (sent < len)
	{
		count = transmit(served, answer->bytes + sent,
						 answer->gap_ms > 0 ? 1 : len - sent);
		if (count <= 0)
			return false;
		sent += (size_t) count;
		sleep_ms(answer->gap_ms);
	}
	if (answer->surplus == NULL)
		return true;
	sleep_ms(answer->surplus_ms);
	len = strlen(answer->surplus);
	return transmit(served, answer->surplus, len) == (ssize_t) len;
}

/* Ends a connection as the script says; the descriptor stays ours. */
static void
end_connection(int fd, ServerEnd end)
{
	struct linger at_once = {1, 0};
	char		byte;

	if (end == SERVER_HOLD)
		while (recv(fd, &byte, 1, 0) > 0)
			continue;
	if (end == SERVER_RESET)
		(void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
						  sizeof(at_once));
}

/* Serves one connection until it ends. */
static void *
serve_connection(void *context)
{
	Served	   *served = context;
	Server	   *server = served->server;
	char	   *bytes = malloc(MAX_REQUEST);
	const ServerAnswer *answer = NULL;
	bool		speaks_first = (server->flags & SERVER_SPEAKS_FIRST) != 0;

	if (server->tls != NULL)
	{
		served->tls = SSL_new(server->tls);
		(void) SSL_set_fd(served->tls, served->fd);
	}
	while (bytes != NULL &&
		   (served->tls == NULL || SSL_accept(served->tls) == 1) &&
		   (speaks_first || read_request(served, bytes)))
	{
		(void) pthread_mutex_lock(&server->lock);
		answer = &server->answers[server->requests < server->answer_count ?
								  server->requests : server->answer_count - 1];
		server->requests++;
		if (!speaks_first)
		{
			free(server->last_request);
			server->last_request = strdup(bytes);
		}
		(void) pthread_mutex_unlock(&server->lock);
		if (!send_answer(served, answer) || answer->end != SERVER_KEEP)
			break;
	}
	if (answer != NULL)
		end_connection(served->fd, answer->end);
	SSL_free(served->tls);
	(void) pthread_mutex_lock(&server->lock);
	(void) close(served->fd);
	server->sockets[served->number] = -1;
	(void) pthread_mutex_unlock(&server->lock);
	free(bytes);
	free(served);
	return NULL;
}

/* Takes connections until the listener is shut down. */
static void *
accept_connections(void *context)
{
	Server	   *server = context;
	int			one = 1;
	int			fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0)
	{
		Served	   *served = calloc(1, sizeof(Served));

		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void) pthread_mutex_lock(&server->lock);
		if (served == NULL || server->connections == MAX_SERVED)
			abort();
		served->server = server;
		served->number = server->connections++;
		served->fd = fd;
		server->sockets[served->number] = fd;
		if (pthread_create(&server->threads[served->number], NULL,
						   serve_connection, served) != 0)
			abort();
		(void) pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

/* Starts a server with a script on a free port of 127.0.0.1. */
static Server *
start(const ServerAnswer *answers, int count, int flags, SSL_CTX *tls)
{
	Server	   *server = calloc(1, sizeof(Server));
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t	size = sizeof(address);
	sigset_t	all;
	sigset_t	before;

	if (server == NULL)
		abort();
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->answers = answers;
	server->answer_count = count;
	server->flags = flags;
	server->tls = tls;
	(void) pthread_mutex_init(&server->lock, NULL);
	server->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server->listener, (struct sockaddr *) &address, size) != 0 ||
		listen(server->listener, 1024) != 0 ||
		getsockname(server->listener, (struct sockaddr *) &address,
					&size) != 0)
	{
		perror("server_start");
		abort();
	}
	server->port = ntohs(address.sin_port);
	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&server->acceptor, NULL, accept_connections,
					   server) != 0)
		abort();
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	return server;
}

/* Starts a server that speaks plain HTTP. */
Server *
server_start(const ServerAnswer *answers, int count, int flags)
{
	return start(answers, count, flags, NULL);
}

/* Starts a server that speaks TLS; the context stays the caller's. */
Server *
server_start_tls(const ServerAnswer *answers, int count, SSL_CTX *tls)
{
	return start(answers, count, 0, tls);
}

/* The port that a server listens on. */
int
server_port(const Server *server)
{
	return server->port;
}

/* How many connections have been taken. */
int
server_connections(Server *server)
{
	int			connections;

	(void) pthread_mutex_lock(&server->lock);
	connections = server->connections;
	(void) pthread_mutex_unlock(&server->lock);
	return connections;
}

/* How many whole requests have been read. */
int
server_requests(Server *server)
{
	int			requests;

	(void) pthread_mutex_lock(&server->lock);
	requests = server->requests;
	(void) pthread_mutex_unlock(&server->lock);
	return requests;
}

/* The last request in its bytes, "" if none; only while none is coming. */
const char *
server_last_request(Server *server)
{
	return server->last_request == NULL ? "" : server->last_request;
}

/* Ends all connections and frees the server. */
void
server_stop(Server *server)
{
	int			i;

	(void) shutdown(server->listener, SHUT_RDWR);
	(void) pthread_join(server->acceptor, NULL);
	(void) close(server->listener);
	(void) pthread_mutex_lock(&server->lock);
	for (i = 0; i < server->connections; i++)
		if (server->sockets[i] >= 0)
			(void) shutdown(server->sockets[i], SHUT_RDWR);
	(void) pthread_mutex_unlock(&server->lock);
	for (i = 0; i < server->connections; i++)
		(void) pthread_join(server->threads[i], NULL);
	(void) pthread_mutex_destroy(&server->lock);
	free(server->last_request);
	free(server);
}
