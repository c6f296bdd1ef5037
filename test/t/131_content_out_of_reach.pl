# Content that cannot be read for a moment is read again later, and the message
# is sent then; only where it is gone has the message failed, and it alone.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('main');
my $io = start_sandbox(quota => 0);

add_services($node, $io, tari => {});
know_profile($node, 'tari', 1 .. 30);

sub count_of
{
	my ($condition, @ids) = @_;

	return $node->safe_psql('postgres',
		'SELECT count(*) FROM io_msg.outbox WHERE id IN (' . join(',', @ids) . ") AND $condition");
}

subtest 'somebody has locked all content' => sub
{
	$node->safe_psql('postgres', 'SELECT io_pause()');
	my @ids = enqueue_many($node, 1, 20);
	my $holder = $node->background_psql('postgres');

	$holder->query_safe('BEGIN; LOCK TABLE io_msg.body IN ACCESS EXCLUSIVE MODE');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	ok(poll_until(sub { count_of('reason IS NOT NULL', @ids) == @ids }),
		'the messages were marked, and their content could not be read');
	is(count_of("status = 'queued' AND reason = 'content_not_read' AND attempts = 0", @ids), scalar @ids,
		'all are queued again, no attempt is counted');
	like(explanation($node, $ids[0]), qr/its content could not be read for a moment/, 'io_explain says it');
	is(scalar(() = $io->ledger), 0, 'nothing was sent');
	$holder->query_safe('COMMIT');
	$holder->quit;

	wait_until($node, 'SELECT count(*) = ' . @ids . q{ FROM io_msg.outbox WHERE status = 'sent'}, 'in the end all are sent');
	is_deeply([ grep { posts_to($io, $_) != 1 } 1 .. 20 ], [], 'each by one call');
	is(count_of('attempts = 1', @ids), scalar @ids, 'which is one attempt');
};

subtest 'some content is gone' => sub
{
	$node->safe_psql('postgres', 'SELECT io_pause()');
	my @ids = enqueue_many($node, 21, 30);
	my @gone = @ids[ 2, 7 ];

	$node->safe_psql('postgres', 'DELETE FROM io_msg.body WHERE id IN (' . join(',', @gone) . ')');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	foreach my $id (@ids)
	{
		my $is_gone = grep { $_ == $id } @gone;

		wait_for_status($node, $id, $is_gone ? 'failed' : 'sent');
		next unless $is_gone;
		is(row_of($node, $id)->{reason}, 'body_missing', 'the reason');
		like(explanation($node, $id), qr/its content is no longer there/, 'in words');
	}
	is_deeply([ map { posts_to($io, $_) } 21 .. 30 ], [ 1, 1, 0, 1, 1, 1, 1, 0, 1, 1 ],
		'IO was asked for the others only');
};

subtest 'storage that cannot be read' => sub
{
	my $long = join '', map { chr(ord('a') + int(rand(26))) } 1 .. 9000;

	# Long content lies apart; that file is away for a while.
	$node->safe_psql('postgres', 'SELECT io_pause()');
	know_profile($node, 'tari', 31 .. 34);
	my ($before, $away, @after) = map { enqueue($node, $_, $_ == 32 ? (markdown => $long) : ()) } 31 .. 34;
	my $file = $node->data_dir . '/' . $node->safe_psql('postgres',
		q{SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'io_msg.body'::regclass});
	$node->stop;
	rename($file, "$file.away") or die "rename: $!\n";
	$node->start;
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($node, $_, 'sent') foreach $before, @after;
	ok(poll_until(sub { row_of($node, $away)->{reason} eq 'content_not_read' }), 'the long one cannot be read');
	is(status_of($node, $away), 'queued', 'and waits');

	$node->stop;
	rename("$file.away", $file) or die "rename: $!\n";
	$node->start;
	wait_for_status($node, $away, 'sent');
	is(posts_to($io, 32), 1, 'once it can be read it is sent');
};

is($node->safe_psql('postgres', 'SELECT in_flight || orphans FROM io_msg.drainer'), '{}', 'nothing stays in flight');
log_is_clean($node);
$node->stop;
done_testing();
