# IoMsgFailover.pm: a primary and its standby that change places under load,
# while the old primary runs on and reaches IO, too.
#
#   my $pair = IoMsgFailover->start(synchronous => 1);
#   $pair->failover for 1 .. 50;
#   $pair->release_what_never_left;
#   $pair->finish;
#
# Each server has a key of its own, so that the sandbox tells them apart.  Each
# message goes to another citizen: the fiscal code is what joins the clients'
# journal, the sandbox's ledger and both databases.  With IOMSG_PROGRESS, a
# file, a line is added to it after each failover.

package IoMsgFailover;

use strict;
use warnings FATAL => 'all';

use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

use IoMsgReckoning;
use IoMsgTest;

our @ISA = ('IoMsgReckoning');

# Messages that each of the two servers is given in a failover, one by one, and
# how many the old one has been given at once, so that some wait.
my $LOAD = 60;
my $BACKLOG = 60;

# What each answer takes: some of that is to be left when the standby is cut
# off, which takes longer on a slow machine.
my $LATENCY_MS = int(deadline_s() / 0.6);

# Requests whose answers are kept back until the failover is over.
my $SLOW = 3;

# Flags: synchronous => 1; settings => {...} of both servers; names => [...].
sub start
{
	my ($class, %how) = @_;
	my $self = bless { synchronous => $how{synchronous} // 0, citizen => 0, round => 0,
		acked => {}, gone => {}, loads => [], sum => {}, dir => PostgreSQL::Test::Utils::tempdir },
	  $class;
	my $io = $self->{io} = start_sandbox(quota => 0);
	my ($left_name, $right_name) = @{ $how{names} // [qw(left right)] };
	my $left = iomsg_node($left_name, init => [ allows_streaming => 1 ],
		'log_statement' => 'none', 'wal_keep_size' => '1GB', 'max_connections' => 20,
		'io_msg.sweep' => '500ms', 'io_msg.max_in_flight' => 8, 'io_msg.retry_delay' => '50ms',
		%{ $how{settings} // {} });
	my ($primary_key, $secondary_key) = $io->keys('tari');

	add_service($left, 'tari', $io, keys => [$primary_key], quota_calls => 4096);
	$self->{key} = { $left_name => 'primary', $right_name => 'secondary' };
	$left->backup('base');
	my $right = PostgreSQL::Test::Cluster->new($right_name);
	$right->init_from_backup($left, 'base');
	$right->append_conf('postgresql.conf', "io_msg.keys_file = '" . $right->basedir . "/io_msg.keys'");
	@$self{qw(primary standby)} = ($left, $right);
	$self->follow($right, $left);
	write_keys($right, "postgres tari $secondary_key");
	return $self;
}

# Starts a server as the standby of another.
sub stream
{
	my ($standby, $primary) = @_;
	my $name = $standby->name;

	open(my $fh, '>', $standby->data_dir . '/postgresql.auto.conf') or die "postgresql.auto.conf: $!\n";
	print $fh "primary_conninfo = '" . $primary->connstr . " application_name=$name'\n";
	close($fh);
	$standby->set_standby_mode;
	$standby->start;
	die "$name does not stream\n" unless poll_until(sub {
		$primary->safe_psql('postgres', "SELECT count(*) FROM pg_stat_replication
			WHERE application_name = '$name' AND state = 'streaming'") });
	return;
}

# The same; with synchronous replication the primary waits for it from now on.
sub follow
{
	my ($self, $standby, $primary) = @_;
	my $name = $standby->name;

	stream($standby, $primary);
	return unless $self->{synchronous};
	set_now($primary, 'synchronous_standby_names', $name);
	die "$name is not synchronous\n" unless poll_until(sub {
		$primary->safe_psql('postgres', "SELECT count(*) FROM pg_stat_replication
			WHERE application_name = '$name' AND sync_state = 'sync'") });
	return;
}

sub set_now
{
	my ($node, $name, $value) = @_;
	local $ENV{PGOPTIONS} = session_options(synchronous_commit => 'local');

	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	die "$name is not set\n" unless poll_until(sub {
		$node->safe_psql('postgres', "SELECT current_setting('$name')") eq $value });
	return;
}

# ----------------------------------------------------------------------
# Load

# A client that enqueues messages, each in a transaction of its own, and notes
# which of them were committed.
sub begin_load
{
	my ($self, $node) = @_;
	my $first = $self->{citizen} + 1;
	my $path = "$self->{dir}/load.$first";

	$self->{citizen} += $LOAD;
	my $codes = join ',', map { fiscal_code($_) } $first .. $self->{citizen};
	open(my $fh, '>', $path) or die "$path: $!\n";
	print $fh "DO \$\$ DECLARE one text; BEGIN FOREACH one IN ARRAY '{$codes}'::text[] LOOP
		PERFORM io_enqueue_message(one, 'Load of a failover', repeat('text ', 20));
		COMMIT; RAISE NOTICE 'committed %', one; PERFORM pg_sleep(0.015);
		END LOOP; END \$\$";
	close($fh);
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		open(STDOUT, '>', "$path.out");
		open(STDERR, '>', "$path.err");
		exec('psql', '-X', '-d', $node->connstr('postgres'), '-f', $path) or POSIX::_exit(127);
	}
	my $load = { pid => $pid, journal => "$path.err" };
	push @{ $self->{loads} }, $load;
	return $load;
}

# Waits for the end of a client; then the journal has all it will ever have.
sub end_load
{
	my ($self, $load) = @_;

	waitpid($load->{pid}, 0);
	$self->{loads} = [ grep { $_ != $load } @{ $self->{loads} } ];
	return;
}

# ----------------------------------------------------------------------
# A failover

# Messages are on their way, and some of them slow, when the standby takes
# over; in every other round the two have lost sight of each other before.
sub failover
{
	my ($self) = @_;
	my $round = ++$self->{round};
	my ($old, $new) = @$self{qw(primary standby)};
	my $begin = time;
	my $load = $self->load_until_under_way($old, $new);

	$self->cut_off($old, $new) if $round % 2;
	is($self->calls_of($new), $self->{calls_at_stop} // 0, "failover $round: the standby has sent nothing");
	$self->{ledger_at_promotion} = $self->accepted_now;
	$new->promote;
	# In the other rounds a person stops the old primary, too late for some.
	$old->safe_psql('postgres', 'SELECT io_pause()') unless $round % 2 || $self->{synchronous};
	my $next = $self->begin_load($new);
	$self->{io}->clear_faults;
	$self->{io}->release;
	$self->end_load($next);
	ok(poll_until(sub { lift_brake($new); is_drained($new) }), "failover $round: what is new flows");
	$self->let_go_on($old, $load);
	my $figures = $self->reconcile($old, $new, $load, $next);
	$self->rejoin($old, $new, $load);
	$self->tell($figures, time - $begin);
	return;
}

# The third failover within ten minutes looks like a crash that repeats itself:
# then a person has to say that it may go on.
sub lift_brake
{
	my ($node) = @_;

	return $node->safe_psql('postgres', 'SELECT io_resume() WHERE io_msg.crash_loop()');
}

# The load has begun, some requests hang at IO, and the standby knows.
sub load_until_under_way
{
	my ($self, $old, $new) = @_;
	my $hang = $self->{io}->fault(kind => 'hang', path => 'message', count => $SLOW);
	my $id = $hang->{ids}[0];

	$self->{io}->fault(kind => 'latency', path => 'message', ms => $LATENCY_MS);
	$self->enqueue_acked($old, $BACKLOG);
	my $load = $self->begin_load($old);
	ok(poll_until(sub {
		$self->{slow} = [ map { $_->{fiscal_code} } grep { ($_->{fault} // 0) == $id }
			  @{ $self->lines_of('ledger') } ];
		return 0 if @{ $self->{slow} } < $SLOW;
		my $codes = join ',', map { "'$_'" } @{ $self->{slow} };
		$new->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox AS o JOIN io_msg.drainer AS d
			ON o.id = ANY (d.in_flight) WHERE o.fiscal_code IN ($codes)") == $SLOW }),
		"failover $self->{round}: messages are under way, as the standby knows");
	return $load;
}

# The standby hears no more of the old primary, which goes on as far as it can.
sub cut_off
{
	my ($self, $old, $new) = @_;
	my $before = $self->accepted_now;

	set_now($new, 'primary_conninfo', '');
	poll_until(sub { !$old->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_replication') });
	return $self->await_fence($old) if $self->{synchronous};
	$self->enqueue_acked($old, 10);
	return ok(poll_until(sub { $self->accepted_now > $before + 10 }),
		"failover $self->{round}: cut off, it goes on sending");
}

# Messages that the client knows to be committed.
sub enqueue_acked
{
	my ($self, $node, $count) = @_;
	my @citizens = map { ++$self->{citizen} } 1 .. $count;

	enqueue_many($node, $citizens[0], $citizens[-1]);
	$self->{acked}{ fiscal_code($_) } = 1 foreach @citizens;
	return;
}

# Messages that do not wait for a standby; nobody may rely on them.
sub enqueue_locally
{
	my ($self, $node, $count) = @_;
	my $first = $self->{citizen} + 1;
	local $ENV{PGOPTIONS} = session_options(synchronous_commit => 'local');

	$self->{citizen} += $count;
	enqueue_many($node, $first, $self->{citizen});
	return;
}

# The isolated primary cannot make a mark that counts.
sub await_fence
{
	my ($self, $old) = @_;

	$self->enqueue_locally($old, 3);
	return ok(poll_until(sub {
		$old->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'io_msg drainer' AND wait_event = 'SyncRep'}) }),
		"failover $self->{round}: the mark of the isolated primary waits");
}

# The old primary does what it still can.
sub let_go_on
{
	my ($self, $old, $load) = @_;

	if ($self->{synchronous})
	{
		$self->await_fence($old);
		$self->settle_calls;
		return;
	}
	if ($self->{round} % 2)
	{
		$self->end_load($load);
		return ok(poll_until(sub { is_drained($old) }), "failover $self->{round}: the old primary has sent all it had");
	}
	$self->end_load($load);
	return ok(poll_until(sub { $old->safe_psql('postgres', 'SELECT in_flight FROM io_msg.drainer') eq '{}' }),
		"failover $self->{round}: the old primary is paused");
}

sub settle_calls
{
	my ($self) = @_;

	return poll_until(sub { $self->{io}->stats->{in_flight} == 0 });
}

# The old primary is stopped, rewound to the new timeline, and is the standby.
sub rejoin
{
	my ($self, $old, $new, $load) = @_;
	my $before = $self->accepted_now;
	my $conf = slurp_file($old->data_dir . '/postgresql.conf');

	$old->stop('fast');
	$self->end_load($load);
	$self->settle_calls;
	is($self->accepted_now, $before, "failover $self->{round}: its stop sends nothing");
	$self->{calls_at_stop} = $self->calls_of($old);
	# A promoted server's control file has the new timeline after a checkpoint.
	$new->safe_psql('postgres', 'CHECKPOINT');
	ok(PostgreSQL::Test::Utils::run_log([ 'pg_rewind', '--no-sync', '-D', $old->data_dir,
			'--source-server', $new->connstr('postgres') ]), "failover $self->{round}: pg_rewind");
	open(my $fh, '>', $old->data_dir . '/postgresql.conf') or die "postgresql.conf: $!\n";
	print $fh $conf;
	close($fh);
	$self->follow($old, $new);
	$new->wait_for_catchup($old->name);
	@$self{qw(primary standby)} = ($new, $old);
	return;
}

# ----------------------------------------------------------------------
# Afterwards

# Whoever has looked can let go what is held and is not at IO.
sub release_what_never_left
{
	my ($self) = @_;
	my $node = $self->{primary};
	my ($accepted) = $self->read_ledger;
	my ($rows) = rows_at($node);
	my @never = grep { $_->{status} eq 'held' && !$accepted->{ $_->{code} } } values %$rows;
	my $ids = join ',', map { $_->{id} } @never;

	is($node->safe_psql('postgres', "SELECT io_release(ids => '{$ids}')"), scalar @never, 'what never left is released');
	ok(poll_until(sub { is_drained($node) }), 'and flows');
	($rows) = rows_at($node);
	($accepted, my $twice) = $self->read_ledger;
	is_deeply($twice, [], 'nothing was accepted twice in all');
	is_deeply([ untruths($rows, $accepted) ], [], 'and what is said to be sent is at IO');
	is(scalar(grep { !$accepted->{ $_->{code} } && $_->{status} ne 'uncertain' } values %$rows), 0,
		'IO has each message, or it is uncertain');
	return;
}

# Ends clients and servers.
sub finish
{
	my ($self) = @_;

	$self->end_load($_) foreach @{ $self->{loads} };
	$_->stop foreach @$self{qw(standby primary)};
	return;
}

1;
