# IoMsgHostile.pm: what the tests of hostile answers share: many faults at
# once, each with a service of its own, and what became of rows, memory and
# stored texts.
#
#   my $node = hostile_node('main');
#   my $io = start_sandbox(quota => 0);
#   run_cases($node, $io, 'message',
#       [ 'a flood', { kind => 'headers' }, { row => 'sent  201 1', id => 1 } ]);

package IoMsgHostile;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use JSON::PP;
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgFlow;
use IoMsgTest;

our @EXPORT = qw(hostile_node run_cases next_citizen worker_memory forget_peak
  texts_are_valid dump_restores gzip_layers silent_listener visitors);

my ($citizens, $services) = (0, 0);

sub next_citizen { return ++$citizens; }

# A server whose worker stays, asks for statuses at once and never for long.
sub hostile_node
{
	my ($name, %settings) = @_;

	return flow_node($name,
		'io_msg.idle_exit' => '1h',
		'io_msg.poll_delay' => '1h',
		'io_msg.max_attempts' => 5,
		'max_connections' => 20,
		# A dump is restored in one transaction.
		'max_locks_per_transaction' => 64,
		%settings);
}

# Each case meets its fault once, on the given path, and is compared:
#   [ what, fault, { row => 'status reason http attempts', id => has an id of
#     IO's form, accepted => so often by the sandbox, posts => calls to
#     /messages, stop => why the service is stopped } ]
# Left out of the last: no id, not accepted, one POST, not stopped.
sub run_cases
{
	my ($node, $io, $path, @cases) = @_;
	my @all = map { {
		name => $_->[0], fault => $_->[1], n => ++$citizens, service => 'h' . ++$services,
		expected => { id => 0, accepted => 0, posts => 1, stop => '', %{ $_->[2] } } } } @cases;

	add_services($node, $io, map { ($_->{service} => {}) } @all);
	$io->clear_faults;
	my $ids = $io->admin('POST', 'faults',
		[ map { { path => $path, service => $_->{service}, count => 1, %{ $_->{fault} } } } @all ])->{ids};
	$all[$_]{fault_id} = $ids->[$_] foreach 0 .. $#all;
	know_profile($node, $_->{service}, $_->{n}) foreach grep { $path ne 'profile' } @all;
	$_->{id} = enqueue($node, $_->{n}, service => $_->{service}) foreach @all;
	compare($node, $io, \@all, wait_for_end($node, @all));
	return;
}

# Until each row is finished or its service has stopped with it in the queue.
sub wait_for_end
{
	my ($node, @all) = @_;
	my ($rows, $stopped);

	poll_until(sub {
		($rows, $stopped) = (rows_of($node, map { $_->{id} } @all), stopped_services($node));
		return !grep { my $row = $rows->{ $_->{id} };
			$row->{status} eq 'queued' && !($stopped->{ $_->{service} } && !$row->{being_sent}) } @all;
	});
	return ($rows, $stopped);
}

sub compare
{
	my ($node, $io, $all, $rows, $stopped) = @_;
	my (%posts, %accepted, %fired);

	settle_requests($io);
	$posts{ $_->{service} // '' }++ foreach grep { $_->{path} eq 'message' } $io->journal;
	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
	$fired{ $_->{id} } = $_->{fired} foreach @{ $io->faults->{faults} };
	foreach my $c (@$all)
	{
		my $row = $rows->{ $c->{id} };

		is_deeply({
			row => "$row->{status} $row->{reason} $row->{http_status} $row->{attempts}",
			id => $row->{message_id} =~ /^[0-9A-HJKMNP-TV-Z]{26}$/i ? 1 : 0,
			stop => $stopped->{ $c->{service} } // '',
			accepted => $accepted{ fiscal_code($c->{n}) } // 0,
			posts => $posts{ $c->{service} } // 0 }, $c->{expected}, $c->{name})
		  or diag(explanation($node, $c->{id}));
		is($fired{ $c->{fault_id} }, 1, "$c->{name}: met");
	}
	return;
}

# Kilobytes of a process: its own that are written to, and the most of all
# that it has had at once.
sub worker_memory
{
	my ($pid) = @_;
	my ($private) = slurp_file("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s+(\d+) kB/m;
	my ($peak) = slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+) kB/m;

	return { private => $private, peak => $peak };
}

# The most counts anew from what the process has now.
sub forget_peak
{
	my ($pid) = @_;

	append_to_file("/proc/$pid/clear_refs", '5');
	return;
}

# Every text that io_msg keeps is right in UTF-8.
sub texts_are_valid
{
	my ($node, $db) = @_;
	my @columns = split /\n/, $node->safe_psql($db // 'postgres', q{
		SELECT c.oid::regclass || '|' || quote_ident(attname) || '|' || (typcategory = 'A')
		  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid
		 WHERE relnamespace = 'io_msg'::regnamespace AND relkind = 'r' AND attnum > 0
		   AND atttypid IN ('text'::regtype, 'text[]'::regtype)});

	cmp_ok(scalar(@columns), '>', 10, 'there are texts to look at');
	my @broken;
	foreach my $column (@columns)
	{
		my ($table, $name, $is_array) = split /\|/, $column;
		my $from = $is_array eq 'true' ? "$table, unnest($name) AS u (v)" : "$table, (SELECT $name) AS u (v)";
		my ($status) = $node->psql($db // 'postgres',
			"SELECT count(convert_from(textsend(v), 'UTF8')) FROM "
			  . ($from =~ s/, \(SELECT/, LATERAL (SELECT/r =~ s/, unnest/, LATERAL unnest/r));

		push @broken, $column if $status != 0;
	}
	is_deeply(\@broken, [], 'all texts are valid');
	return;
}

# What is dumped can be restored, and is the same again.
sub dump_restores
{
	my ($node) = @_;
	my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
	my $all = q{SELECT o FROM io_msg.outbox o ORDER BY id};
	# A database may have its own.
	local $ENV{PGOPTIONS} = session_options(TimeZone => 'UTC');

	command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'pg_dump');
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS copy');
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
	command_ok([ 'psql', '-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-h', $node->host,
			'-p', $node->port, '-d', 'copy', '-f', $dump ], 'the dump can be restored');
	is($node->safe_psql('copy', $all), $node->safe_psql('postgres', $all), 'with the same rows');
	return;
}

# So many bytes of zeros, compressed so many times.
sub gzip_layers
{
	my ($bytes, $layers) = @_;
	my $packed = '';

	require IO::Compress::Gzip;
	my $z = IO::Compress::Gzip->new(\$packed, -Level => 9);
	my $block = "\0" x 1_000_000;
	$z->print($block) for 1 .. $bytes / 1_000_000;
	$z->close;
	for (2 .. $layers)
	{
		my $inner = $packed;
		IO::Compress::Gzip::gzip(\$inner => \$packed, -Level => 9);
	}
	return $packed;
}

# A listener that never answers; visitors() tells how many have come.
sub silent_listener
{
	require IO::Socket::INET;
	return IO::Socket::INET->new(Listen => 64, LocalAddr => $_[0] // '127.0.0.1', Blocking => 0)
	  || die "no socket: $!\n";
}

my %seen;

sub visitors
{
	my ($listener) = @_;

	while (my $visitor = $listener->accept)
	{
		$seen{$listener}++;
		close($visitor);
	}
	return $seen{$listener} // 0;
}

1;
