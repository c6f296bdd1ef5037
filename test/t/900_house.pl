# The rules of the house: who may include whom, sizes, words, versions.

use strict;
use warnings FATAL => 'all';

use File::Find;
use JSON::PP;
use Test::More;

binmode(Test::More->builder->$_, ':encoding(UTF-8)')
  foreach qw(output failure_output);

my ($top) = __FILE__ =~ m{^(.*)/test/t/[^/]+$};
chdir($top) if defined $top;

sub lines_of
{
	my ($path) = @_;

	open(my $fh, '<', $path) or die "$path: $!\n";
	my @lines = <$fh>;
	utf8::decode($_) foreach @lines;
	return @lines;
}

# All files that the project consists of, by their paths.
my @files;
find(
	{
		no_chdir => 1,
		wanted   => sub {
			(my $path = $File::Find::name) =~ s{^\./}{};
			if ($path =~ m{^(\.git|tmp_check|results|output_iso|log|test/expected|test/(unit|fuzz)/build.*)$})
			{
				$File::Find::prune = 1;
				return;
			}
			return if !-f $_ || -l $_ || -B $_;
			return if $path =~ /\.(o|d|so|bc|a)$|^sql\/io_msg--[^-]+\.sql$/;
			return if $path =~ m{^regression\.};
			push @files, $path;
		},
	},
	'.');
@files = sort @files;
my @c_files = grep { m{^(src|sandbox|test/unit|test/fuzz|test/lib)/.*\.[ch]$} } @files;

# One test for a rule; what breaks it is listed.
sub rule
{
	my ($name, @broken) = @_;

	ok(!@broken, $name) or diag(map { "$_\n" } @broken);
	return;
}

# "file:line: text" for each line of the files that matches.
sub grep_files
{
	my ($pattern, @paths) = @_;
	my @found;

	foreach my $path (@paths)
	{
		my $n = 0;
		foreach my $line (lines_of($path))
		{
			$n++;
			chomp $line;
			push @found, "$path:$n: $line" if $line =~ $pattern;
		}
	}
	return @found;
}

# The same without what stands in comments.
sub grep_code
{
	my ($pattern, @paths) = @_;

	return grep { !m{^[^:]+:\d+:\s+(\*|/\*)} && s{/\*.*?(\*/|$)}{}gr =~ $pattern }
	  grep_files($pattern, @paths);
}

sub in_src { my ($pattern) = @_; return grep { m{^src/} && $_ =~ $pattern } @c_files; }

cmp_ok(scalar(@c_files), '>', 0, 'there is C code to look at');

# Who may include whom.  The keys are files, the values what they may not see.
my $core = qr{^src/core/};
my $http = qr{^src/http\w*\.[ch]$};
my $system_header = qr{std\w+|string|limits|inttypes|ctype|assert|errno}x;

rule('core knows standard C and itself',
	grep { !m{#include\s+(<($system_header)\.h>|"(core/)?\w+\.h")} }
	grep_files(qr{^\s*#\s*include}, in_src($core)));
my %is_core = map { m{([^/]+)$}; ($1 => 1) } in_src($core);
rule('core includes only headers of core',
	grep { m{"(?:core/)?(\w+\.h)"} && !$is_core{$1} }
	grep_files(qr{^\s*#\s*include}, in_src($core)));
rule('core has no clock, chance, memory or output of its own',
	grep_code(qr{\b(time|clock|gettimeofday|clock_gettime|s?rand|random|malloc|calloc|realloc|free|strdup|f?printf|getenv|localtime|gmtime)\s*\(},
		in_src($core)));
rule('http knows neither PostgreSQL nor core',
	grep { !m{#include\s+(<[\w/]+\.h>|"(http\w*|clock)\.h")} || m{<(postgres|server/)} }
	grep_files(qr{^\s*#\s*include}, in_src($http)));
rule('curl is seen by http alone',
	grep_files(qr{#\s*include\s*[<"]curl/}, grep { $_ !~ $http } in_src(qr{})));
# A call and a transaction meet in one file only.
my %sees_http = map { m{^([^:]+):}; ($1 => 1) }
  grep_files(qr{#\s*include\s*"(http|calls|exchange|outcome)\.h"}, in_src(qr{}));
rule('HTTP and the tables are seen together by the drainer alone',
	grep { m{^([^:]+):}; $sees_http{$1} && $1 ne 'src/drainer.c' }
	grep_files(qr{#\s*include\s*["<](outbox\.h|turn\.h|statement\.h|executor/spi\.h)}, in_src(qr{})));
rule('settings and slots see no core',
	grep_files(qr{#\s*include\s*"core/}, in_src(qr{^src/(settings|slots)})));
rule('settings and slots do not see each other',
	grep_files(qr{#\s*include\s*"slots}, in_src(qr{^src/settings})),
	grep_files(qr{#\s*include\s*"settings}, in_src(qr{^src/slots})));
rule('outbox does not see slots',
	grep_files(qr{#\s*include\s*"slots}, in_src(qr{^src/outbox})));
rule('the launcher sees no outbox and no core',
	grep_files(qr{#\s*include\s*"(outbox|core/)}, in_src(qr{^src/launcher})));
rule('PG_VERSION_NUM is in compat.h and compat_table.h alone',
	grep_files(qr{PG_VERSION_NUM}, grep { !m{^src/compat(?:_table)?\.h$} } @c_files));

# Sizes.
sub too_long
{
	my ($most, @paths) = @_;

	return map { my @l = lines_of($_); @l > $most ? "$_: " . @l . ' lines' : () } @paths;
}

# PostgreSQL's layout has a function's braces in column 0; a table ends in "};".
sub long_functions
{
	my ($most, $path) = @_;
	my ($n, $start, @found) = (0);

	foreach my $line (lines_of($path))
	{
		$n++;
		$start = $n if $line =~ /^\{/;
		if ($line =~ /^\}\s*$/ && defined $start)
		{
			my $size = $n - $start - 1;
			push @found, "$path:$start: $size lines" if $size > $most;
		}
		undef $start if $line =~ /^\}/;
	}
	return @found;
}

rule('no C file has more than 400 lines', too_long(400, @c_files));
# The worker's SQL is one long list of constants.
rule('no header has more than 160 lines',
	too_long(160, grep { /\.h$/ && $_ !~ m{_sql\.h$} } @c_files));
rule('no function has more than 60 lines', map { long_functions(60, $_) } @c_files);

# Layout.
sub without_strings { my ($l) = @_; $l =~ s/"(\\.|[^"\\])*"/""/g; return $l; }
sub width { my ($l) = @_; 1 while $l =~ s/\t+/' ' x (length($&) * 4 - length($`) % 4)/e; return length($l); }

rule('no line of C has more than 79 columns, but for texts',
	grep { (my $l = $_) =~ s/^[^:]+:\d+: //; $l !~ /"/ && width($l) > 79 }
	grep_files(qr{.{60,}}, @c_files));
rule('comments of C are /* */',
	grep { (my $l = without_strings($_)) =~ s{/\*.*?\*/}{}g; $l =~ m{(^|[^:*])//} && $l !~ m{^[^:]+:\d+:\s+\*} }
	grep_files(qr{//}, @c_files));
rule('no blanks at the end of a line',
	grep_files(qr{[ \t]+$}, grep { !m{^expected/|\.patch$|\.md$|\.csv$} } @files));

my @no_header;
foreach my $path (@c_files)
{
	my ($first, $second) = lines_of($path);
	my ($name) = $path =~ m{([^/]+)$};
	push @no_header, $path
	  unless $first =~ m{^/\*} && $second =~ m{^ \* \Q$name\E\b};
}
rule('each C file begins with its name and what it is for', @no_header);

# Words; put together here so that this file does not hold them.
my $later = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' . 'XX';
my $places = join '|', '/wo' . 'rk\b', '/tmp/' . 'w/', '/ro' . 'ot/', '/ho' . 'me/\w';
my $notes = join '|', map { "$_\\.md" } 'design', 'style', 'reliability', 'io-' . 'api', 'perf', 'brief';

rule('nothing is put off', grep_files(qr{\b($later)\b}, @files));
rule('no path of a machine', grep_files(qr{(^|[^\w/.])($places)}, @files));
rule('no reference to a text that is not here',
	grep { my ($n) = m{\b([\w-]+\.md)\b}; !-e "doc/" . ($n // '') }
	grep_files(qr{\b($notes)\b}, @files));

# Each reason that the worker can write into a row has its words in SQL.
my $words = join '', lines_of('sql/explain.sql');
my %reasons = map { $_ => 1 } map { /\{"([a-z_]+)",/ ? $1 : () } lines_of('src/core/verdict_text.c');
foreach my $line (map { lines_of($_) } in_src(qr{^src/[^/]*$}))
{
	$reasons{$1} = 1
	  while $line =~ /(?:finish|not_sent)\(\w+(?:\[\w\])?, (?:"[a-z_]+", )?"([a-z_]+)"\)?/g;
}
cmp_ok(scalar(keys %reasons), '>', 30, 'the worker has reasons');
rule('each reason has its words', grep { $words !~ /WHEN '$_' / } sort keys %reasons);

# pg_regress takes sql/NAME.sql of the current directory before the test's.
rule('no regress test has the name of a part of the extension',
	grep { m{^test/sql/(.*)} && -e "sql/$1" } @files);

# The version stands in the control file; META.json says the same in PGXN's form.
my ($version) = map { /^default_version\s*=\s*'([^']+)'/ ? $1 : () } lines_of('io_msg.control');
my $meta = decode_json(join '', lines_of('META.json'));
like($version // '', qr/^\d+\.\d+$/, 'the control file has a version');
is($meta->{version}, "$version.0", 'META.json has the same');
is($meta->{provides}{io_msg}{version}, "$version.0", 'also for what it provides');
ok(-e $meta->{provides}{io_msg}{$_}, "META.json's $_ exists") foreach qw(file docfile);

done_testing();
