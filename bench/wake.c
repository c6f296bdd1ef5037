/*
 * wake.c
 *		From COMMIT to the first byte at the far end.
 *
 * One process is both ends, so that one clock times them: a client that
 * commits one message at a time, and a thread that answers as IO does and
 * notes when the first byte of each message came.  Prints for each message
 * "replied N sent N": microseconds from the reply to COMMIT, and from its
 * sending, to that byte; negative where the byte was quicker than the reply.
 *
 *		wake CONNINFO PORT COUNT INTERVAL-MS SQL [SQL-BEFORE-EACH]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS		64
#define REQUEST_MAX		65536
#define PATIENCE_US		INT64_C(30000000)

typedef struct Connection
{
	size_t		length;
	int64_t		first_byte_us;
	char		buffer[REQUEST_MAX];
} Connection;

static struct pollfd watched[CONNECTIONS + 1];
static Connection connections[CONNECTIONS + 1];
static _Atomic int64_t arrived_us;	/* of the last message, 0: none */

static void
fail(const char *what)
{
	fprintf(stderr, "wake: %s\n", what);
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The length of the whole request, 0 while it is not all there. */
static size_t
find_end(const Connection *connection)
{
	const char *end = strstr(connection->buffer, "\r\n\r\n");
	const char *field = strcasestr(connection->buffer, "\r\ncontent-length:");
	size_t		length;

	if (end == NULL)
		return 0;
	length = (size_t) (end + 4 - connection->buffer);
	if (field != NULL && field < end)
		length += strtoul(field + 17, NULL, 10);
	return length <= connection->length ? length : 0;
}

static void
answer(int fd, const Connection *connection)
{
	char		out[512];
	const char *body = "{\"id\":\"01HZX3J6K8Q2V5W7Y9A1B3C5D7\"}";
	const char *status = "201 Created";
	int			n;

	if (strncmp(connection->buffer, "GET", 3) == 0)
	{
		status = "200 OK";
		body = "{\"message\":{},\"status\":\"PROCESSED\"}";
	}
	else if (strstr(connection->buffer, "/profiles") != NULL)
	{
		status = "200 OK";
		body = "{\"sender_allowed\":true}";
	}
	else
		atomic_store(&arrived_us, connection->first_byte_us);
	n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Type: "
				 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
				 status, strlen(body), body);
	if (write(fd, out, (size_t) n) != n)
		fail("write");
}

static void
close_connection(int i)
{
	close(watched[i].fd);
	watched[i].fd = -1;
	connections[i].length = 0;
}

static void
serve(int i, int64_t at_us)
{
	Connection *connection = &connections[i];
	ssize_t		n = read(watched[i].fd,
						 connection->buffer + connection->length,
						 REQUEST_MAX - 1 - connection->length);
	size_t		length;

	if (n <= 0)
	{
		close_connection(i);
		return;
	}
	if (connection->length == 0)
		connection->first_byte_us = at_us;
	connection->length += (size_t) n;
	connection->buffer[connection->length] = '\0';
	length = find_end(connection);
	if (length == 0)
		return;
	answer(watched[i].fd, connection);
	connection->length -= length;
	memmove(connection->buffer, connection->buffer + length,
			connection->length + 1);
}

static void
take_connection(void)
{
	int			fd = accept(watched[0].fd, NULL, NULL);

	for (int i = 1; i <= CONNECTIONS; i++)
	{
		if (watched[i].fd >= 0)
			continue;
		watched[i] = (struct pollfd) {.fd = fd, .events = POLLIN};
		connections[i].length = 0;
		return;
	}
	fail("too many connections");
}

static void *
run_server(void *arg)
{
	(void) arg;
	for (;;)
	{
		int64_t		at_us;

		if (poll(watched, CONNECTIONS + 1, -1) < 0 && errno != EINTR)
			fail("poll");
		at_us = now_us();
		if (watched[0].revents)
			take_connection();
		for (int i = 1; i <= CONNECTIONS; i++)
		{
			if (watched[i].fd >= 0 && watched[i].revents)
				serve(i, at_us);
		}
	}
	return NULL;
}

static void
open_server(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t) port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int			on = 1;
	pthread_t	thread;

	for (int i = 0; i <= CONNECTIONS; i++)
		watched[i].fd = -1;
	watched[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	watched[0].events = POLLIN;
	setsockopt(watched[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(watched[0].fd, (struct sockaddr *) &address,
			 sizeof(address)) != 0 || listen(watched[0].fd, 64) != 0)
		fail("cannot listen");
	if (pthread_create(&thread, NULL, run_server, NULL) != 0)
		fail("no thread");
}

static void
run_sql(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail(PQerrorMessage(conn));
	PQclear(result);
}

/* Commits one message and waits until its first byte is there. */
static void
send_one(PGconn *conn, const char *sql)
{
	int64_t		sent_us;
	int64_t		replied_us;
	int64_t		at_us;

	atomic_store(&arrived_us, 0);
	run_sql(conn, "BEGIN");
	run_sql(conn, sql);
	sent_us = now_us();
	run_sql(conn, "COMMIT");
	replied_us = now_us();
	while ((at_us = atomic_load(&arrived_us)) == 0)
	{
		if (now_us() - replied_us > PATIENCE_US)
			fail("the message did not come");
		usleep(200);
	}
	printf("replied %lld sent %lld\n", (long long) (at_us - replied_us),
		   (long long) (at_us - sent_us));
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;

	if (argc < 6)
		fail("usage: wake CONNINFO PORT COUNT INTERVAL-MS SQL [SQL-BEFORE]");
	open_server(atoi(argv[2]));
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail(PQerrorMessage(conn));
	for (int i = atoi(argv[3]); i > 0; i--)
	{
		usleep((useconds_t) atoi(argv[4]) * 1000);
		if (argc > 6)
			run_sql(conn, argv[6]);
		send_one(conn, argv[5]);
	}
	PQfinish(conn);
	return 0;
}
