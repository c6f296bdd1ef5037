# While messages wait for a person's word the log says so, again and again at
# the interval that is set; never with 0, and never when none waits.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = flow_node('reminder', 'io_msg.poll_delay' => '1h', 'io_msg.idle_exit' => '100ms', 'io_msg.sweep' => '500ms',
	'io_msg.uncertain_reminder' => '1s');

add_services($node, $io, tari => {}, permits => {});

# The reminders in the log from an offset on.
sub reminders
{
	my ($from) = @_;

	return substr(slurp_file($node->logfile), $from) =~ /WARNING:.* (\d+) io_msg messages? (?:is|are) uncertain in database "postgres"$/mg;
}

# The worker has come and looked for seconds on end, three intervals at least.
sub it_has_looked
{
	my $looks = sub { $node->safe_psql('postgres', 'SELECT extract(epoch FROM heartbeat) FROM io_msg.worker_state()') || 0 };
	my $since = $looks->();

	return ok(poll_until(sub { $looks->() > $since + 3 }), 'the worker has come and looked');
}

sub make_uncertain
{
	my ($service, $n) = @_;

	know_profile($node, $service, $n);
	$io->fault(kind => 'close', path => 'message', fiscal_code => fiscal_code($n), count => 1);
	my $id = enqueue($node, $n, service => $service);
	wait_for_status($node, $id, 'uncertain');
	return $id;
}

subtest 'none waits' => sub
{
	wait_for_status($node, enqueue($node, 1, service => 'tari'), 'sent');
	it_has_looked();
	is(scalar(() = reminders(0)), 0, 'nothing is said');
};

my @ids;
subtest 'some wait' => sub
{
	push @ids, make_uncertain('tari', 2);
	my $from = -s $node->logfile;
	ok(poll_until(sub { scalar(() = reminders($from)) >= 3 }), 'the log says it, again and again');
	is((reminders($from))[0], 1, 'one waits');
	ok(log_has($node, qr/DETAIL:  The oldest since \d+ seconds\. IO may have accepted them\./, $from), 'since when');
	ok(log_has($node, qr/HINT:  Say what became of them with io_resolve\(\)\./, $from), 'and what to do');

	push @ids, make_uncertain('permits', 3);
	$from = -s $node->logfile;
	ok(poll_until(sub { grep { $_ == 2 } reminders($from) }), 'then two');
	is(scalar(grep { $_ > 2 } reminders(0)), 0, 'never more than there are');
};

subtest 'not more often than is set' => sub
{
	set_and_reload($node, 'io_msg.uncertain_reminder' => '1h');
	ok(poll_until(sub { !drainer_pids($node) }), 'at rest');
	my $from = -s $node->logfile;
	it_has_looked();
	is(scalar(() = reminders($from)), 0, 'the next is for later');
};

subtest 'never' => sub
{
	set_and_reload($node, 'io_msg.uncertain_reminder' => '0');
	# A server that has just begun has said nothing yet.
	$node->restart;
	my $from = -s $node->logfile;
	it_has_looked();
	is(scalar(() = reminders($from)), 0, 'nothing is said');
};

subtest 'none waits any more' => sub
{
	my $from = -s $node->logfile;
	set_and_reload($node, 'io_msg.uncertain_reminder' => '1s');
	ok(poll_until(sub { grep { $_ == 2 } reminders($from) }), 'two wait');
	$node->safe_psql('postgres', "SELECT io_resolve($ids[0], 'sent', reason => 'a test')");
	ok(poll_until(sub { grep { $_ == 1 } reminders($from) }), 'one still');
	$node->safe_psql('postgres', "SELECT io_resolve($ids[1], 'not_sent', reason => 'a test')");
	ok(poll_until(sub { !drainer_pids($node) }), 'at rest');
	$from = -s $node->logfile;
	it_has_looked();
	is(scalar(() = reminders($from)), 0, 'nothing is said');
};

log_is_clean($node);
$node->stop;
done_testing();
