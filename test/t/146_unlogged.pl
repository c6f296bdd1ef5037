# A table of io_msg that would not survive a crash: what was sent could be
# forgotten and sent again, so nothing is sent, and people are told why.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = flow_node('unlogged', 'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '100ms', 'io_msg.sweep' => '500ms');
my $citizen = 0;

add_services($node, $io, tari => {});

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub rests { return ok(poll_until(sub { !drainer_pids($node) }), 'at rest'); }

wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent');

foreach my $table (qw(outbox body pending drainer installation))
{
	subtest $table => sub
	{
		rests();
		my $from = -s $node->logfile;
		sql("ALTER TABLE io_msg.$table SET UNLOGGED");
		settle_requests($io);
		my $calls = () = $io->journal;
		my $id = enqueue($node, ++$citizen, service => 'tari');
		ok(poll_until(sub { log_has($node, qr/WARNING:.* io_msg sends nothing from database "\w+": one of its tables is unlogged/, $from) }),
			'the log says why');
		my $looks = sub { sql('SELECT extract(epoch FROM heartbeat) FROM io_msg.worker_state()') };
		my $since = $looks->();
		ok(poll_until(sub { $looks->() > $since + 1 }), 'the worker has come and looked');
		is(status_of($node, $id), 'queued', 'the row waits');
		is(scalar(() = $io->journal), $calls, 'no call to IO');
		like(health($node), qr/^error unlogged: a table of io_msg is unlogged/m, 'io_health');
		like(explanation($node, $id), qr/nothing leaves, for a table of io_msg is unlogged.*SET LOGGED mends it/, 'io_explain');
		is(scalar(() = substr(slurp_file($node->logfile), $from) =~ /tables is unlogged/g), 1, 'the log says it once');

		sql("ALTER TABLE io_msg.$table SET LOGGED");
		wait_for_status($node, $id, 'sent');
		unlike(health($node), qr/unlogged/, 'io_health has nothing to say');
		is(posts_to($io, $citizen), 1, 'sent once');
	};
}

# Unlogged while the worker is at work: it takes notice in a few seconds.
subtest 'while it works' => sub
{
	my $stop = 0;
	my $from = -s $node->logfile;

	$io->fault(kind => 'latency', ms => 50);
	enqueue_many($node, 1000, 1019, service => 'tari');
	sql('ALTER TABLE io_msg.body SET UNLOGGED');
	ok(poll_until(sub {
		enqueue($node, 2000 + $stop++, service => 'tari') unless log_has($node, qr/tables is unlogged/, $from);
		log_has($node, qr/tables is unlogged/, $from); }), 'the log says why');
	ok(poll_until(sub { sql(q{SELECT in_flight || orphans FROM io_msg.drainer}) eq '{}' }), 'what is under way ends');
	settle_requests($io);
	my $calls = () = $io->journal;
	my $id = enqueue($node, ++$citizen, service => 'tari');
	rests();
	is(scalar(() = $io->journal), $calls, 'nothing more leaves');
	sql('ALTER TABLE io_msg.body SET LOGGED');
	wait_until($node, q{SELECT count(*) = 0 FROM io_msg.outbox WHERE status <> 'sent'}, 'all is sent in the end');
};

my %posts;
$posts{ $_->{fiscal_code} }++ foreach grep { $_->{path} eq 'message' } $io->journal;
is_deeply([ grep { $posts{$_} > 1 } keys %posts ], [], 'nothing was sent twice');
log_is_clean($node);
$node->stop;
done_testing();
