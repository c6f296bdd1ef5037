# A worker that is cut off three times within ten minutes begins nothing more
# until a person says so: whatever kills it, each time may leave messages in
# doubt.  Ends that are planned do not count.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = flow_node('crash_loop', 'restart_after_crash' => 'on', 'io_msg.idle_exit' => '300ms',
	'io_msg.sweep' => '1s', 'io_msg.poll_delay' => '1h');
my $citizen = 0;

add_services($node, $io, tari => {});

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
sub unclean { return sql('SELECT cardinality(unclean_starts) FROM io_msg.drainer'); }
sub brakes { return sql('SELECT io_msg.crash_loop()') eq 't'; }
sub rests { return poll_until(sub { !drainer_pids($node) }); }

# Has a call met the fault that lets it wait?
sub hangs { return scalar grep { $_->{kind} eq 'hang' && $_->{fired} } @{ $io->faults->{faults} }; }

# The server has begun anew after one of its processes was killed.
sub await_server
{
	my ($from) = @_;

	ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) })
		  && poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
	return;
}

# A call of this kind to IO hangs, and the drainer is killed; returns the row.
sub kill_at
{
	my ($path) = @_;
	my $n = ++$citizen;
	my $from = -s $node->logfile;

	know_profile($node, 'tari', $n) if $path eq 'message';
	$io->fault(kind => 'hang', path => $path, fiscal_code => fiscal_code($n), count => 1);
	my $id = enqueue($node, $n, service => 'tari');
	ok(poll_until(sub { hangs() }), "a call is under way ($path)");
	kill('KILL', drainer_pids($node));
	await_server($from);
	$io->clear_faults;
	$io->release;
	return $id;
}

sub flows { return wait_for_status($node, enqueue($node, ++$citizen, service => 'tari'), 'sent'); }

subtest 'ends that do not count' => sub
{
	flows();
	ok(rests(), 'nothing to do: it leaves');
	is(unclean(), 0, 'leaving counts for nothing');

	$io->fault(kind => 'hang', path => 'message', ms => 1500);
	my $id = enqueue($node, ++$citizen, service => 'tari');
	ok(poll_until(sub { hangs() }), 'a message is under way');
	$node->restart;
	is(status_of($node, $id), 'sent', 'a planned restart waits for it');
	flows();
	is(unclean(), 0, 'a planned restart counts for nothing');

	$io->clear_faults;
	$io->fault(kind => 'hang', path => 'message', count => 1);
	$id = enqueue($node, ++$citizen, service => 'tari');
	ok(poll_until(sub { hangs() }), 'a message is under way');
	my ($pid) = drainer_pids($node);
	sql("SELECT pg_terminate_backend($pid)");
	$io->clear_faults;
	$io->release;
	wait_for_status($node, $id, 'sent');
	flows();
	is(unclean(), 0, 'nor does pg_terminate_backend');

	# Nothing was at work here: whoever kills the server now cuts nobody off.
	ok(rests(), 'it leaves');
	$node->stop('immediate');
	$node->start;
	flows();
	is(unclean(), 0, 'nor does the end of a server at rest');
};

my @orphans;
subtest 'twice is not too often' => sub
{
	push @orphans, kill_at('message');
	wait_for_status($node, $orphans[0], 'uncertain');
	flows();
	is(unclean(), 1, 'the first is counted');

	# At work, with nothing in flight: IO is asked about a person.
	my $id = kill_at('profile');
	wait_for_status($node, $id, 'sent');
	is(unclean(), 2, 'the second is, though it had sent nothing');
	flows();
	ok(!brakes(), 'all flows');
};

subtest 'the third time nothing is begun' => sub
{
	ok(rests(), 'at rest');
	my $from = -s $node->logfile;
	push @orphans, kill_at('message');
	wait_for_status($node, $orphans[1], 'uncertain');
	is(row_of($node, $orphans[1])->{reason}, 'interrupted', 'what was on the wire is uncertain all the same');
	ok(poll_until(sub { unclean() == 3 }), 'three are counted');
	ok(brakes(), 'that is too often');

	settle_requests($io);
	my $calls = () = $io->journal;
	my @waiting = enqueue_many($node, $citizen + 1, $citizen + 5, service => 'tari');
	$citizen += 5;
	is(scalar @waiting, 5, 'people go on enqueuing');
	ok(poll_until(sub { log_has($node, qr/WARNING:.* io_msg begins nothing in database "\w+": its worker was cut off three times/, $from) }),
		'the log says so');
	# The launcher has it come and look several times.
	my $looks = sub { sql('SELECT extract(epoch FROM heartbeat) FROM io_msg.worker_state()') };
	my $since = $looks->();
	ok(poll_until(sub { $looks->() > $since + 3 }), 'the worker has come and looked');
	is(status_of($node, $_), 'queued', "row $_ waits") foreach @waiting;
	is(scalar(() = $io->journal), $calls, 'no call to IO');
	is(scalar(() = substr(slurp_file($node->logfile), $from) =~ /io_msg begins nothing/g), 1, 'the log says it once');
	like(health($node), qr/^error crash_loop: the worker was cut off three times within 10 minutes/m, 'io_health');
	like(explanation($node, $waiting[0]), qr/nothing leaves, for the worker was cut off three times .*io_resume lets it go on/, 'io_explain');
	like(sql("SELECT waits_because FROM io_msg.queue"), qr/cut off three times/, 'io_msg.queue');

	# A restart is no person's word.
	$node->restart;
	enqueue($node, ++$citizen, service => 'tari');
	ok(poll_until(sub { log_has($node, qr/io_msg begins nothing/, -s $node->logfile > $from ? $from : 0) }), 'nor does a restart change it');
	ok(brakes(), 'it is still so');
	is(scalar(() = $io->journal), $calls, 'still no call to IO');

	is(sql('SELECT io_resume()'), 't', 'io_resume lets it go on');
	is(sql(q{SELECT count(*) FROM io_msg.audit WHERE action = 'resume'}), 1, 'the audit has it');
	wait_for_status($node, $_, 'sent') foreach @waiting;
	unlike(health($node), qr/crash_loop/, 'io_health has nothing to say');
	is(sql('SELECT io_resume()'), 'f', 'io_resume has nothing more to do');
};

subtest 'after io_resume three more are needed' => sub
{
	push @orphans, kill_at('message'), kill_at('message');
	wait_for_status($node, $_, 'uncertain') foreach @orphans;
	ok(!brakes(), 'not after two');
	flows();
};

# The worker was cut off at these times (minutes ago), and once more just now.
sub cut_off_at
{
	my (@minutes) = @_;
	my $times = join(', ', map { "clock_timestamp() - interval '$_ min'" } @minutes);

	ok(rests(), 'at rest');
	sql("UPDATE io_msg.drainer SET running = true, unclean_starts = ARRAY[$times]");
	sql("UPDATE io_msg.installation SET resumed_at = NULL");
	return enqueue($node, ++$citizen, service => 'tari');
}

subtest 'within ten minutes' => sub
{
	wait_for_status($node, cut_off_at(11, 1), 'sent');
	ok(!brakes(), 'not when the first was longer ago');
	my $id = cut_off_at(9, 1);
	ok(poll_until(sub { brakes() }), 'else it is too often');
	ok(rests(), 'it has looked');
	is(status_of($node, $id), 'queued', 'nothing is begun');
	sql('SELECT io_resume()');
	wait_for_status($node, $id, 'sent');
};

my %posts;
$posts{ $_->{fiscal_code} }++ foreach grep { $_->{path} eq 'message' } $io->journal;
is_deeply([ grep { $posts{$_} > 1 } keys %posts ], [], 'no message was sent twice');
is(sql(q{SELECT array_agg(id ORDER BY id) FROM io_msg.outbox WHERE status = 'uncertain'}),
	'{' . join(',', @orphans) . '}', 'uncertain is what was on the wire');
log_is_clean($node);
$node->stop;
done_testing();
