# With io_msg.on_promotion = trust a promoted synchronous standby goes on by
# itself with what was queued before: none of it was sent.  Where no standby
# confirmed the marks, the lost primary may have sent it: it stays held.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;

use IoMsgFailover;
use IoMsgTest;

# The standby of the standby, which confirms after its promotion.
sub third_server
{
	my ($pair, $suffix) = @_;
	my ($primary, $standby) = @$pair{qw(primary standby)};
	my $third = PostgreSQL::Test::Cluster->new("third$suffix");

	$primary->backup('another');
	$third->init_from_backup($primary, 'another');
	IoMsgFailover::stream($third, $standby);
	return $third;
}

sub rows_that { my ($node, $sql) = @_; return $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.message WHERE $sql"); }

sub health_has
{
	my ($node, $code) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM io_health() WHERE code = '$code'");
}

subtest 'a synchronous standby' => sub
{
	my $pair = IoMsgFailover->start(synchronous => 1, settings => { 'io_msg.on_promotion' => 'trust' });
	my ($old, $new) = @$pair{qw(primary standby)};
	my $third = third_server($pair, '');

	IoMsgFailover::set_now($new, 'synchronous_standby_names', $third->name);
	$pair->{round} = 1;
	my $load = $pair->load_until_under_way($old, $new);
	$pair->cut_off($old, $new);
	$pair->{ledger_at_promotion} = $pair->accepted_now;
	is(health_has($new, 'trust_without_standby'), 0, 'io_health finds nothing amiss');
	cmp_ok(rows_that($new, q{status = 'queued'}), '>', 0, 'messages are queued when the standby is promoted');
	$new->promote;
	$pair->{io}->clear_faults;
	$pair->{io}->release;
	ok(poll_until(sub { !rows_that($new, 'held') && IoMsgFailover::is_drained($new) }), 'they flow by themselves');
	my $adopted = grep { $_->{key} eq $pair->{key}{ $new->name } } @{ $pair->lines_of('ledger') };
	my $next = $pair->begin_load($new);
	$pair->end_load($next);
	ok(poll_until(sub { IoMsgFailover::is_drained($new) }), 'and so does what is new');
	$pair->await_fence($old);
	$pair->settle_calls;
	my $sum = $pair->reconcile($old, $new, $load, $next);
	is($sum->{held}, 0, 'nothing is held');
	is($sum->{accepted}, $sum->{committed}, 'IO has all that was committed');
	is($new->safe_psql('postgres', q{SELECT sum((detail ->> 'count')::bigint) FROM io_msg.audit
		WHERE action = 'adopt' AND reason LIKE '%on_promotion%'}), $adopted, 'the audit says how many were let go');
	$old->stop;
	$pair->end_load($load);
	$_->stop foreach $third, $new;
};

subtest 'an asynchronous standby' => sub
{
	my $pair = IoMsgFailover->start(names => [qw(left_async right_async)], settings => { 'io_msg.on_promotion' => 'trust' });
	my ($old, $new) = @$pair{qw(primary standby)};
	my $third = third_server($pair, '_async');

	$pair->{round} = 1;
	my $load = $pair->load_until_under_way($old, $new);
	is(health_has($old, 'trust_without_standby'), 1, 'io_health says beforehand that trust will not do');
	$pair->cut_off($old, $new);
	$pair->{ledger_at_promotion} = $pair->accepted_now;
	$new->promote;
	$pair->{io}->clear_faults;
	$pair->{io}->release;
	my $next = $pair->begin_load($new);
	$pair->end_load($next);
	ok(poll_until(sub { IoMsgFailover::is_drained($new) }), 'what is new flows');
	$pair->let_go_on($old, $load);
	my $sum = $pair->reconcile($old, $new, $load, $next);
	cmp_ok($sum->{held_at_io}, '>', 0, 'what was queued is held, and the old primary has sent it');
	is(health_has($new, 'trust_without_standby'), 1, 'io_health says why');
	is(health_has($new, 'held'), 1, 'and that they are held');

	# Whether a standby confirms from now on says nothing about what was sent.
	IoMsgFailover::set_now($new, 'synchronous_standby_names', $third->name);
	wait_for_status($new, enqueue($new, 90_000), 'sent');
	wait_for_status($new, enqueue($new, 90_001), 'sent');
	is(rows_that($new, 'held'), $sum->{held}, 'a synchronous standby that comes later changes nothing');
	is($new->safe_psql('postgres', q{SELECT count(*) FROM io_msg.audit WHERE action = 'adopt'}), 0, 'nothing was let go');
	my ($accepted, $twice) = $pair->read_ledger;
	is_deeply($twice, [], 'nothing was accepted twice');
	$_->stop foreach $old, $third, $new;
};

# Who does not trust a promotion then has looked, or has not: what is held stays so.
subtest 'trust that comes later' => sub
{
	my $pair = IoMsgFailover->start(synchronous => 1, names => [qw(left_later right_later)]);
	my ($old, $new) = @$pair{qw(primary standby)};
	my $third = third_server($pair, '_later');

	$pair->{round} = 1;
	my $load = $pair->load_until_under_way($old, $new);
	$pair->cut_off($old, $new);
	$new->promote;
	$pair->{io}->clear_faults;
	$pair->{io}->release;
	wait_for_status($new, enqueue($new, 90_000), 'sent');
	is($new->safe_psql('postgres', 'SELECT synchronous FROM io_msg.drainer'), 'f', 'what this server sends waits for none');
	my $held = rows_that($new, 'held');
	cmp_ok($held, '>', 0, 'what was queued is held');
	IoMsgFailover::set_now($new, 'synchronous_standby_names', $third->name);
	IoMsgFailover::set_now($new, 'io_msg.on_promotion', 'trust');
	wait_for_status($new, enqueue($new, 90_001), 'sent');
	wait_for_status($new, enqueue($new, 90_002), 'sent');
	is(rows_that($new, 'held'), $held, 'and stays held');
	is($new->safe_psql('postgres', q{SELECT count(*) FROM io_msg.audit WHERE action = 'adopt'}), 0, 'nothing was let go');
	$old->stop('immediate');
	$pair->end_load($load);
	$_->stop foreach $third, $new;
};

# A stand-in for a synchronous standby: it confirms what it has on disk.
my @receivers;

sub confirm_for
{
	my ($node) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $pid = fork // die "fork: $!\n";

	if ($pid == 0)
	{
		open(STDOUT, '>', "$dir.log");
		open(STDERR, '>&', \*STDOUT);
		exec('pg_receivewal', '-n', '--synchronous', '-D', $dir, '-d',
			$node->connstr('postgres') . ' application_name=confirmer') or POSIX::_exit(127);
	}
	push @receivers, $pid;
	IoMsgFailover::set_now($node, 'synchronous_standby_names', 'confirmer')
	  if $node->safe_psql('postgres', 'SHOW synchronous_standby_names') ne 'confirmer';
	return ok(poll_until(sub { $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_replication
		WHERE sync_state = 'sync'}) }), $node->name . ' has a standby that confirms');
}

sub end_receivers
{
	kill('TERM', @receivers);
	waitpid($_, 0) foreach splice(@receivers);
	return;
}

# A server with an archive and a standby that confirms, after its first message:
# a backup of it.
sub archiving_server
{
	my ($name, $io) = @_;
	# The receiver has no slot: what it has not read yet must stay.
	my $node = iomsg_node($name, init => [ allows_streaming => 1, has_archiving => 1 ],
		'io_msg.on_promotion' => 'trust', 'wal_keep_size' => '1GB');

	confirm_for($node);
	add_service($node, 'tari', $io);
	wait_for_status($node, enqueue($node, 1), 'sent');
	$node->backup('base');
	return $node;
}

subtest 'a server recovered to an earlier time' => sub
{
	my $io = start_sandbox();
	my $node = archiving_server('main', $io);

	$node->safe_psql('postgres', 'SELECT io_pause()');
	my @old = enqueue_many($node, 2, 6);
	$node->safe_psql('postgres', q{SELECT pg_create_restore_point('before')});
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($node, $_, 'sent') foreach @old;
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$node->stop;

	my $restored = PostgreSQL::Test::Cluster->new('restored');
	$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf',
		"recovery_target_name = 'before'\nrecovery_target_action = promote\narchive_mode = off\nshared_preload_libraries = ''\n");
	$restored->start;
	wait_until($restored, 'SELECT NOT pg_is_in_recovery()', 'recovered');
	# Where it went back to is taken out of the settings before anybody looks.
	$restored->append_conf('postgresql.conf', "recovery_target_name = ''\nshared_preload_libraries = 'io_msg'\n");
	$restored->restart;
	confirm_for($restored);
	is($restored->safe_psql('postgres', 'SELECT synchronous FROM io_msg.drainer'), 't', 'marks waited for a standby then');
	$restored->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($restored, enqueue($restored, 10), 'sent');
	wait_for_status($restored, enqueue($restored, 11), 'sent');
	is(rows_that($restored, 'held'), 5, 'what it had sent since is held');
	is(scalar(() = $io->ledger), 8, 'IO got each message once');
	end_receivers();
	$restored->stop;
};

# Somebody else has run the timeline after the one that this server goes back to.
subtest 'a server recovered to the end of an earlier timeline' => sub
{
	my $io = start_sandbox();
	my $node = archiving_server('first', $io);

	IoMsgFailover::set_now($node, 'io_msg.enabled', 'off');
	enqueue_many($node, 2, 6);
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$node->stop;
	end_receivers();
	foreach my $timeline ('latest', '1')
	{
		my $restored = PostgreSQL::Test::Cluster->new("end_of_$timeline");

		$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
		# What it promotes to is to be known to the next one.
		$restored->append_conf('postgresql.conf',
			"recovery_target_timeline = '$timeline'\narchive_command = 'cp \"%p\" \"" . $node->archive_dir . "/%f\"'\n");
		$restored->start;
		wait_until($restored, 'SELECT NOT pg_is_in_recovery()', "recovered to the end of $timeline");
		confirm_for($restored);
		wait_for_status($restored, enqueue($restored, 10), 'sent');
		wait_for_status($restored, enqueue($restored, 11), 'sent');
		$timeline eq 'latest' ? ok(poll_until(sub { !rows_that($restored, 'held') }), 'one goes on with what was queued') :
		  is(rows_that($restored, 'held'), 5, 'and the other holds it');
		$restored->safe_psql('postgres', 'SELECT pg_switch_wal()') if $timeline eq 'latest';
		end_receivers();
		$restored->stop;
	}
	my %times;
	$times{ $_->{fiscal_code} }++ foreach $io->ledger;
	is_deeply([ grep { $times{$_} > 1 && $_ ne fiscal_code(10) && $_ ne fiscal_code(11) } keys %times ], [],
		'IO got what was queued once');
};

# What the first look decides is written with all else of its transaction: where
# that fails, it is to be decided again before the worker marks anything itself.
subtest 'a first look that is undone' => sub
{
	my $io = start_sandbox();
	my $lost = iomsg_node('lost', init => [ allows_streaming => 1 ], 'io_msg.on_promotion' => 'trust',
		'max_prepared_transactions' => 1);
	my $new = PostgreSQL::Test::Cluster->new('undone');
	my $is_undone = sub { return $new->safe_psql('postgres',
		'SELECT transaction_sqlstate FROM io_msg.worker_state()') eq '55P03'; };

	add_service($lost, 'tari', $io);
	wait_for_status($lost, enqueue($lost, 1), 'sent');
	IoMsgFailover::set_now($lost, 'io_msg.enabled', 'off');
	my @old = enqueue_many($lost, 2, 6);
	$lost->safe_psql('postgres', q{BEGIN; LOCK TABLE io_msg.profile; PREPARE TRANSACTION 'lock'});
	$lost->backup('base');
	$lost->safe_psql('postgres', q{ROLLBACK PREPARED 'lock'});
	IoMsgFailover::set_now($lost, 'io_msg.enabled', 'on');
	wait_for_status($lost, $_, 'sent') foreach @old;
	$lost->stop;

	# The receiver has no slot, as above.
	$new->init_from_backup($lost, 'base');
	$new->append_conf('postgresql.auto.conf',
		"io_msg.enabled = on\nio_msg.idle_exit = 1h\nwal_keep_size = 1GB\nsynchronous_standby_names = confirmer\n");
	$new->set_standby_mode;
	$new->start;
	$new->promote;
	ok(poll_until($is_undone), 'the first transaction is undone');
	{
		local $ENV{PGOPTIONS} = session_options(synchronous_commit => 'local');
		push @old, enqueue($new, 10);
		$new->safe_psql('postgres', q{ROLLBACK PREPARED 'lock'});
	}
	confirm_for($new);
	wait_for_status($new, $old[-1], 'sent');
	is($new->safe_psql('postgres', 'SELECT synchronous FROM io_msg.drainer'), 't', 'its own marks wait for a standby');

	# Now it looks again.
	$new->safe_psql('postgres', 'UPDATE io_msg.service SET paused = false');
	wait_for_status($new, enqueue($new, 11), 'sent');
	is(rows_that($new, 'held'), 5, 'what the lost server has sent is held');
	is($new->safe_psql('postgres', q{SELECT count(*) FROM io_msg.audit WHERE action = 'adopt'}), 0, 'nothing was let go');
	is(scalar(() = $io->ledger), 8, 'IO got each message once');
	end_receivers();
	$new->stop;
};

done_testing();
