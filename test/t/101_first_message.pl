# The first message: an extension in a fresh database, a service, a line in the
# key file and a reload; no restart of the server.  How long a message takes
# from COMMIT to IO's doorstep is reported, not judged.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0, 'io_msg.idle_exit' => '300ms');
my $start = 'SELECT pg_postmaster_start_time()';
my $started = $node->safe_psql('postgres', $start);

$node->safe_psql('postgres', 'CREATE DATABASE comune');
$node->safe_psql('comune', 'CREATE EXTENSION io_msg');
$node->safe_psql('comune', "
	INSERT INTO io_msg.account (name, base_url) VALUES ('ente', '" . $io->base_url . "');
	INSERT INTO io_msg.service (name, account) VALUES ('tari', 'ente');");
$io->service('tari');
my $first = enqueue($node, 1, database => 'comune');
is(status_of($node, $first, 'comune'), 'queued', 'without a key it waits');

open(my $fh, '>>', $node->basedir . '/io_msg.keys') or die "key file: $!\n";
print $fh join(' ', 'comune', 'tari', $io->keys('tari')) . "\n";
close($fh) or die "key file: $!\n";
$node->safe_psql('comune', 'SELECT pg_reload_conf()');
my $second = enqueue($node, 2, database => 'comune');
wait_for_status($node, $second, 'sent', 'comune');
wait_for_status($node, $first, 'sent', 'comune');

my %accepted = map { $_->{fiscal_code} => $_->{id} } $io->ledger;
is($node->safe_psql('comune', "SELECT message_id FROM io_msg.outbox WHERE id = $second"),
	$accepted{ fiscal_code(2) }, 'with the id that IO gave');
is($node->safe_psql('postgres', $start), $started, 'the server was not restarted');

# Microseconds from the end of the call, just before its COMMIT, to the request's
# arrival at the sandbox, and to its answer in the row.
my $session = $node->background_psql('comune');
$session->query_safe('SET synchronous_commit = on');

sub measure
{
	my ($n) = @_;
	my $code = fiscal_code($n);
	my ($id, $committed) = split /\|/, $session->query_safe("
		SELECT id, (EXTRACT(epoch FROM clock_timestamp()) * 1000000)::bigint
		  FROM io_enqueue_message('$code', 'Measured message', repeat('m', 80)) AS id");
	wait_until($node, "SELECT status = 'sent' FROM io_msg.outbox WHERE id = $id",
		"message $n is sent", 'comune');
	my ($call) = grep { $_->{path} eq 'message' && $_->{fiscal_code} eq $code } $io->journal;
	my $settled = $node->safe_psql('comune',
		"SELECT (EXTRACT(epoch FROM settled_at) * 1000000)::bigint FROM io_msg.outbox WHERE id = $id");
	return ($call->{real_us} - $committed, $settled - $committed);
}

sub report
{
	my ($name, @all) = @_;

	foreach my $i (0, 1)
	{
		my @sorted = sort { $a <=> $b } map { $_->[$i] } @all;
		note(sprintf('%s, COMMIT to %s: median %.1f ms, longest %.1f ms', $name,
			('arrival at IO', 'answer in the row')[$i],
			$sorted[ @sorted / 2 ] / 1000, $sorted[-1] / 1000));
	}
	return;
}

my (@cold, @warm);
foreach my $n (100 .. 104)
{
	ok(poll_until(sub { !drainer_pids($node, 'comune') }), 'no drainer is there');
	push @cold, [ measure($n) ];
	push @warm, [ measure($n + 100) ];
}
report('cold', @cold);
report('warm', @warm);
$session->quit;

is(scalar $io->ledger, 12, 'each message was accepted once');
$node->stop;
done_testing();
