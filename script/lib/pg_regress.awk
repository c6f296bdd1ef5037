# pg_regress.awk: a short line for each test of pg_regress (before and since
# 16, when it began to print TAP) and its count.

function result(name, ok, duration)
{
	printf "  %-6s %7.1f s              %s\n", ok ? "ok" : "FAILED",
		duration / 1000, name
	printf "%d %d %s:%s\n", ok, !ok, suite, name >>counts
	fflush()
}

/^(test|     ) +[A-Za-z0-9_]+ +\.\.\. / {
	for (i = 1; i < NF && $i != "..."; i++)
		name = $i
	result(name, $(i + 1) == "ok", $(NF - 1))
	next
}

/^(not )?ok [0-9]+ +[-+] / {
	for (i = 1; $i != "-" && $i != "+"; i++)
		;
	result($(i + 1), $1 == "ok", $(NF - 1))
	next
}

/could not|rror/ { print "  " $0; fflush() }
