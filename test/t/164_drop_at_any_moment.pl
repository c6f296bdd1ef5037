# DROP EXTENSION at random moments under load: it passes, the server stands,
# and no message that IO has accepted is without its id, in the table as it was
# or in the log.  IOMSG_DROPS is how often (10).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgTest;

my $rounds = $ENV{IOMSG_DROPS} // 10;
my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main', extension => 0, 'io_msg.sweep' => '500ms', 'io_msg.max_in_flight' => 4,
	'log_statement' => 'none', 'max_prepared_transactions' => 0);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
$io->fault(kind => 'latency', ms => 30);
$node->safe_psql('postgres', 'CREATE TABLE known (message_id text)');
my $seed = $ENV{IOMSG_SEED} // time;
srand($seed);
note("seed $seed");

my @ways = ('DROP EXTENSION io_msg', 'TRUNCATE io_msg.outbox, io_msg.pending, io_msg.body; DROP EXTENSION io_msg',
	'ALTER TABLE io_msg.outbox ADD COLUMN mine integer; DROP EXTENSION io_msg CASCADE');
my $n = 0;

foreach my $round (1 .. $rounds)
{
	my $way = $ways[ rand @ways ];

	$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
	$node->{iomsg_keys} = [];
	add_service($node, 'tari', $io, quota_calls => 4096);
	enqueue_many($node, $n + 1, $n + 30);
	$n += 30;
	sleep(rand 0.4);
	# What is written until then is kept, so that it can be compared.
	my ($rc, $out, $err) = $node->psql('postgres', "BEGIN; LOCK TABLE io_msg.outbox;
		INSERT INTO known SELECT message_id FROM io_msg.outbox WHERE message_id IS NOT NULL; $way; COMMIT");
	is($err, '', "round $round: $way") or last;
}
ok(poll_until(sub { !drainer_pids($node) && $io->stats->{in_flight} == 0 }), 'the last drainer has left');

my %id = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT message_id FROM known');
my $in_table = keys %id;
my $log = slurp_file($node->logfile);
$id{$_} = 1 foreach $log =~ /message id "([0-9A-Z]{26})"/g;
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
my @unknown = grep { !$id{ $_->{id} } } $io->ledger;
note(scalar(() = $io->ledger) . " accepted, $in_table known to the table");
cmp_ok(scalar(() = $io->ledger), '>', 0, 'messages were sent');
is(scalar(@unknown), 0, 'none without an id that is known');
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'none twice');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'it is the same server');
unlike($log, qr/PANIC|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
