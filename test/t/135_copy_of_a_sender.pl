# A copy whose source was sending when it was made leaves alone what was in
# flight there: its drainer looks, refuses and leaves, so that the copy can be
# dropped; the source itself knows what became uncertain.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0, 'io_msg.idle_exit' => '100ms', 'io_msg.sweep' => '500ms');

$node->safe_psql('postgres', 'CREATE DATABASE src');
$node->safe_psql('src', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, database => 'src');
$node->safe_psql('src', 'SELECT io_pause()');
my @ids = map { enqueue($node, $_, database => 'src') } 1 .. 3;

# As a drainer that died leaves it: two messages were being sent.
$node->safe_psql('src', "
	DELETE FROM io_msg.pending WHERE id IN ($ids[0], $ids[1]);
	UPDATE io_msg.drainer SET epoch = epoch + 1, in_flight = ARRAY[$ids[0], $ids[1]]::bigint[]");

ok(poll_until(sub { ($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE src'))[0] == 0 }),
	'CREATE DATABASE … TEMPLATE');
write_keys($node, @{ $node->{iomsg_keys} }, 'copy tari ' . join(' ', $io->keys('tari')));

# In the copy.
$node->safe_psql('copy', 'SELECT io_resume()');
ok(poll_until(sub { log_has($node, qr/io_msg sends nothing from database "copy":/) }), 'its drainer has looked');
ok(poll_until(sub { !drainer_pids($node, 'copy') }), 'and has left');
my $new = enqueue($node, 10, database => 'copy');
ok(poll_until(sub { !drainer_pids($node, 'copy') }), 'as it does after a commit');
is($node->safe_psql('copy', 'SELECT in_flight FROM io_msg.drainer'), "{$ids[0],$ids[1]}", 'nothing was changed');
is_deeply(statuses($node, 'copy'), { queued => 4 }, 'no row either');
is(scalar(() = $io->journal), 0, 'no call to IO');

# Armed, it sends what is new: not what was under way in the source, though it
# might be sent twice.
$node->safe_psql('copy', "UPDATE io_msg.service SET on_uncertain = 'resend'; SELECT io_arm(reason => 'a new sender')");
wait_for_status($node, enqueue($node, 11, database => 'copy'), 'sent', 'copy');
wait_for_status($node, enqueue($node, 12, database => 'copy'), 'sent', 'copy');
is_deeply(statuses($node, 'copy'), { queued => 4, sent => 2 }, 'the rest is queued');
is($node->safe_psql('copy', 'SELECT count(*) FROM io_msg.message WHERE held'), 4, 'and held');
is(scalar(() = $io->ledger), 2, 'IO has two messages');
ok(poll_until(sub { !drainer_pids($node, 'copy') }), 'its drainer leaves');
is(($node->psql('postgres', 'DROP DATABASE copy'))[0], 0, 'DROP DATABASE');

# In the source.
is($node->safe_psql('src', 'SELECT io_resume()'), 't', 'the source goes on');
wait_for_status($node, $ids[2], 'sent', 'src');
foreach my $id (@ids[ 0, 1 ])
{
	wait_for_status($node, $id, 'uncertain', 'src');
	is($node->safe_psql('src', "SELECT reason FROM io_msg.outbox WHERE id = $id"), 'interrupted', 'the reason');
}
is(scalar(() = $io->ledger), 3, 'IO has one message of it');
is($node->safe_psql('src', 'SELECT in_flight || orphans FROM io_msg.drainer'), '{}', 'nothing is left over');
ok(poll_until(sub { !drainer_pids($node, 'src') }), 'its drainer leaves');
is(($node->psql('postgres', 'DROP DATABASE src'))[0], 0, 'and DROP DATABASE works there');

$node->stop;
done_testing();
