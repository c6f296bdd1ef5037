# A dump restored elsewhere has all rows, settings and next ids, and sends none
# of what it brought: the original may have sent it.  New rows flow at once, a
# person can let the old ones go, and what was being sent when the dump was
# made is never sent again.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(processing_delay_ms => 3600 * 1000);
my $node = iomsg_node('main', 'io_msg.poll_delay' => '1h');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';

sub sql
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

# A source with rows of all kinds: sent ones whose status is asked for later,
# queued ones that are paused, late or keyed, one that hangs on its way.
sub make_source
{
	add_service($node, 'tari', $io, quota_calls => 120, profile_max_age => '2 h',
		only_recipients => \'NULL');
	add_service($node, 'permits', $io);
	sql('postgres', q{
		CREATE ROLE clerk;
		INSERT INTO io_msg.service (id, name, paused) VALUES (40, 'parks', true);
		SELECT setval('io_msg.service_id_seq', 40);
		SELECT io_grant('clerk', 'sender', 'tari')});
	my @sent = enqueue_many($node, 1, 5, service => 'tari');
	enqueue($node, 6, service => 'tari', dedup_key => 'notice 6');
	wait_until($node, q{SELECT count(*) = 6 FROM io_msg.outbox
		WHERE status = 'sent'}, 'six are sent');
	$io->fault(kind => 'hang', path => 'message', count => 1);
	my $stuck = enqueue($node, 7, service => 'permits');
	wait_until($node, "SELECT status = 'sending' FROM io_msg.message WHERE id = $stuck",
		'one is being sent');
	sql('postgres', "SELECT io_pause('tari')");
	enqueue_many($node, 10, 14, service => 'tari', lot => 'second lot');
	enqueue($node, 15, service => 'tari', send_after => \"now() + interval '1 day'");
	enqueue($node, 16, service => 'tari', dedup_key => 'notice 16', reference => '16');
	sql('postgres', "SELECT io_check_profile('" . fiscal_code(17) . "', 'tari')");
	return $stuck;
}

# All that a dump must keep, as text.
sub contents
{
	my ($db) = @_;
	# A database may have its own.
	local $ENV{PGOPTIONS} = session_options(TimeZone => 'UTC', IntervalStyle => 'postgres', bytea_output => 'hex');

	return join("\n", map { sql($db, "SELECT '$_', t FROM io_msg.$_ AS t ORDER BY t::text") }
		  qw(account service service_role outbox body pending poll dedup_key profile audit))
	  . sql($db, 'SELECT last_value, is_called FROM io_msg.outbox_id_seq')
	  . sql($db, 'SELECT last_value, is_called FROM io_msg.service_id_seq');
}

sub held
{
	my ($db) = @_;

	return sql($db, 'SELECT count(*) FROM io_msg.message WHERE held');
}

# How many calls the sandbox had for a citizen's message.
sub posts
{
	my (@numbers) = @_;
	my %wanted = map { fiscal_code($_) => 1 } @numbers;

	return scalar grep { $_->{path} eq 'message' && $wanted{ $_->{fiscal_code} // '' } }
	  $io->journal;
}

my $stuck = make_source();
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'pg_dump');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", 'postgres' ], 'pg_dump -Fc');
my $source = contents('postgres');
my $original_key = join(' ', $io->keys('tari'));

# The source goes on: what it sends from now on is not the copy's business.
sql('postgres', 'SELECT io_pause()');

subtest 'restored as text' => sub
{
	sql('postgres', 'CREATE DATABASE copy TEMPLATE template0');
	write_keys($node, @{ $node->{iomsg_keys} }, "copy tari $original_key",
		'copy permits ' . join(' ', $io->keys('permits')));
	$node->command_ok(
		[ 'psql', '-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', $dump ],
		'psql -1 -v ON_ERROR_STOP=1');
	is(contents('copy'), $source, 'same rows, settings and next ids');
	is(sql('copy', 'SELECT count(*) FROM io_msg.installation'), 1, 'an installation of its own');
	isnt(sql('copy', 'SELECT generation FROM io_msg.installation'),
		sql('postgres', 'SELECT generation FROM io_msg.installation'), 'of another generation');
	is(sql('copy', 'SELECT in_flight, orphans FROM io_msg.drainer'), '{}|{}',
		'nothing is in its worker\'s hands');
};

subtest 'new rows flow, old ones do not' => sub
{
	my $before = () = $io->journal;

	sql('copy', "SELECT io_resume('tari')");
	my $new = enqueue($node, 20, service => 'tari', database => 'copy');
	wait_for_status($node, $new, 'sent', 'copy');
	my $permit = enqueue($node, 21, service => 'permits', database => 'copy');
	wait_for_status($node, $permit, 'sent', 'copy');
	my @calls = $io->journal;
	my %citizens = map { $_ => 1 } grep { defined }
	  map { $_->{fiscal_code} } @calls[ $before .. $#calls ];
	is(join(' ', sort keys %citizens), join(' ', sort map { fiscal_code($_) } 20, 21),
		'IO hears of the two new ones alone');
	is(held('copy'), 7, 'the old ones are held');
	ok(poll_until(sub { log_has($node, qr/io_msg holds messages in database "copy"/) }), 'the log says so');
	like(sql('copy', "SELECT io_explain(id) FROM io_msg.outbox WHERE reference = '16'"),
		qr/held: it was enqueued in another copy .* io_release lets it go/, 'io_explain says why');
	like(sql('copy', "SELECT io_explain($stuck)"),
		qr/by the database that this row was copied from/, 'also of the one on its way');
	is(enqueue($node, 16, service => 'tari', dedup_key => 'notice 16', reference => '16',
			database => 'copy'),
		sql('copy', "SELECT id FROM io_msg.outbox WHERE reference = '16'"),
		'a dedup key of the original counts');
};

subtest 'released' => sub
{
	my $sent_before = () = $io->ledger;

	is(sql('copy', "SELECT io_release(lot => 'second lot')"), 5, 'a lot of five');
	ok(poll_until(sub { sql('copy', "SELECT count(*) FROM io_msg.outbox
			WHERE lot = 'second lot' AND status = 'sent'") == 5 }), 'they are sent');
	is(posts(10 .. 14), 5, 'once each');
	is(posts(16), 0, 'nothing else');
	is(status_of($node, $stuck, 'copy'), 'queued', 'the one on its way was not in that lot');

	is(sql('copy', 'SELECT io_release()'), 3, 'all that is left');
	ok(poll_until(sub { sql('copy', "SELECT status FROM io_msg.outbox
			WHERE reference = '16'") eq 'sent' }), 'is sent');
	ok(poll_until(sub { sql('copy', "SELECT status FROM io_msg.outbox
			WHERE kind = 'profile'") eq 'checked' }), 'the profile check too');
	is(posts(16), 1, 'once');
	is(status_of($node, $stuck, 'copy'), 'uncertain', 'what was on its way is uncertain');
	is(sql('copy', "SELECT reason FROM io_msg.outbox WHERE id = $stuck"),
		'interrupted_elsewhere', 'and says why');
	is(posts(7), 0, 'the copy never sent it');
	is(held('copy'), 0, 'nothing is held any more');
	is(sql('copy', "SELECT status FROM io_msg.message WHERE due_at > now() + interval '1 h'
			AND status = 'queued'"), 'queued', 'what has its day waits for it');
	is(sql('copy', "SELECT count(*) FROM io_msg.outbox AS o JOIN io_msg.poll AS q
			ON o.id = ANY (q.ids) AND o.due_at = q.due_at AND o.generation = q.generation
			JOIN io_msg.installation AS i ON i.generation = q.generation
			WHERE o.status = 'sent' AND o.id < $stuck"), 6, 'statuses are asked for here now');
};

subtest 'restored by pg_restore' => sub
{
	my $before = () = $io->journal;

	sql('postgres', 'CREATE DATABASE other_copy TEMPLATE template0');
	write_keys($node, @{ $node->{iomsg_keys} }, "other_copy tari $original_key");
	$node->command_ok([ 'pg_restore', '-1', '-d', 'other_copy', "$dump.custom" ], 'pg_restore -1');
	is(contents('other_copy'), $source, 'same rows, settings and next ids');
	sql('other_copy', "SELECT io_resume('tari')");
	my $new = enqueue($node, 30, service => 'tari', database => 'other_copy');
	wait_for_status($node, $new, 'sent', 'other_copy');
	is(scalar(grep { ($_->{fiscal_code} // '') ne fiscal_code(30) }
			($io->journal)[ $before .. $io->journal - 1 ]), 0, 'nothing old left');
};

subtest 'the original' => sub
{
	$io->release;
	sql('postgres', "SELECT io_resume('tari'), io_resume()");
	wait_for_status($node, $stuck, 'sent');
	is(posts(7), 1, 'the one on its way was sent once');
	is(held('postgres'), 0, 'nothing is held in the original');
};

done_testing();
