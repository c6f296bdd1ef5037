# wal.sh (read by measure.sh): WAL for each step of a message's life, HOT share
# and dead rows, for each shape.  One line of `shapes` is one variant.
n=$(scaled 20000)

# name file gentype fillfactor inline fk more lock2 polltab action ordered [turn]
shapes='
inline      a uuid  100 1 0 0 0 0 text   1
A-scattered a int    50 0 0 0 0 0 text   0
A-100       a int   100 0 0 0 0 0 text   1
A           a int    50 0 0 0 0 0 text   1
A-more      a int    50 0 0 1 0 0 text   1
B           b int    50 0 0 0 1 0 "char" 1
B-text      b int    50 0 0 0 1 0 text   1
B-bigint    b bigint 50 0 0 0 1 0 "char" 1
B-uuid      b uuid   50 0 0 0 1 0 "char" 1
B2          b int    50 0 0 0 0 0 "char" 1
B2-fk       b int    50 0 1 0 0 0 "char" 1
B2-more     b int    50 0 0 1 0 0 "char" 1
B3          b int    50 0 0 0 1 1 "char" 1
B4         b4 int    50 0 0 0 0 0 "char" 1
C           c int    50 0 0 0 1 0 "char" 1
F-100       f bigint 100 0 0 0 0 0 "char" 1
F-80        f bigint 80 0 0 0 0 0 "char" 1
F-70        f bigint 70 0 0 0 0 0 "char" 1
F           f bigint 50 0 0 0 0 0 "char" 1
F-40        f bigint 40 0 0 0 0 0 "char" 1
F-more      f bigint 50 0 0 1 0 0 "char" 1
F-lock      f bigint 50 0 0 0 1 0 "char" 1
G           g bigint 50 0 0 0 0 0 "char" 1
G-lock      g bigint 50 0 0 0 1 0 "char" 1
A/t2        a int    70 0 0 0 0 0 text   1 2
B2/t2       b int    70 0 0 0 0 0 "char" 1 2
F/t2        f bigint 70 0 0 0 0 0 "char" 1 2
F-100/t2    f bigint 100 0 0 0 0 0 "char" 1 2
F-lock/t2   f bigint 70 0 0 0 1 0 "char" 1 2
G-lock/t2   g bigint 70 0 0 0 1 0 "char" 1 2
'

live()		# name kb fpi
{
	sql -c 'SET search_path = shape, m' \
		-c "CALL m.live('$1', $n, $2, $3)"
	sql -c 'SET search_path = shape, m' -c "CALL m.note_hot('$1', $2, $3)"
}

fpw() { sql -c "ALTER SYSTEM SET full_page_writes = $1" \
	-c 'SELECT pg_reload_conf()' -c 'CHECKPOINT' >/dev/null; }

while read -r name rest; do
	[ -n "$name" ] || continue
	case " ${ONLY:-$name} " in *" $name "*) ;; *) continue ;; esac
	for round in 'off 1 false' 'on 1 true' 'off 9 false'; do
		set -- $round
		if [ "$2" = 9 ]; then
			case $name in inline|F) ;; *) continue ;; esac
		fi
		say "wal $name, body $2 kB, full_page_writes $1"
		fpw "$1"
		build $rest
		live "$name" "$2" "$3"
	done
done <<<"$shapes"
say 'WAL bytes a message by records; then with full-page images; then HOT share'
show -c 'TABLE m.by_records' -c 'TABLE m.after_checkpoint' -c 'TABLE m.rows_left'
