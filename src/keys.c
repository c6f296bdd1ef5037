/*
 * keys.c
 *	  The file with the keys of the services, on the server, not in it.
 *
 * A line is "database service primary-key [secondary-key]"; names are quoted
 * where needed, as in pg_hba.conf, and # starts a comment.  Keys never come
 * near SQL: no dump, backup or query can show them.  What is read is wiped
 * when it is freed.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "keys.h"
#include "settings.h"

StaticAssertDecl(IOMSG_KEY_NAME_SIZE >= NAMEDATALEN,
				 "a database's name must fit into a line of the key file");

/* Far more than thousands of services need. */
#define MAX_FILE_SIZE (1024 * 1024)

struct IoMsgKeyFile
{
	IoMsgKeyState state;		/* of the file; MALFORMED: of some line */
	struct stat seen;
	int			nlines;
	int			max_lines;
	KeyLine    *lines;
};

/*
 * The path of the key file, palloc'd; a relative name is taken from the
 * directory of postgresql.conf.
 */
static char *
key_path(void)
{
	char	   *path;

	if (is_absolute_path(iomsg_keys_file) || ConfigFileName == NULL)
		path = pstrdup(iomsg_keys_file);
	else
	{
		char	   *directory = pstrdup(ConfigFileName);

		get_parent_directory(directory);
		path = psprintf("%s/%s", directory, iomsg_keys_file);
		pfree(directory);
	}
	canonicalize_path(path);
	return path;
}

/*
 * Would a base backup carry the file along?
 */
static bool
is_in_data_directory(const char *path)
{
	char	   *file = realpath(path, NULL);
	char	   *data = realpath(DataDir, NULL);
	bool		inside;

	inside = file == NULL || data == NULL ||
		path_is_prefix_of_path(data, file);
	free(file);
	free(data);
	return inside;
}

/*
 * PostgreSQL's own rule for the keys of TLS: ours and for us alone, or root's
 * and for our group at most.
 */
static bool
has_safe_mode(const struct stat *st)
{
	if (st->st_uid == geteuid())
		return (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
	return st->st_uid == 0 &&
		(st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
}

/*
 * Read the file into a palloc'd string, or say why not.
 */
static char *
read_file(const char *path, struct stat *st, IoMsgKeyState *state)
{
	int			fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
						  O_NONBLOCK);
	char	   *text = NULL;
	ssize_t		length;

	memset(st, 0, sizeof(*st));
	if (fd < 0)
	{
		*state = errno == ENOENT ? KEYS_NO_FILE : KEYS_UNREADABLE;
		return NULL;
	}
	if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) ||
		st->st_size > MAX_FILE_SIZE)
		*state = KEYS_UNREADABLE;
	else if (!has_safe_mode(st) || is_in_data_directory(path))
		*state = KEYS_UNSAFE;
	else
	{
		text = palloc(st->st_size + 1);
		length = read(fd, text, st->st_size);
		*state = length < 0 ? KEYS_UNREADABLE : KEYS_OK;
		text[Max(length, 0)] = '\0';
	}
	close(fd);
	return text;
}

static void
add_line(IoMsgKeyFile *file, const KeyLine *line)
{
	if (file->nlines == file->max_lines)
	{
		KeyLine    *old = file->lines;

		file->max_lines = Max(16, file->max_lines * 2);
		file->lines = palloc(file->max_lines * sizeof(KeyLine));
		if (old != NULL)
		{
			memcpy(file->lines, old, file->nlines * sizeof(KeyLine));
			explicit_bzero(old, file->nlines * sizeof(KeyLine));
			pfree(old);
		}
	}
	file->lines[file->nlines++] = *line;
}

static void
parse_text(IoMsgKeyFile *file, const char *text, const char *path)
{
	int			number = 1;
	KeyLine		line;
	KeyLineKind kind;

	for (; text != NULL; number++)
	{
		kind = iomsg_key_line_parse(text, &line);
		if (kind == KEY_LINE_KEYS)
			add_line(file, &line);
		else if (kind == KEY_LINE_BAD)
		{
			file->state = KEYS_MALFORMED;
			ereport(LOG,
					(errmsg("line %d of key file \"%s\" is not valid",
							number, path),
					 errdetail("A line is: database service primary-key "
							   "[secondary-key].")));
		}
		text = strchr(text, '\n');
		if (text != NULL)
			text++;
	}
	explicit_bzero(&line, sizeof(line));
}

/*
 * Read the key file; never fails, the answers are in iomsg_keys_find.
 */
IoMsgKeyFile *
iomsg_keys_load(void)
{
	IoMsgKeyFile *file = palloc0(sizeof(IoMsgKeyFile));
	char	   *path = key_path();
	char	   *text = read_file(path, &file->seen, &file->state);

	if (text != NULL)
	{
		if (file->state == KEYS_OK)
			parse_text(file, text, path);
		explicit_bzero(text, strlen(text));
		pfree(text);
	}
	pfree(path);
	return file;
}

/*
 * Free the file and wipe the keys.
 */
void
iomsg_keys_free(IoMsgKeyFile *file)
{
	if (file == NULL)
		return;
	if (file->lines != NULL)
	{
		explicit_bzero(file->lines, file->nlines * sizeof(KeyLine));
		pfree(file->lines);
	}
	pfree(file);
}

/*
 * Does the file differ from what was read?
 */
bool
iomsg_keys_changed(const IoMsgKeyFile *file)
{
	char	   *path = key_path();
	struct stat now;
	bool		changed;

	if (lstat(path, &now) != 0)
		changed = file->state != KEYS_NO_FILE;
	else
		changed = now.st_mtim.tv_sec != file->seen.st_mtim.tv_sec ||
			now.st_mtim.tv_nsec != file->seen.st_mtim.tv_nsec ||
			now.st_ino != file->seen.st_ino ||
			now.st_size != file->seen.st_size ||
			now.st_mode != file->seen.st_mode ||
			now.st_uid != file->seen.st_uid;
	pfree(path);
	return changed;
}

/*
 * A short fingerprint, to tell whether a service's keys have changed.
 */
static void
make_mark(IoMsgKeys *keys)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (uint8 *) keys->primary,
							 sizeof(keys->primary)) < 0 ||
		pg_cryptohash_update(hash, (uint8 *) keys->secondary,
							 sizeof(keys->secondary)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(hash);
	for (int i = 0; i < (IOMSG_KEY_MARK_SIZE - 1) / 2; i++)
		snprintf(keys->mark + 2 * i, 3, "%02x", digest[i]);
}

/*
 * The keys of a service in a database, by the first line that names both.
 */
IoMsgKeyState
iomsg_keys_find(const IoMsgKeyFile *file, const char *database,
				const char *service, IoMsgKeys *keys)
{
	memset(keys, 0, sizeof(*keys));
	for (int i = 0; i < file->nlines; i++)
	{
		const KeyLine *line = &file->lines[i];

		if (strcmp(line->database, database) != 0 ||
			strcmp(line->service, service) != 0)
			continue;
		strlcpy(keys->primary, line->primary, sizeof(keys->primary));
		strlcpy(keys->secondary, line->secondary, sizeof(keys->secondary));
		make_mark(keys);
		return KEYS_OK;
	}
	return file->state == KEYS_OK ? KEYS_NO_LINE : file->state;
}

/*
 * The name of a state, as io_msg.key_state() and service reports have it.
 */
const char *
iomsg_keys_state_name(IoMsgKeyState state)
{
	switch (state)
	{
		case KEYS_OK:
			return "ok";
		case KEYS_NO_FILE:
			return "no_file";
		case KEYS_UNREADABLE:
			return "unreadable";
		case KEYS_UNSAFE:
			return "unsafe";
		case KEYS_MALFORMED:
			return "malformed";
		case KEYS_NO_LINE:
			return "no_line";
	}
	return "unreadable";
}
