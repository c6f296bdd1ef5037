# A base backup that is opened as it is, by a host that says it is the same
# instance, cannot know that it is a copy: it has everything but the keys,
# which are in no backup.  Without them nothing leaves, and it says so.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', init => [ allows_streaming => 1 ], 'io_msg.idle_exit' => '100ms',
	'io_msg.sweep' => '500ms');

add_service($node, 'tari', $io);
wait_for_status($node, enqueue($node, 1), 'sent');
$node->safe_psql('postgres', 'SELECT io_pause()');
my @old = enqueue_many($node, 2, 4);
$node->backup('base');

# The same files at another place, where nobody has put the keys.
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'base');
$copy->append_conf('postgresql.conf', "io_msg.keys_file = '" . $copy->basedir . "/io_msg.keys'");
$copy->start;
is($copy->safe_psql('postgres', 'SELECT armed FROM io_msg.present()'), 't', 'the copy takes itself for the original');

my $before = () = $io->journal;
$copy->safe_psql('postgres', 'SELECT io_resume()');
my $new = enqueue($copy, 10);
wait_until($copy, q{SELECT count(*) = 1 FROM io_health() WHERE code = 'no_key' AND severity = 'error'},
	'io_health says that there is no key');
foreach my $id ($old[0], $new)
{
	like($copy->safe_psql('postgres', "SELECT io_explain($id)"), qr/key file/, "io_explain says so of row $id");
}
ok(poll_until(sub { log_has($copy, qr/io_msg[^\n]*key/) }), 'so does the log');

# Its worker comes, looks and leaves, again and again.
for my $time (1 .. 3)
{
	$copy->reload;
	enqueue($copy, 10 + $time);
	ok(poll_until(sub { !drainer_pids($copy) }), "its worker leaves, time $time");
}
is(scalar(() = $io->journal), $before, 'no call to IO');
is_deeply(statuses($copy), { sent => 1, queued => 7 }, 'nothing has changed there');

# The original has the keys.
$node->safe_psql('postgres', 'SELECT io_resume()');
wait_for_status($node, $_, 'sent') foreach @old;
is(scalar(() = $io->ledger), 4, 'and sends each once');
$copy->stop;
$node->stop;
done_testing();
