# prefix.sh: a private copy of the PostgreSQL server, to be sourced by bash.
#
# PostgreSQL finds its files relative to its own program, so a copy of the
# server's directories below another root is a server of its own.  io_msg is
# installed into such a copy: the system's PostgreSQL is never touched, nothing
# here needs root, and several checkouts work side by side.
#
#   iomsg_find_pg_config        sets PG_CONFIG
#   iomsg_workspace NAME TREE   makes a temporary directory, sets IOMSG_WORK,
#                               copies TREE to $IOMSG_WORK/tree
#   iomsg_as_user CMD…          runs CMD as an ordinary user
#   iomsg_run_session CMD…      the same in a session that iomsg_clean ends
#   iomsg_make_prefix DIR       copies the server below DIR, sets PG_CONFIG and
#                               PATH to the copy
#   iomsg_build TREE [sandbox]  builds TREE and installs it into the copy
#   iomsg_clean                 ends what runs from $IOMSG_WORK, removes it
#
# Settings from the environment: PG_CONFIG, TMPDIR, KEEP=1 (keep the workspace).

# Which server: PG_CONFIG where it is set, else the newest of Debian's, else
# the one in PATH.
iomsg_find_pg_config()
{
	if [ -z "${PG_CONFIG:-}" ]; then
		PG_CONFIG=$(ls -d /usr/lib/postgresql/*/bin/pg_config \
			/usr/pgsql-*/bin/pg_config 2>/dev/null | sort -V | tail -n 1)
		[ -n "$PG_CONFIG" ] || PG_CONFIG=$(command -v pg_config) || {
			echo "no pg_config found: run script/bootstrap or set PG_CONFIG" >&2
			return 1
		}
	fi
	export PG_CONFIG
}

# PostgreSQL refuses to run as root.
iomsg_ordinary_user()
{
	if [ "$(id -u)" -ne 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

iomsg_as_user()
{
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u "$(iomsg_ordinary_user)" -- "$@"
	else
		"$@"
	fi
}

# Copies a source tree without what a build or a test leaves.
iomsg_copy_tree()
{
	local from=$1 to=$2

	mkdir -p "$to"
	tar -C "$from" --exclude=./.git --exclude='*.o' --exclude='*.d' \
		--exclude='*.so' --exclude='*.bc' --exclude=./tmp_check \
		--exclude=./results --exclude=./output_iso \
		--exclude=./test/expected --exclude=./sandbox/io-sandbox \
		--exclude='./test/unit/build*' \
		-cf - . | tar -C "$to" -xof -
	chmod -R u+rwX "$to"
}

iomsg_workspace()
{
	local name=$1 tree=$2

	IOMSG_WORK=$(mktemp -d "${TMPDIR:-/tmp}/io_msg.$name.XXXXXX") || return 1
	IOMSG_WORK=$(realpath "$IOMSG_WORK")
	export IOMSG_WORK
	# Unix sockets live below it: their paths may have 107 bytes.
	if [ ${#IOMSG_WORK} -gt 60 ]; then
		rmdir "$IOMSG_WORK"
		echo "the path of the temporary directory is too long: set TMPDIR" >&2
		return 1
	fi
	iomsg_copy_tree "$tree" "$IOMSG_WORK/tree"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R "$(iomsg_ordinary_user):" "$IOMSG_WORK"
	fi
	export HOME=$IOMSG_WORK TMPDIR=$IOMSG_WORK/tmp
	export LC_ALL=C LANG=C TZ=UTC
	unset PGDATABASE PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGSERVICE \
		PGOPTIONS PGDATA PGCLUSTER MAKEFLAGS MAKELEVEL MFLAGS
	iomsg_as_user mkdir -p "$TMPDIR"
}

# Links suffice for all but the programs, since a program's own real path is
# what the server computes the other paths from.
iomsg_make_prefix()
{
	local root=$1 dir

	for dir in --bindir --pkglibdir --sharedir; do
		dir=$("$PG_CONFIG" $dir)
		mkdir -p "$root${dir%/*}"
	done
	dir=$("$PG_CONFIG" --bindir)
	cp -a "$dir" "$root$dir"
	for dir in --pkglibdir --sharedir; do
		dir=$("$PG_CONFIG" $dir)
		mkdir -p "$root$dir"
		cp -rsf "$dir/." "$root$dir/"
	done
	for dir in --includedir --includedir-server --libdir --localedir; do
		dir=$("$PG_CONFIG" $dir)
		if [ ! -e "$root$dir" ]; then
			mkdir -p "$root${dir%/*}"
			ln -s "$dir" "$root$dir"
		fi
	done
	# A copy of io_msg that the system has must not be seen.
	rm -f "$root$("$PG_CONFIG" --pkglibdir)"/io_msg.so \
		"$root$("$PG_CONFIG" --sharedir)"/extension/io_msg[.-]*

	iomsg_use_prefix "$root"
}

iomsg_use_prefix()
{
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	case $bindir in
		"$1"/*) ;;
		*) bindir=$1$bindir ;;
	esac

	export PG_CONFIG=$bindir/pg_config
	export PATH=$bindir:$PATH
	if [ "$("$PG_CONFIG" --bindir)" != "$bindir" ]; then
		echo "this PostgreSQL cannot be moved: $PG_CONFIG" >&2
		return 1
	fi
}

# IOMSG_MAKE_FLAGS: more for make's command line.
iomsg_build()
{
	local tree=$1 what
	shift

	make -s -j2 -C "$tree" PG_CONFIG="$PG_CONFIG" \
		${IOMSG_MAKE_FLAGS:-} all || return 1
	make -s -C "$tree" PG_CONFIG="$PG_CONFIG" \
		${IOMSG_MAKE_FLAGS:-} install >/dev/null || return 1
	for what in "$@"; do
		make -s -j2 -C "$tree" "$what" || return 1
	done
}

# Ids of our processes: those whose program lies in the workspace (servers,
# sandboxes) and those of the session that iomsg_run_session started.
iomsg_running()
{
	local dir pid stat

	for dir in /proc/[0-9]*; do
		pid=${dir#/proc/}
		case $(readlink "$dir/exe" 2>/dev/null) in
			"$IOMSG_WORK"/*) echo "$pid"; continue ;;
		esac
		[ -n "${IOMSG_SESSION:-}" ] || continue
		{ read -r stat <"$dir/stat"; } 2>/dev/null || continue
		set -- ${stat##*) }
		[ "$4" != "$IOMSG_SESSION" ] || echo "$pid"
	done
}

# SIGQUIT is PostgreSQL's immediate stop.
iomsg_stop_all()
{
	local signal i pids

	for signal in TERM QUIT KILL; do
		pids=$(iomsg_running)
		[ -n "$pids" ] || return 0
		kill -s $signal $pids 2>/dev/null
		for i in 1 2 3 4 5; do
			sleep 0.1
			[ -n "$(iomsg_running)" ] || return 0
		done
	done
}

# Runs a command as the ordinary user in a session of its own, so that all it
# starts can be found and ended, and returns its exit status.
iomsg_run_session()
{
	local status=0

	if [ "$(id -u)" -eq 0 ]; then
		setsid runuser -u "$(iomsg_ordinary_user)" -- "$@" </dev/null &
	else
		setsid "$@" </dev/null &
	fi
	IOMSG_SESSION=$!
	wait $IOMSG_SESSION || status=$?
	return $status
}

# Keeps $IOMSG_WORK/failed where there is something in it.
iomsg_clean()
{
	[ -n "${IOMSG_WORK:-}" ] && [ -d "$IOMSG_WORK" ] || return 0
	iomsg_stop_all
	[ -z "${KEEP:-}" ] || return 0
	find "$IOMSG_WORK" -mindepth 1 -maxdepth 1 ! -name failed \
		-exec rm -rf {} +
	rmdir "$IOMSG_WORK/failed" "$IOMSG_WORK" 2>/dev/null
	return 0
}
