# The README tells the truth: each block of its SQL runs, in order, in a fresh
# database against the sandbox, with the settings and the key file that it
# shows; its tables name all settings, columns, functions and statuses that
# there are, with their defaults.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $top = tree_dir();
my $readme = slurp_file("$top/README.md");

# Fenced blocks in order, as [language, text].
my @blocks;
while ($readme =~ /^```(\w*)\n(.*?)^```$/gms)
{
	push @blocks, [ $1, $2 ];
}

# The rows below a table's heading, each a list of its cells without backticks.
sub table_below
{
	my ($heading) = @_;
	my ($rows) = $readme =~ /^\Q$heading\E[^\n]*\n\|[ -|]+\n((?:\|[^\n]*\n)+)/m;

	ok(defined $rows, "there is a table \"$heading\"") or return ();
	return map { [ map { s/`//gr =~ s/^\s+|\s+$//gr } (split /\|/)[ 1 .. 3 ] ] }
	  split /\n/, $rows;
}

my %known = map { $_ => 1 } qw(sh ini keys sql text);
is_deeply([ grep { !$known{ $_->[0] } } @blocks ], [], 'every block is of a known kind');
cmp_ok(scalar(grep { $_->[0] eq 'sql' } @blocks), '>=', 15, 'there are blocks of SQL');

# A server with the settings of the README, the key file apart.
my $io = start_sandbox();
my $node = iomsg_node('main', preload => 0, start => 0);
my $keys_file = $node->basedir . '/io_msg.keys';
$node->append_conf('postgresql.conf', $_->[1]) foreach grep { $_->[0] eq 'ini' } @blocks;
$node->append_conf('postgresql.conf', "io_msg.keys_file = '$keys_file'\nio_msg.poll_delay = '200ms'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE comune');
$io->service('tari');

sub run_sql
{
	my ($name, $sql) = @_;
	my $port = $io->port;

	$sql =~ s/127\.0\.0\.1:8080/127.0.0.1:$port/g;
	my ($status, $out, $err) = $node->psql('comune', $sql, on_error_stop => 1);
	ok($status == 0, "$name runs") or diag("$sql\n$err");
	return $out;
}

my $number = 0;
foreach my $block (@blocks)
{
	my ($language, $text) = @$block;

	$number++;
	if ($language eq 'keys')
	{
		open(my $fh, '>', $keys_file) or die "$keys_file: $!\n";
		print $fh $text;
		close $fh;
		chmod(0600, $keys_file);
	}
	next unless $language eq 'sql';
	my ($first) = $text =~ /^((?:\w+ ?){1,3})/m;
	my $out = run_sql("block $number ($first)", $text);

	# Wait for what a block has queued, as its reader does.
	wait_until($node, q{SELECT count(*) = 0 FROM io_msg.message
		WHERE status IN ('queued', 'sending') AND due_at <= now()},
		"nothing is left of block $number", 'comune');
	like($out, qr/\bsent$/m, 'the first message is sent') if $text =~ /prima prova/;
}

# What became of it all.
my $notice = '301270000001002067';
is($node->safe_psql('comune', "SELECT string_agg(status, ',' ORDER BY id) FROM io_msg.message"),
	'sent,sent,cancelled', 'the first message and the notice were sent, the reminder taken back');
is_deeply([ sort map { $_->{content}{payment_data}{notice_number} } $io->ledger ],
	[ '301270000001001057', $notice ], 'IO has them');
wait_until($node, q{SELECT count(*) = 2 FROM io_msg.message WHERE io_status = 'PROCESSED'},
	'their status came back', 'comune');
is($node->safe_psql('comune', q{SELECT rolname, rolsuper, rolcanlogin FROM pg_extension
	JOIN pg_roles AS r ON r.oid = extowner WHERE extname = 'io_msg'}),
	'io_owner|f|f', 'the owner can neither log in nor do everything');
is($node->safe_psql('comune', "SELECT io_is_fiscal_code(f, true) FROM (VALUES "
		  . join(', ', map { "('$_')" } $readme =~ /'([A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z])'/g)
		  . ') v (f) GROUP BY 1'), 't', 'the fiscal codes are valid');

# Settings: the names and what holds when nothing is set.
my @settings = table_below('| setting | default | meaning |');
is_deeply([ sort map { $_->[0] } @settings ],
	[ split /\n/, $node->safe_psql('comune',
			q{SELECT name FROM pg_settings WHERE name LIKE 'io\_msg.%' ORDER BY name COLLATE "C"}) ],
	'all settings are named');
foreach my $row (@settings)
{
	my ($name, $default) = @$row;
	my ($unit, $boot) = split /\|/, $node->safe_psql('comune',
		"SELECT unit, boot_val FROM pg_settings WHERE name = '$name'");
	my $same = $unit eq 'ms'
	  ? $node->safe_psql('comune', "SELECT '$boot ms'::interval = " . sql_literal($default) . '::interval') eq 't'
	  : ($boot // '') eq $default;

	ok($same, "$name is $default when nothing is set");
}

# Columns of the two tables that people fill in.
sub check_columns
{
	my ($table, @rows) = @_;
	my %default;

	foreach my $row (@rows)
	{
		$default{$_} = $row->[1] foreach split /, /, $row->[0];
	}
	is_deeply([ sort keys %default ],
		[ split /\n/, $node->safe_psql('comune', "SELECT column_name::text FROM information_schema.columns
			WHERE table_schema = 'io_msg' AND table_name = '$table' ORDER BY 1") ],
		"all columns of $table are named");
	foreach my $column (grep { $_ ne 'id' } sort keys %default)
	{
		my ($type, $expression) = split /\|/, $node->safe_psql('comune',
			"SELECT data_type, column_default FROM information_schema.columns
			  WHERE table_schema = 'io_msg' AND table_name = '$table' AND column_name = '$column'");
		my $same = !length $default{$column} ? !length($expression // '')
		  : $node->safe_psql('comune', "SELECT ($expression) = " . sql_literal($default{$column}) . "::$type") eq 't';

		ok($same, "the default of $table.$column");
	}
	return;
}

my @tables = ($readme =~ /^(\| column \| default \| meaning \|\n.*?)\n\n/gms);
is(scalar @tables, 2, 'there are two tables of columns');
foreach my $table (qw(account service))
{
	my ($heading, $line, @rows) = split /\n/, shift @tables;

	check_columns($table, map { [ map { s/`//gr =~ s/^\s+|\s+$//gr } (split /\|/)[ 1 .. 3 ] ] } @rows);
}

# Statuses, functions and files.
my ($constraint) = $node->safe_psql('comune', q{SELECT pg_get_constraintdef(oid) FROM pg_constraint
	WHERE conrelid = 'io_msg.outbox'::regclass AND conname = 'outbox_status_check'});
is_deeply([ sort map { $_->[0] } table_below('| status | meaning |') ],
	[ sort 'sending', grep { $_ ne 'checked' } $constraint =~ /'(\w+)'/g ], 'all statuses are named');

my %exists = map { $_ => 1 } split /\n/, $node->safe_psql('comune', q{SELECT DISTINCT p.proname
	FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extnamespace = p.pronamespace
	WHERE e.extname = 'io_msg'});
is_deeply([ grep { $readme !~ /\b$_\b/ } sort keys %exists ], [], 'all functions are named');
is_deeply([ grep { !$exists{$_} } $readme =~ /\b(io_\w+)\(/g ], [], 'no function is named that is not there');
is_deeply([ grep { !-e "$top/src/$_" } $readme =~ /`(\w+\.c)`/g ], [], 'the files of src/ are there');
is_deeply([ grep { !m{^https?://} && !-e "$top/$_" } $readme =~ /\]\(([^)]+)\)/g ], [], 'the links lead somewhere');

$node->stop;
done_testing();
